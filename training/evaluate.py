"""Accuracy of every route of a bundle, with the shipped (f16-rounded) weights, on all of val.

    python evaluate.py --bundle BUNDLE --cache CACHE
    torchrun --nproc-per-node 2 evaluate.py …            (each process takes its share of the images)

Writes top1, top5 (shares of 1) and loss of every route into BUNDLE/manifest.json and prints the table.
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.distributed as dist

import data
from bundle import family_of, read_bundle, write_manifest
from common import evaluate_routes, setup


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--cache", type=Path, required=True)
    ap.add_argument("--images", type=int, default=0, help="only the first so many (0: all)")
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    rank, world, device = setup()
    manifest, tensors = read_bundle(a.bundle)
    family = family_of(manifest, tensors).to(device)
    x, y = data.load(a.cache, "val")
    if a.images:
        x, y = x[: a.images], y[: a.images]
    started = time.monotonic()
    share_x, share_y = x[rank::world], y[rank::world]
    res = evaluate_routes(family, share_x, share_y, device, log="evaluate" if rank == 0 else "")
    keys = ("top1", "top5", "loss")
    total = torch.tensor([[res[r["id"]][k] for k in keys] for r in manifest["routes"]], dtype=torch.float64) * len(share_y)
    if world > 1:
        total = total.to(device)
        dist.all_reduce(total)
    if rank:
        return
    for r, row in zip(manifest["routes"], (total / len(y)).tolist()):
        r["top1"], r["top5"], r["loss"] = (round(v, 5) for v in row)
    write_manifest(a.bundle, manifest)
    for r in sorted(manifest["routes"], key=lambda r: r["macs"]):
        print(f"{r['id']:18s} {r['macs'] / 1e6:8.1f} M macs  top1 {r['top1']:.4f}  top5 {r['top5']:.4f}  loss {r['loss']:.4f}")
    print(f"{len(y)} images, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
