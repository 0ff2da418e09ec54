"""What both training scripts share: processes, time budget, resolution schedule, EMA, evaluation, curves, checkpoints."""
from __future__ import annotations

import argparse
import copy
import csv
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

import data
from snnet import Family


def training_arguments(doc: str | None, **defaults: float | str) -> argparse.ArgumentParser:
    """A parser with what both training scripts take; `defaults` are those in which the scripts differ."""
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cache", type=Path, required=True, help="folder written by data.py")
    ap.add_argument("--out", type=Path, required=True, help="folder for checkpoints and curves")
    ap.add_argument("--minutes", type=float, required=True, help="whole budget, earlier parts of a resumed run included")
    ap.add_argument("--stages", help="share of budget : resolution")
    ap.add_argument("--batch", type=int, default=128, help="per process and step")
    ap.add_argument("--muon-lr", type=float, help="0: AdamW for everything")
    ap.add_argument("--adam-lr", type=float)
    ap.add_argument("--weight-decay", type=float, default=0.05)
    ap.add_argument("--smoothing", type=float, default=0.05)
    ap.add_argument("--min-scale", type=float, default=0.5, help="smallest crop area")
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--sync", type=float, default=0, help="seconds between averagings of the weights; 0: gradients, every step")
    ap.add_argument("--seed", type=int)
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--eval-minutes", type=float)
    ap.add_argument("--eval-images", type=int, default=1000)
    ap.set_defaults(**defaults)
    return ap


def setup() -> tuple[int, int, torch.device]:
    """(rank, world, device); starts the process group when launched by torchrun."""
    cuda = torch.cuda.is_available()
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_RANK", 0))
    if world > 1:
        dist.init_process_group("nccl" if cuda else "gloo")
    if cuda:
        torch.cuda.set_device(local)
        torch.backends.cuda.matmul.allow_tf32 = True
    return rank, world, torch.device("cuda", local) if cuda else torch.device("cpu")


def autocast(device: torch.device):
    """bf16 on CUDA; plain f32 on the CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def average_grads(model: nn.Module, world: int) -> None:
    """Mean of the gradients over all processes, as one message. A parameter that no process used keeps grad None, one
    that only some used counts as zero on the others (each process may train another route)."""
    if world == 1:
        return
    params = [p for p in model.parameters() if p.requires_grad]
    used = torch.tensor([p.grad is not None for p in params], dtype=torch.float32, device=params[0].device)
    dist.all_reduce(used)
    live = [p for p, u in zip(params, used.tolist()) if u > 0]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in live])
    dist.all_reduce(flat)
    flat /= world
    for p, g in zip(live, flat.split([p.numel() for p in live])):
        p.grad = g.view_as(p)


class Budget:
    """Progress 0..1 by wall clock, so that a busy machine never breaks the schedule. Survives a resume. All processes
    take rank 0's start time (their clocks must agree)."""

    def __init__(self, minutes: float, spent: float, world: int, device: torch.device) -> None:
        start = torch.tensor([time.time() - spent], dtype=torch.float64, device=device)
        if world > 1:
            dist.broadcast(start, 0)
        self.total, self.start = minutes * 60, start.item()

    @property
    def seconds(self) -> float:
        return time.time() - self.start

    @property
    def progress(self) -> float:
        return min(1.0, self.seconds / self.total)


class Sync:
    """How several processes work together. `every` = 0: gradients are averaged at each step (plain data parallelism,
    for GPUs). `every` > 0: each process steps on its own and the weights are averaged every so many seconds, weighted by
    the steps taken since (local SGD), so that a process on a busy core never holds up the others."""

    def __init__(self, model: nn.Module, budget: Budget, world: int, every: float) -> None:
        self.model, self.budget, self.world, self.every = model, budget, world, every if world > 1 else 0.0
        self.next, self.steps = budget.seconds + self.every, 0

    def gradients(self) -> None:
        if self.every == 0:
            average_grads(self.model, self.world)
        self.steps += 1

    @torch.no_grad()
    def _weights(self) -> None:
        params = list(self.model.parameters())
        flat = torch.cat([p.flatten() for p in params] + [torch.ones(1, device=params[0].device)]) * max(self.steps, 1e-3)
        dist.all_reduce(flat)
        flat /= flat[-1].clone()
        for p, v in zip(params, flat[:-1].split([p.numel() for p in params])):
            p.copy_(v.view_as(p))
        self.steps, self.next = 0, self.next + self.every

    def weights(self, finish: bool = False) -> bool:
        """Call after each step, with `finish` after the last; every process does every averaging, in order."""
        due = self.every > 0
        while due and (self.next <= self.budget.total if finish else self.budget.seconds >= self.next and self.next <= self.budget.total):
            self._weights()
        if due and finish:
            self._weights()
        return due


def stop(budget: Budget, world: int, every: float, device: torch.device) -> float:
    """Progress; with averaging at each step it is rank 0's, so that all stop at the same step."""
    p = torch.tensor([budget.progress], dtype=torch.float64, device=device)
    if world > 1 and every == 0:
        dist.broadcast(p, 0)
    return p.item()


def cosine(progress: float, warmup: float = 0.02, floor: float = 0.005) -> float:
    if progress < warmup:
        return 0.05 + 0.95 * progress / warmup
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def parse_stages(text: str) -> list[tuple[float, int]]:
    """"0:32,0.6:48" -> [(0.0, 32), (0.6, 48)]: from that share of the budget on, train at that resolution."""
    return [(float(a), int(b)) for a, b in (s.split(":") for s in text.split(","))]


def stage_size(stages: list[tuple[float, int]], progress: float) -> int:
    return [size for start, size in stages if progress >= start][-1]


class Ema:
    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.steps = copy.deepcopy(model).eval().requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.steps += 1
        d = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.model.parameters()), [p.detach() for p in model.parameters()], 1 - d)


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, device: torch.device, batch: int = 250,
             statistics: data.Statistics = data.IMAGENET) -> dict[str, float]:
    """top1, top5 (shares of 1) and mean cross-entropy on uint8 images [N, H, W, 3], labels [N]; no augmentation."""
    top1 = top5 = loss = 0.0
    for i in range(0, len(y), batch):
        target = y[i : i + batch].to(device)
        logits = forward(data.normalise(x[i : i + batch].to(device), statistics)).float()
        loss += F.cross_entropy(logits, target, reduction="sum").item()
        hit = logits.topk(5, 1).indices == target[:, None]
        top1 += hit[:, 0].sum().item()
        top5 += hit.any(1).sum().item()
    return {"top1": top1 / len(y), "top5": top5 / len(y), "loss": loss / len(y)}


@torch.no_grad()
def evaluate_routes(family: Family, x: Tensor, y: Tensor, device: torch.device, batch: int = 125, log: str = "",
                    ) -> dict[str, dict[str, float]]:
    """Route id -> top1, top5, loss for every route of a Family; shared front parts are computed once per batch."""
    sums: dict[str, list[float]] = {r["id"]: [0.0, 0.0, 0.0] for r in family.routes}
    for i in range(0, len(y), batch):
        target = y[i : i + batch].to(device)
        for route, logits in family.forward_all(data.normalise(x[i : i + batch].to(device), family.statistics)):
            hit = logits.topk(5, 1).indices == target[:, None]
            s = sums[route]
            s[0] += hit[:, 0].sum().item()
            s[1] += hit.any(1).sum().item()
            s[2] += F.cross_entropy(logits, target, reduction="sum").item()
        if log:
            print(f"{log} {i + len(target)}/{len(y)}", flush=True)
    return {r: dict(zip(("top1", "top5", "loss"), (v / len(y) for v in s))) for r, s in sums.items()}


class Curve:
    """Appends rows to a CSV file; the first row fixes the columns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, **row: float | int | str) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="") as f:
            w = csv.DictWriter(f, list(row))
            if new:
                w.writeheader()
            w.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})


def save_checkpoint(path: Path, state: dict) -> None:
    """Whole or not at all: written beside, then renamed."""
    tmp = path.with_suffix(".tmp")
    torch.save(state, tmp)
    os.replace(tmp, path)
