"""Joint fine-tuning of the anchors and all stitch layers (paper, section 3.4 and algorithm 1).

    python train_stitched.py --cache CACHE --out RUNS --minutes 35
    python train_stitched.py --cache CACHE --out RUNS --minutes 35 --bundle BUNDLE
    torchrun --nproc-per-node 2 train_stitched.py …      (each process trains its own routes; --batch is per process)

Starts from RUNS/family.init.pt (stitch.py), or from a bundle of any origin (its images: see data.py); writes RUNS/family.pt
(resumed from when it exists) and RUNS/family.csv.
Routes are drawn uniformly, anchors included. By default the draws come in mirrored pairs (a route and its counterpart
counted from the other end of the list sorted by cost): still uniform per draw, but every step costs about the same, so
that processes do not wait for each other.
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import data
from bundle import family_of, read_bundle, read_manifest
from common import (Budget, Curve, Ema, Sync, autocast, cosine, evaluate, parse_stages, save_checkpoint, setup, stage_size,
                    stop, training_arguments)
from optim import make_optimisers, restore, set_rate
from snnet import Family, route_macs


def arguments() -> argparse.Namespace:
    ap = training_arguments(__doc__, stages="0:48,0.7:64", muon_lr=0.01, adam_lr=7e-4, seed=1, eval_minutes=6)
    ap.add_argument("--bundle", type=Path, help="start from this bundle instead of family.init.pt")
    ap.add_argument("--single", action="store_true", help="one route per step and process, as the paper does; else a pair "
                    "shares the batch")
    ap.add_argument("--anchor-share", type=float, default=0.0, help="extra probability of drawing anchors only")
    ap.add_argument("--distill", type=float, default=0.0, help="every other route learns the class that the "
                    "largest anchor answers, with this weight: one more forward pass of that anchor for a route")
    ap.add_argument("--inplace", type=float, default=0.0,
                    help="both routes of a pair see the same images, and the cheaper one learns the other's probabilities with "
                         "this weight (in-place distillation, Yu and Huang, ICCV 2019): no extra computation. Together with "
                         "--distill the dearer route learns from the largest anchor")
    ap.add_argument("--stitch-lr", type=float, default=1.5e-3)
    a = ap.parse_args()
    if a.single and a.inplace > 0:
        ap.error("--inplace needs pairs of routes, and --single draws one: leave one of them out, or use --distill")
    return a


def draw(order: list[str], anchors: list[str], a: argparse.Namespace, gen: torch.Generator) -> list[str]:
    """The routes of one step; `order` is sorted by cost."""
    u, k = torch.rand(1, generator=gen).item(), int(torch.randint(len(order), (1,), generator=gen))
    if u < a.anchor_share:
        k %= (len(anchors) + 1) // 2
        return [anchors[k], anchors[-1 - k]]
    return [order[k]] if a.single else [order[k], order[-1 - k]]


def loss_of(logits: Tensor, y: Tensor, teacher: Tensor | None, weight: float, smoothing: float) -> Tensor:
    """`teacher`: labels [B], or probabilities [B, classes]."""
    loss = F.cross_entropy(logits, y, label_smoothing=smoothing)
    return loss if teacher is None else (1 - weight) * loss + weight * F.cross_entropy(logits, teacher)


def losses(family: Family, routes: list[str], shares: list[tuple[Tensor, Tensor]], together: bool, a: argparse.Namespace,
           device: torch.device) -> Iterator[Tensor]:
    """One loss for each route of a step. A route has one teacher at most: of a pair on the same images (`together`, the
    dearer one first) the cheaper has the dearer; else, with --distill, the largest anchor, which has none itself."""
    largest, dearer = list(family.configs)[-1], None
    for route, (x, y) in zip(routes, shares):
        teacher, weight = dearer, a.inplace
        with autocast(device):
            if teacher is None and a.distill > 0 and route != largest:
                with torch.no_grad():
                    teacher, weight = family(x, largest).argmax(1), a.distill
            logits = family(x, route)
            loss = loss_of(logits, y, teacher, weight, a.smoothing) / len(routes)
        if together:
            dearer = logits.detach().float().softmax(1)
        yield loss


def main() -> None:
    a = arguments()
    torch.set_num_threads(a.threads)
    rank, world, device = setup()
    if a.bundle:
        data.require_input(a.cache, read_manifest(a.bundle)["input"])
    x, y = data.load(a.cache, "train")
    vx, vy = (t[: a.eval_images] for t in data.load(a.cache, "val"))
    path, curve = a.out / "family.pt", Curve(a.out / "family.csv")
    s: dict = {}
    if a.bundle and not path.exists():
        family = family_of(*read_bundle(a.bundle)).train().to(device)
    else:
        s = torch.load(path if path.exists() else a.out / "family.init.pt", map_location=device, weights_only=True)
        family = Family.of_spec(s["spec"]).to(device)
        family.load_state_dict(s["model"])
    opts = make_optimisers(family, a.muon_lr, a.adam_lr, a.weight_decay, a.stitch_lr, world > 1 and a.sync == 0)
    ema, budget, step, images = Ema(family, a.ema), Budget(a.minutes, 0, world, device), 0, 0
    if "opts" in s:
        ema.model.load_state_dict(s["ema"])
        restore(opts, s["opts"])
        ema.steps, step, images, budget = s["step"], s["step"], s["images"], Budget(a.minutes, s["seconds"], world, device)
    anchors = list(family.configs)
    order = sorted(family.by_id, key=lambda r: route_macs(family.by_id[r], family.configs))
    watched = [anchors[0], order[len(order) // 3], order[2 * len(order) // 3], anchors[-1]]

    def save() -> None:
        if rank == 0:
            save_checkpoint(path, dict(model=family.state_dict(), ema=ema.model.state_dict(), spec=family.spec(), step=step,
                                       images=images, opts=[o.state_dict() for o in opts], seconds=budget.seconds))

    def validate() -> None:
        res = {r: evaluate(lambda t: ema.model(t, r), vx, vy, device, statistics=family.statistics) for r in watched}
        print("family val top1 " + ", ".join(f"{r} {v['top1']:.4f}" for r, v in res.items()), flush=True)
        for r, v in res.items():
            curve.add(seconds=budget.seconds, step=step, images=images, size=vx.shape[1], route=r, loss="", rate="",
                      val_top1=v["top1"], val_loss=v["loss"])

    gen = torch.Generator().manual_seed(a.seed + 7919 * (step + 1) + rank)
    stream = data.batches(x, y, a.batch, a.seed + 104729 * (step + 1), rank, world)
    stages, loss_sum, loss_n = parse_stages(a.stages), 0.0, 0
    sync = Sync(family, budget, world, a.sync)
    logged = saved = evaluated = time.monotonic()
    logged_images = images
    while (p := stop(budget, world, a.sync, device)) < 1:
        size = stage_size(stages, p)
        bx, by = next(stream)
        routes = draw(order, anchors, a, gen)
        together = a.inplace > 0 and len(set(routes)) == 2
        if together:  # half the images, each on both routes; the dearer one first: it is the other's teacher
            routes.sort(key=order.index, reverse=True)
            bx, by = bx[::2], by[::2]
        bx, by = data.augment(bx.to(device), size, gen, a.min_scale, family.statistics), by.to(device)
        set_rate(opts, cosine(p))
        shares = [(bx, by)] * 2 if together else list(zip(bx.chunk(len(routes)), by.chunk(len(routes))))
        for loss in losses(family, routes, shares, together, a, device):
            loss.backward()
            loss_sum, loss_n = loss_sum + loss.item(), loss_n + 1 / len(routes)
        sync.gradients()
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        sync.weights()
        ema.update(family)
        step, images = step + 1, images + len(by) * world
        now = time.monotonic()
        if rank == 0 and now - logged > 30:
            rate = (images - logged_images) / (now - logged)
            print(f"family {p:6.1%} step {step} {size}px epoch {images / len(y):.2f} loss {loss_sum / loss_n:.3f} {rate:.0f} img/s",
                  flush=True)
            curve.add(seconds=budget.seconds, step=step, images=images, size=size, route="", loss=loss_sum / loss_n, rate=rate,
                      val_top1="", val_loss="")
            loss_sum, loss_n, logged, logged_images = 0.0, 0, now, images
        if now - saved > 60:
            save()
            saved = now
        if rank == 0 and now - evaluated > a.eval_minutes * 60:
            validate()
            evaluated = time.monotonic()
    if sync.weights(finish=True):
        ema.update(family)
    save()
    if rank == 0:
        print(f"family done: step {step}, {images / len(y):.2f} epochs, {budget.seconds / 60:.1f} minutes", flush=True)
        validate()


if __name__ == "__main__":
    main()
