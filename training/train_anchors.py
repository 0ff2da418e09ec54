"""Trains one anchor within a wall-clock budget, with growing resolution: from scratch, or on from --start.

    python train_anchors.py --cache CACHE --out RUNS --anchor w128 --minutes 55
    torchrun --nproc-per-node 2 train_anchors.py …        (several processes or GPUs; --batch is per process)

Writes RUNS/<anchor>.pt (resumed from when it exists) and RUNS/<anchor>.csv.
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import data
from common import (Budget, Curve, Ema, Sync, autocast, cosine, evaluate, parse_stages, save_checkpoint, setup, stage_size,
                    stop, training_arguments)
from optim import make_optimisers, restore, set_rate
from vit import CONFIGS, ViT, init_weights, sample_patches


def arguments() -> argparse.Namespace:
    ap = training_arguments(__doc__, stages="0:32,0.6:48,0.93:64", muon_lr=0.02, adam_lr=1.5e-3, seed=0, eval_minutes=4)
    ap.add_argument("--anchor", choices=CONFIGS, required=True)
    ap.add_argument("--start", type=Path, help="weights to begin with (grow.py), instead of from scratch")
    ap.add_argument("--name", help="file name of the run (default: the anchor)")
    ap.add_argument("--floor", type=float, default=0.005, help="last learning rate, as a share of the highest")
    ap.add_argument("--init", choices=["mimetic", "zero"], default="mimetic")
    return ap.parse_args()


def main() -> None:
    a = arguments()
    torch.set_num_threads(a.threads)
    rank, world, device = setup()
    name = a.name or a.anchor
    a.out.mkdir(parents=True, exist_ok=True)
    x, y = data.load(a.cache, "train")
    vx, vy = (t[: a.eval_images] for t in data.load(a.cache, "val"))
    gen = torch.Generator().manual_seed(a.seed)
    pick = torch.randperm(len(y), generator=gen)[:512].sort().values
    model = ViT(CONFIGS[a.anchor])
    first = stage_size(parse_stages(a.stages), 0)
    init_weights(model, sample_patches(data.augment(x[pick], first, gen), model.c.patch, 8000, gen), a.seed, a.init == "mimetic")
    if a.start:
        model.load_state_dict(torch.load(a.start, map_location="cpu", weights_only=True)["model"])
    model.to(device)
    opts = make_optimisers(model, a.muon_lr, a.adam_lr, a.weight_decay, shared=world > 1 and a.sync == 0)
    ema, budget, step, images = Ema(model, a.ema), Budget(a.minutes, 0, world, device), 0, 0
    path, curve = a.out / f"{name}.pt", Curve(a.out / f"{name}.csv")
    if path.exists():
        s = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(s["model"])
        ema.model.load_state_dict(s["ema"])
        restore(opts, s["opts"])
        ema.steps, step, images, budget = s["step"], s["step"], s["images"], Budget(a.minutes, s["seconds"], world, device)

    def save() -> None:
        if rank == 0:
            save_checkpoint(path, dict(model=model.state_dict(), ema=ema.model.state_dict(), step=step, images=images,
                                       opts=[o.state_dict() for o in opts], seconds=budget.seconds, anchor=a.anchor))

    stages, loss_sum, loss_n = parse_stages(a.stages), 0.0, 0
    gen.manual_seed(a.seed + 7919 * (step + 1) + rank)
    stream = data.batches(x, y, a.batch, a.seed + 104729 * step, rank, world)
    sync = Sync(model, budget, world, a.sync)
    logged = saved = evaluated = time.monotonic()
    logged_images = images
    while (p := stop(budget, world, a.sync, device)) < 1:
        size = stage_size(stages, p)
        bx, by = next(stream)
        bx, by = data.augment(bx.to(device), size, gen, a.min_scale), by.to(device)
        set_rate(opts, cosine(p, floor=a.floor))
        with autocast(device):
            loss = F.cross_entropy(model(bx), by, label_smoothing=a.smoothing)
        loss.backward()
        sync.gradients()
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        sync.weights()
        ema.update(model)
        step, images = step + 1, images + a.batch * world
        loss_sum, loss_n = loss_sum + loss.item(), loss_n + 1
        now = time.monotonic()
        if rank == 0 and now - logged > 30:
            print(f"{name} {p:6.1%} step {step} {size}px epoch {images / len(y):.2f} loss {loss_sum / loss_n:.3f} "
                  f"{(images - logged_images) / (now - logged):.0f} img/s", flush=True)
            curve.add(seconds=budget.seconds, step=step, images=images, size=size, loss=loss_sum / loss_n,
                      rate=(images - logged_images) / (now - logged), val_top1="", val_loss="")
            loss_sum, loss_n, logged, logged_images = 0.0, 0, now, images
        if now - saved > 60:
            save()
            saved = now
        if rank == 0 and now - evaluated > a.eval_minutes * 60:
            r = evaluate(ema.model, vx, vy, device)
            print(f"{name} {p:6.1%} val top1 {r['top1']:.4f} top5 {r['top5']:.4f} loss {r['loss']:.3f}", flush=True)
            curve.add(seconds=budget.seconds, step=step, images=images, size=vx.shape[1], loss="", rate="",
                      val_top1=r["top1"], val_loss=r["loss"])
            evaluated = time.monotonic()
    if sync.weights(finish=True):
        ema.update(model)
    save()
    if rank == 0:
        r = evaluate(ema.model, vx, vy, device)
        print(f"{name} done: step {step}, {images / len(y):.2f} epochs, val ({len(vy)} images): {r}", flush=True)
        curve.add(seconds=budget.seconds, step=step, images=images, size=vx.shape[1], loss="", rate="",
                  val_top1=r["top1"], val_loss=r["loss"])


if __name__ == "__main__":
    main()
