"""Writes a bundle (docs/bundle-format.md) from a trained family.

    python export.py --family RUNS/family.pt --labels DATA/labels.json --out ../public/models/photos-64-128

Weights are rounded to f16. The check vectors are this PyTorch model's logits, f32 arithmetic on the rounded weights, for
two images made by formula. Accuracies are added afterwards by evaluate.py, the model card by card.py.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import data
from bundle import family_of, family_tensors, read_bundle, write_bundle
from snnet import Family, enumerate_family, route_macs
from vit import CONFIGS

LICENSE = ("Weights for demonstration and non-commercial research and education only: they were trained on Tiny ImageNet, "
           "a subset of ImageNet (ILSVRC), whose terms allow no other use. See MODEL_CARD.md.")
SOURCES = ["Trained from scratch by this repository's training/ on Tiny ImageNet (Stanford CS231N), 200 classes, 64 x 64 pixels",
           "Tiny ImageNet is a down-scaled subset of ImageNet (ILSVRC): non-commercial research and education only; the "
           "copyright of each photograph stays with its owner",
           "Method: Pan, Cai, Zhuang, Stitchable Neural Networks, CVPR 2023"]


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


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--family", type=Path, required=True, help="family.pt, or family.init.pt for stitches as fitted")
    ap.add_argument("--labels", type=Path, required=True, help="labels.json of the data")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--name", default="photos-64-128")
    ap.add_argument("--version", default="1.0.0")
    ap.add_argument("--group", type=int, default=3, help="blocks per shard")
    ap.add_argument("--check", nargs="+", default=None, help="routes of the check vectors")
    a = ap.parse_args()
    torch.set_num_threads(1)
    s = torch.load(a.family, map_location="cpu", weights_only=True)
    configs = {n: CONFIGS[n] for n in s["anchors"]}
    stitches, routes = enumerate_family(list(configs), next(iter(configs.values())).depth)
    family = Family(configs, stitches, routes).eval()
    family.load_state_dict(s.get("ema", s["model"]))
    for r in routes:
        r["macs"] = route_macs(r, configs)
    ids = list(configs)
    check = a.check or [ids[0], f"{ids[0]}.3+{ids[1]}.4", f"{ids[0]}.8+{ids[1]}.7", ids[-1]]
    size = configs[ids[0]].size
    image = procedural_images(size)
    common = dict(name=a.name, version=a.version, license=LICENSE, sources=SOURCES,
                  input={"size": size, "crop": 1.0, "filter": "bilinear", "mean": list(data.MEAN), "std": list(data.STD)},
                  configs={n: (f"ViT width {c.dim}", c) for n, c in configs.items()}, stitches=stitches, routes=routes,
                  tensors=family_tensors(family), labels=[c["display"] for c in json.loads(a.labels.read_text())], group=a.group,
                  check_image=image, check_routes=check)
    write_bundle(a.out, **common, check_logits=np.zeros((len(check), len(image), configs[ids[0]].classes), np.float32))
    shipped = family_of(*read_bundle(a.out))  # what a reader gets: the rounded weights
    with torch.no_grad():
        pixels = data.normalise(torch.from_numpy(image))
        logits = np.stack([shipped(pixels, r).numpy() for r in check])
        apart = max((shipped(pixels, r) - family(pixels, r)).abs().max().item() for r in check)
    manifest = write_bundle(a.out, **common, check_logits=logits)
    total = sum(s["bytes"] for s in manifest["shards"])
    print(f"{a.out}: {len(routes)} routes, {len(manifest['shards'])} shards, {total} bytes; logits std {logits.std():.2f}, "
          f"rounding to f16 moves check logits by at most {apart:.1e}")


if __name__ == "__main__":
    main()
