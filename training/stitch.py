"""Least-squares initialisation of the stitch layers (paper, section 3.2), from trained anchors.

    python stitch.py --cache CACHE --out RUNS --anchors w96 w128 w192

Reads RUNS/<anchor>.pt, writes RUNS/family.init.pt, then RUNS/ls.json: accuracy of every route with least-squares and with random
stitch layers, on the first --eval-images of val.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn

import data
from common import evaluate_routes
from snnet import Family, entries
from vit import CONFIGS


def least_squares(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """min ||[A 1] M - B||_F in f64 (minimum norm if rank-deficient): A [rows, front], B [rows, back] ->
    weight [back, front], bias [back]."""
    a = torch.cat([a.double(), torch.ones(len(a), 1, dtype=torch.float64)], 1)
    m = torch.linalg.lstsq(a, b.double(), driver="gelsd").solution
    return m[:-1].T.contiguous(), m[-1].clone()


@torch.no_grad()
def init_stitches(family: Family, pixels: Tensor) -> dict[str, float]:
    """Fits every stitch layer on normalised images [B, 3, s, s], in eval mode. Rows are all tokens of all images, the
    class token too; the target of (i, j) is what back block j would receive, i.e. the output of block j-1 (j = 0: the
    embedding). A shared layer is the mean of its pairs' solutions. Returns each layer's mean relative residual."""
    family.eval()
    feats = {a: [t.flatten(0, 1) for t in family.features(pixels, a)] for a in family.configs}
    residual = {}
    for name, uses in entries(family.routes).items():
        solved, errors = [], []
        for front, i, back, j in uses:
            a, b = feats[front][i + 1], feats[back][j]
            w, c = least_squares(a, b)
            solved.append((w, c))
            errors.append(((a.double() @ w.T + c - b).norm() / b.double().norm()).item())
        layer = family.stitch(name)
        layer.weight.copy_(torch.stack([w for w, _ in solved]).mean(0))
        layer.bias.copy_(torch.stack([c for _, c in solved]).mean(0))
        residual[name] = sum(errors) / len(errors)
    return residual


def random_stitches(family: Family, seed: int) -> None:
    torch.manual_seed(seed)
    for layer in family.stitches:
        nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(layer.bias)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cache", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--anchors", nargs="+", required=True, choices=CONFIGS, help="smallest first")
    ap.add_argument("--images", type=int, default=400, help="training images for the fit (no labels used)")
    ap.add_argument("--eval-images", type=int, default=1000)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    family = Family.of({n: CONFIGS[n] for n in a.anchors}).eval()
    for n in a.anchors:
        s = torch.load(a.out / f"{n}.pt", map_location="cpu", weights_only=True)
        family.anchors[n].load_state_dict(s["ema"])
        print(f"{n}: {s['images']} images seen, {s['seconds'] / 60:.1f} minutes")
    x, _ = data.load(a.cache, "train")
    pick = torch.randperm(len(x), generator=torch.Generator().manual_seed(a.seed))[: a.images].sort().values
    report: dict = {"calibration_images": a.images, "eval_images": a.eval_images}
    vx, vy = (t[: a.eval_images] for t in data.load(a.cache, "val"))
    report["residual"] = init_stitches(family, data.normalise(x[pick]))
    torch.save(dict(model=family.state_dict(), spec=family.spec()), a.out / "family.init.pt")
    print(f"fitted on {a.images} images: {a.out / 'family.init.pt'}", flush=True)
    report["least_squares"] = evaluate_routes(family, vx, vy, torch.device("cpu"))
    random_stitches(family, a.seed)
    report["random"] = evaluate_routes(family, vx, vy, torch.device("cpu"))
    stitched = [r["id"] for r in family.routes if len(r["path"]) > 1]
    for k in ("random", "least_squares"):
        report[f"mean_top1_{k}"] = sum(report[k][r]["top1"] for r in stitched) / len(stitched)
        print(f"{k}: mean top1 of {len(stitched)} stitched routes {report[f'mean_top1_{k}']:.4f}")
    for r in family.routes:
        print(f"  {r['id']:16s} least squares {report['least_squares'][r['id']]['top1']:.4f} random {report['random'][r['id']]['top1']:.4f}")
    (a.out / "ls.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
