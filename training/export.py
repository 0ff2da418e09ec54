"""Writes a bundle (docs/bundle-format.md) from a trained family.

    python export.py --family RUNS/family.pt --labels DATA/labels.json --name photos --out ../public/models/photos

Weights are rounded to f16, or matrices to int8. The check vectors are this PyTorch model's logits, f32 arithmetic on the rounded
weights, for two images made by formula. Accuracies are added afterwards by evaluate.py, the model card by card.py.

A bundle at --out is replaced when the new one is complete; other files beside it stay. No other folder is ever replaced.
"""
from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch

import data
from bundle import family_tensors, load_tensors, read_bundle, require_free, rounded, write_bundle
from snnet import Family, route_macs

LICENSE = ("Weights for demonstration and non-commercial research and education only: they were trained on Tiny ImageNet, "
           "a subset of ImageNet (ILSVRC), whose terms allow no other use. See MODEL_CARD.md.")
SOURCES = ["Trained from scratch by this repository's training/ on Tiny ImageNet (Stanford CS231N), 200 classes, 64 x 64 pixels",
           "Tiny ImageNet is a down-scaled subset of ImageNet (ILSVRC): non-commercial research and education only; the "
           "copyright of each photograph stays with its owner",
           "Method: Pan, Cai, Zhuang, Stitchable Neural Networks, CVPR 2023"]
TUNED = "Anchors and stitch layers fine-tuned together by this repository's training/train_stitched.py"


def procedural_images(size: int, count: int = 2) -> np.ndarray:
    """u8 [count, size, size, 3]: coloured waves, a disc and a checkerboard by formula (no photographs)."""
    y, x = np.mgrid[0:size, 0:size] / size
    out = []
    for k in range(count):
        waves = np.stack([0.5 + 0.3 * np.sin(2 * np.pi * ((1 + k + c) * x + (2 - k + 0.5 * c) * y) + c) for c in range(3)], -1)
        disc = ((x - 0.35 - 0.25 * k) ** 2 + (y - 0.55) ** 2 < 0.06)[..., None]
        checks = ((np.floor(x * 16) + np.floor(y * 16)) % 2)[..., None] * (y < 0.3)[..., None]
        out.append(np.clip(waves + 0.35 * disc - 0.25 * checks, 0, 1))
    return np.round(np.stack(out) * 255).astype(np.uint8)


def check_routes(family: Family) -> list[str]:
    """Every anchor, and for each pair of neighbours one shallow and one deep stitched route: each kind of unit is checked."""
    pairs: dict[tuple[str, ...], list[str]] = {}
    for r in family.routes:
        pairs.setdefault(tuple(p["anchor"] for p in r["path"][::2]), []).append(r["id"])
    return [i for ids in pairs.values() for i in dict.fromkeys([ids[len(ids) // 3], ids[2 * len(ids) // 3]])]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--family", type=Path, required=True, help="family.pt, or family.init.pt for stitches as fitted")
    origin = ap.add_mutually_exclusive_group(required=True)
    origin.add_argument("--labels", type=Path, help="labels.json of Tiny ImageNet: a family trained from scratch")
    origin.add_argument("--base", type=Path, help="bundle the training started from: its labels, input, licence and sources")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--name", required=True)
    ap.add_argument("--version", default="1.0.0")
    ap.add_argument("--group", type=int, default=3, help="blocks per shard")
    ap.add_argument("--anchors", nargs="+", help="only these, and the routes between them")
    ap.add_argument("--weights", choices=["f16", "int8"], default="f16", help="how matrices are stored")
    ap.add_argument("--check", nargs="+", default=None, help="routes of the check vectors")
    a = ap.parse_args()
    require_free(a.out)
    torch.set_num_threads(1)
    s = torch.load(a.family, map_location="cpu", weights_only=True)
    family = Family.of_spec(s["spec"]).eval()
    family.load_state_dict(s.get("ema", s["model"]))
    if a.anchors:
        family = family.part(a.anchors)
    configs, stitches = family.configs, family.stitch_list
    routes = [r | {"macs": route_macs(r, configs)} for r in family.routes]
    ids = list(configs)
    check = a.check or check_routes(family)
    size = configs[ids[0]].size
    image = procedural_images(size)
    mean, std = (list(v) for v in family.statistics)
    if a.base:
        m, _ = read_bundle(a.base)
        origin = dict(license=m["license"], sources=[*m["sources"], TUNED], input=m["input"],
                      labels=json.loads((a.base / m["labels"]["file"]).read_text(encoding="utf-8")))
    else:
        origin = dict(license=LICENSE, sources=SOURCES, labels=[c["display"] for c in json.loads(a.labels.read_text())],
                      input={"size": size, "crop": 1.0, "filter": "bilinear", "mean": mean, "std": std})
    tensors = family_tensors(family)
    shipped = load_tensors(copy.deepcopy(family), rounded(tensors, a.weights))  # what a reader gets
    with torch.no_grad():
        pixels = data.normalise(torch.from_numpy(image), family.statistics)
        logits = np.stack([shipped(pixels, r).numpy() for r in check])
        apart = max((shipped(pixels, r) - family(pixels, r)).abs().max().item() for r in check)
    manifest = write_bundle(a.out, name=a.name, version=a.version, **origin, stitches=stitches, routes=routes, tensors=tensors,
                            configs={n: (f"ViT width {c.dim}", c) for n, c in configs.items()}, group=a.group, check_image=image,
                            check_routes=check, check_logits=logits, weights=a.weights)
    total = sum(s["bytes"] for s in manifest["shards"])
    print(f"{a.out}: {len(routes)} routes, {len(manifest['shards'])} shards, {total} bytes; logits std {logits.std():.2f}, "
          f"rounding to {a.weights} moves check logits by at most {apart:.1e}")


if __name__ == "__main__":
    main()
