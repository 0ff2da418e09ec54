"""Labelled images -> uint8 arrays, and the batch maker with its augmentation.

`python data.py --data DIR --cache DIR` decodes every image once into the cache folder (keep it outside the
repository): {split}_x.npy uint8 [N, size, size, 3] (RGB), {split}_y.npy int64 [N] and input.json, how they were prepared.
DIR holds either `.jpk` containers (train-*.jpk, val.jpk; Tiny ImageNet) or the folders train/ and val/ with one folder per
class. With `--bundle` size, crop and filter are those of its manifest, which the runtime uses too.
"""
from __future__ import annotations

import argparse
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation per channel, on values in 0..1."""
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def read_jpk(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields (label id, whole JPEG file) for each image of one container."""
    b = path.read_bytes()
    if b[:4] != b"JPK1":
        raise ValueError(f"{path}: not a JPK1 container")
    n, p = struct.unpack_from("<II", b, 4)
    o, heads = 12, []
    for _ in range(p):
        (k,) = struct.unpack_from("<I", b, o)
        heads.append(b[o + 4 : o + 4 + k])
        o += 4 + k
    q = o + 12 * n
    for i in range(n):
        label, h, k, _src = struct.unpack_from("<HHII", b, o + 12 * i)
        yield label, heads[h] + b[q : q + k]
        q += k


def fit(image: Image.Image, size: int, crop: float, filter: str) -> np.ndarray:
    """The central square, `crop` of the shorter side, at `size`: uint8 [size, size, 3]. As the runtime does it
    (src/input/geometry.ts): the square may begin between pixels, and taps may lie outside it."""
    w, h = image.size
    side = min(w, h) * crop
    box = ((w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2)
    return np.asarray(image.convert("RGB").resize((size, size), FILTERS[filter], box), np.uint8)


def decode_jpk(files: list[Path], size: int, crop: float = 1.0, filter: str = "bilinear") -> tuple[np.ndarray, np.ndarray]:
    xs, ys = [], []
    for f in files:
        for label, jpeg in read_jpk(f):
            xs.append(fit(Image.open(io.BytesIO(jpeg)), size, crop, filter))
            ys.append(label)
    return np.stack(xs), np.asarray(ys, np.int64)


def decode_folders(root: Path, size: int, crop: float = 1.0, filter: str = "bilinear") -> tuple[np.ndarray, np.ndarray]:
    """One folder per class, classes in the order of their names."""
    xs, ys = [], []
    for label, folder in enumerate(sorted(p for p in root.iterdir() if p.is_dir())):
        for f in sorted(folder.rglob("*")):
            if f.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
                xs.append(fit(Image.open(f), size, crop, filter))
                ys.append(label)
    if not xs:
        raise SystemExit(f"{root}: no images. Put one folder per class there, with .jpg, .png or .webp files.")
    return np.stack(xs), np.asarray(ys, np.int64)


def require_input(cache: Path, wanted: dict) -> None:
    """Stops where the cache was prepared for another network. A cache without input.json tells its size only."""
    path = cache / "input.json"
    found = json.loads(path.read_text()) if path.exists() else {"size": np.load(cache / "val_x.npy", mmap_mode="r").shape[1]}
    if any(k in wanted and found[k] != wanted[k] for k in found):
        have, want = (", ".join(f"{k} {v[k]}" for k in ("size", "crop", "filter") if k in v) for v in (found, wanted))
        raise SystemExit(f"{cache} was prepared with {have}; needed is {want}. Prepare another folder with data.py, which takes "
                         "these from --bundle.")


def prepare(root: Path, cache: Path, size: int, crop: float = 1.0, filter: str = "bilinear") -> None:
    """Validation images are cropped as the runtime crops; training images keep the whole square, of which `augment` draws
    its own crops."""
    cache.mkdir(parents=True, exist_ok=True)
    input = {"size": size, "crop": crop, "filter": filter}
    if (cache / "input.json").exists() or (cache / "val_x.npy").exists():
        require_input(cache, input)
    else:
        (cache / "input.json").write_text(json.dumps(input))
    for split, files in {"val": [root / "val.jpk"], "train": sorted(root.glob("train-*.jpk"))}.items():
        if (cache / f"{split}_y.npy").exists():
            continue
        how = (size, crop if split == "val" else 1.0, filter)
        x, y = decode_folders(root / split, *how) if (root / split).is_dir() else decode_jpk(files, *how)
        np.save(cache / f"{split}_x.npy", x)
        np.save(cache / f"{split}_y.npy", y)
        print(f"{split}: {len(y)} images, {y.max() + 1} classes")


def load(cache: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 [N, size, size, 3] (memory-mapped, shared between processes) and labels int64 [N]."""
    x = np.load(cache / f"{split}_x.npy", mmap_mode="c")
    return torch.from_numpy(x), torch.from_numpy(np.load(cache / f"{split}_y.npy"))


def normalise(x: torch.Tensor, statistics: Statistics = IMAGENET) -> torch.Tensor:
    """uint8 [B, H, W, 3] -> f32 [B, 3, H, W]."""
    mean, std = (torch.tensor(v, device=x.device) * 255 for v in statistics)
    return ((x.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


def augment(x: torch.Tensor, size: int, gen: torch.Generator, min_scale: float = 0.5, statistics: Statistics = IMAGENET,
            ) -> torch.Tensor:
    """Random resized crop (area `min_scale`..1, aspect 4/5..5/4) and horizontal flip of uint8 [B, full, full, 3] -> f32
    [B, 3, size, size]. At half the full size and below, the crop is sampled at twice `size` and averaged 2 x 2 (no
    aliasing)."""
    b, full = x.shape[0], x.shape[1]
    r = torch.rand(5, b, generator=gen).to(x.device)
    side = torch.sqrt(min_scale + (1 - min_scale) * r[0])
    aspect = torch.exp((r[1] * 2 - 1) * 0.2231 / 2)
    w, h = (side * aspect).clamp(max=1), (side / aspect).clamp(max=1)
    flip = torch.where(r[4] < 0.5, -1.0, 1.0)
    theta = torch.zeros(b, 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 1, 1] = w * flip, h
    theta[:, 0, 2], theta[:, 1, 2] = (1 - w) * (2 * r[2] - 1), (1 - h) * (2 * r[3] - 1)
    inner = 2 * size if size <= full // 2 else size
    grid = F.affine_grid(theta, [b, 3, inner, inner], align_corners=False)
    out = F.grid_sample(normalise(x, statistics), grid, padding_mode="border", align_corners=False)
    return F.avg_pool2d(out, 2) if inner != size else out


def batches(x: torch.Tensor, y: torch.Tensor, batch: int, seed: int, rank: int = 0, world: int = 1,
            ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless shuffled batches (uint8 images, labels); every rank sees its own share of each epoch."""
    if len(y) // world < batch:  # the smallest share, so that no process waits for one that stopped
        raise SystemExit(f"There are {len(y) // world} training images for each of {world} process(es), fewer than --batch {batch}. "
                         "Take a smaller --batch, fewer processes or more images.")
    epoch = 0
    while True:
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed + epoch))[rank::world]
        for i in range(0, len(order) - batch + 1, batch):
            k = order[i : i + batch].sort().values
            yield x[k], y[k]
        epoch += 1


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description="decode the images once")
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--cache", type=Path, required=True)
    how = ap.add_mutually_exclusive_group()
    how.add_argument("--size", type=int, default=64, help="pixels of a side, for a family trained from scratch")
    how.add_argument("--bundle", type=Path, help="bundle to train on or to measure: its size, crop and filter")
    a = ap.parse_args()
    if a.bundle:
        manifest = json.loads((a.bundle / "manifest.json").read_text(encoding="utf-8"))
        prepare(a.data, a.cache, *(manifest["input"][k] for k in ("size", "crop", "filter")))
    else:
        prepare(a.data, a.cache, a.size)
