"""Accuracy of every route of a bundle, with the shipped (f16-rounded) weights, on all of val.

    python evaluate.py --bundle BUNDLE --cache CACHE
    torchrun --nproc-per-node 2 evaluate.py …            (each process takes its share of the images)

    python evaluate.py --bundle BUNDLE --marks-only      (from the accuracies that stand there)

Writes top1, top5 (shares of 1) and loss of every route into BUNDLE/manifest.json, marks the Pareto front there
(`pareto: true`) and prints the table.
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.distributed as dist

import data
from bundle import family_of, read_bundle, read_manifest, write_manifest
from common import evaluate_routes, setup


def mark_front(routes: list[dict]) -> None:
    """Marks every route with a measured accuracy above that of all cheaper ones, and no other. Of equally expensive ones
    the best counts, of equal ones the first: the same rule as in src/tools/model/pareto.ts."""
    best = -1.0
    for r in routes:
        r.pop("pareto", None)
    for r in sorted((r for r in routes if "top1" in r), key=lambda r: (r["macs"], -r["top1"])):
        if r["top1"] > best:
            r["pareto"], best = True, r["top1"]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundle", type=Path, required=True)
    what = ap.add_mutually_exclusive_group(required=True)
    what.add_argument("--cache", type=Path)
    what.add_argument("--marks-only", action="store_true", help="only mark the Pareto front anew")
    ap.add_argument("--images", type=int, default=0, help="only the first so many (0: all)")
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    if a.marks_only:
        manifest = read_manifest(a.bundle)
        mark_front(manifest["routes"])
        write_manifest(a.bundle, manifest)
        print(f"Pareto front: {', '.join(r['id'] for r in manifest['routes'] if 'pareto' in r) or 'no route is measured'}")
        return
    torch.set_num_threads(a.threads)
    rank, world, device = setup()
    manifest, tensors = read_bundle(a.bundle)
    family = family_of(manifest, tensors).to(device)
    data.require_input(a.cache, manifest["input"])
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
    mark_front(manifest["routes"])
    write_manifest(a.bundle, manifest)
    for r in sorted(manifest["routes"], key=lambda r: r["macs"]):
        print(f"{r['id']:18s} {r['macs'] / 1e6:8.1f} M macs  top1 {r['top1']:.4f}  top5 {r['top5']:.4f}  loss {r['loss']:.4f}"
              f"{'  front' if 'pareto' in r else ''}")
    print(f"{len(y)} images, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
