"""Reading and writing bundles (format running-stitch/1, see docs/bundle-format.md).

Weights travel as {tensor name: f32 array} with the format's own names; `shard_plan` alone decides which tensors share a
file and in which order the files are listed (= downloaded).
"""
from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load as st_load
from safetensors.numpy import save as st_save
from torch import Tensor

from snnet import Family, entries
from vit import Config

FORMAT = "running-stitch/1"
BLOCK = {"norm1": "norm1", "qkv": "attn.qkv", "proj": "attn.proj", "norm2": "norm2", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}


AXES = {"cls_token": 2, "pos_embed": 1}
"""Leading axes of length 1 that timm's tensors have and the format's have not."""


def names(depth: int) -> list[tuple[str, str]]:
    """(the format's name after `anchors.<id>.`, timm's) of every tensor of an anchor, in the format's order."""
    pairs = [(f"blocks.{n}.{ours}", f"blocks.{n}.{timm}") for n in range(depth) for ours, timm in BLOCK.items()]
    kinds = [(f"{ours}.{kind}", f"{timm}.{kind}") for ours, timm in [*pairs, ("head.norm", "norm"), ("head.fc", "head")]
             for kind in ("weight", "bias")]
    return [("embed.proj.weight", "patch_embed.proj.weight"), ("embed.proj.bias", "patch_embed.proj.bias"),
            ("embed.cls", "cls_token"), ("embed.pos", "pos_embed"), *kinds]


def anchor_tensors(name: str, state: dict[str, Tensor], depth: int) -> dict[str, np.ndarray]:
    """timm state dict of one anchor -> tensors by the format's names."""
    out = {}
    for ours, timm in names(depth):
        value = state[timm].detach().float().cpu().numpy()
        out[f"anchors.{name}.{ours}"] = value.reshape(value.shape[AXES.get(timm, 0) :])
    return out


def anchor_state(name: str, tensors: dict[str, np.ndarray], depth: int) -> dict[str, Tensor]:
    """The inverse of `anchor_tensors`: a timm state dict, f32."""
    out = {}
    for ours, timm in names(depth):
        value = torch.from_numpy(tensors[f"anchors.{name}.{ours}"].astype(np.float32))
        out[timm] = value.reshape((1,) * AXES.get(timm, 0) + value.shape)
    return out


def family_tensors(family: Family) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for a, c in family.configs.items():
        out |= anchor_tensors(a, family.anchors[a].state_dict(), c.depth)
    for s in family.index:
        layer = family.stitch(s)
        out[f"stitches.{s}.weight"] = layer.weight.detach().float().cpu().numpy()
        out[f"stitches.{s}.bias"] = layer.bias.detach().float().cpu().numpy()
    return out


def shard_plan(anchors: list[tuple[str, int]], routes: list[dict], group: int) -> list[tuple[str, list[str]]]:
    """[(file stem, units)] in download order. `anchors`: (id, depth), smallest first. The whole smallest anchor, then for
    each larger one: head, block groups from the last to the first, each followed by the stitch layers whose latest entry
    block lies in it (one file per front anchor), embed."""
    uses = entries(routes)
    plan: list[tuple[str, list[str]]] = []
    for k, (a, depth) in enumerate(anchors):
        groups = [range(s, min(s + group, depth)) for s in range(0, depth, group)]
        embed, head = (f"{a}.embed", [f"anchors.{a}.embed"]), (f"{a}.head", [f"anchors.{a}.head"])
        blocks = [(f"{a}.blocks.{g[0]}-{g[-1]}", [f"anchors.{a}.blocks.{n}" for n in g]) for g in groups]
        if k == 0:
            plan += [embed, *blocks, head]
            continue
        plan.append(head)
        for g, shard in reversed(list(zip(groups, blocks))):
            plan.append(shard)
            for front, _ in anchors:
                ids = [s for s, u in uses.items() if u[0][0] == front and u[0][2] == a and max(e[3] for e in u) in g]
                ids.sort(key=lambda s: int(s.rsplit(".", 1)[1]))
                if ids:
                    first, last = ids[0].rsplit(".", 1)[1], ids[-1].rsplit(".", 1)[1]
                    plan.append((f"stitches.{front}-{a}.{first}-{last}", [f"stitches.{s}" for s in ids]))
        plan.append(embed)
    return plan


def put(folder: Path, file: str, data: bytes) -> dict:
    (folder / file).write_bytes(data)
    return {"file": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def half(a: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        out = a.astype(np.float16)
    if not np.isfinite(out).all():
        raise ValueError("a weight does not fit in f16")
    return out


def is_matrix(name: str, a: np.ndarray) -> bool:
    """Whether it is the weight of a linear layer, [out, in...]: those may be int8."""
    return name.endswith("weight") and a.ndim > 1


def quantize(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[out, in...] -> int8 of that shape, symmetric, and its f32 scales [out]: weight = int8 * scale. To nearest, ties to even."""
    if not np.isfinite(a).all():
        raise ValueError("a weight is not finite")
    rows = a.reshape(len(a), -1).astype(np.float64)
    scale = (np.abs(rows).max(1) / 127).astype(np.float32)
    step = np.where(scale > 0, scale, np.inf).astype(np.float64)[:, None]
    return np.clip(np.rint(rows / step), -127, 127).astype(np.int8).reshape(a.shape), scale


def dequantize(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """What every executor computes with: f32."""
    return values.astype(np.float32) * scale.reshape(-1, *[1] * (values.ndim - 1))


def stored(tensors: dict[str, np.ndarray], weights: str) -> dict[str, np.ndarray]:
    """The tensors as a shard holds them: f16, or with weights="int8" the matrices as int8 with their scales beside them."""
    out: dict[str, np.ndarray] = {}
    for k, v in tensors.items():
        if weights == "int8" and is_matrix(k, v):
            out[k], out[f"{k}.scale"] = quantize(v)
        else:
            out[k] = half(v)
    return out


def widened(shard: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inverse of `stored`, f32."""
    return {k: dequantize(v, shard[f"{k}.scale"]) if v.dtype == np.int8 else v.astype(np.float32)
            for k, v in shard.items() if not k.endswith(".scale")}


def rounded(tensors: dict[str, np.ndarray], weights: str = "f16") -> dict[str, np.ndarray]:
    """What a reader gets back: f32 values after rounding."""
    return widened(stored(tensors, weights))


def require_free(folder: Path) -> None:
    """Only a folder that is new, empty or a bundle may be written: whatever else lies there is never replaced."""
    if folder.exists() and not folder.is_dir():
        raise SystemExit(f"{folder} is a file. Name a folder that does not exist yet.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        found = json.loads((folder / "manifest.json").read_bytes())["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        found = False
    if not found:
        raise SystemExit(f"{folder} exists and holds no bundle ({FORMAT}). Name another folder: this one is not replaced.")


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder to write to, put at `target` at the end; after an error `target` is as before. What lies beside a bundle
    that stands there, such as MODEL_CARD.md, lies in the new folder from the start."""
    require_free(target)
    target = target.resolve()  # a link keeps pointing there
    partial, old = (target.with_name(f".{target.name}.{what}-{secrets.token_hex(4)}") for what in ("partial", "old"))
    partial.mkdir(parents=True)
    try:
        manifest = target / "manifest.json"
        m = json.loads(manifest.read_bytes()) if manifest.exists() else {}
        own = {"manifest.json", *(f["file"] for f in [m.get("labels"), m.get("check"), *m.get("shards", [])] if f)}
        for p in target.iterdir() if target.exists() else ():
            if p.name not in own:
                (shutil.copytree if p.is_dir() else shutil.copy2)(p, partial / p.name)
        yield partial
        # A folder cannot be renamed over a full one, so the old one steps aside for a moment.
        if target.exists():
            target.rename(old)
        try:
            partial.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_bundle(folder: Path, *, name: str, version: str, license: str, sources: list[str], input: dict,
                 configs: dict[str, tuple[str, Config]], stitches: list[dict], routes: list[dict],
                 tensors: dict[str, np.ndarray], labels: list[str], group: int, check_image: np.ndarray,
                 check_routes: list[str], check_logits: np.ndarray, tolerance: float = 0.005,
                 weights: str = "f16") -> dict:
    """`configs`: anchor id -> (display name, Config). `check_image` u8 [B, size, size, 3], `check_logits` [R, B, classes], on
    `rounded(tensors, weights)`. `weights`: "f16", or "int8" for the matrices. A bundle at `folder` is replaced as a whole."""
    with whole_folder(folder) as new:
        shards, written = [], set()
        for stem, units in shard_plan([(a, c.depth) for a, (_, c) in configs.items()], routes, group):
            part = {k: v for k, v in tensors.items() if any(k.startswith(u + ".") for u in units)}
            written |= part.keys()
            shards.append(put(new, f"{stem}.safetensors", st_save(stored(part, weights))) | {"units": units})
        if written != tensors.keys():
            raise ValueError(f"tensors outside every unit: {sorted(tensors.keys() - written)[:5]}")
        c0 = next(iter(configs.values()))[1]
        manifest = {
            "format": FORMAT, "name": name, "version": version, "license": license, "sources": sources, "family": "vit",
            "input": input, "classes": c0.classes,
            "labels": put(new, "labels.json", json.dumps(labels, ensure_ascii=False, indent=0).encode()),
            "anchors": [{"id": a, "name": title, "config": {"dim": c.dim, "depth": c.depth, "heads": c.heads, "mlp": c.mlp,
                                                            "patch": c.patch, "eps": c.eps}} for a, (title, c) in configs.items()],
            "stitches": stitches, "routes": routes, "shards": shards,
            "check": put(new, "check.safetensors", st_save({"image": check_image, "logits": check_logits.astype(np.float32)}))
            | {"routes": check_routes, "tolerance": tolerance},
        }
        write_manifest(new, manifest)
    return manifest


def write_manifest(folder: Path, manifest: dict) -> None:
    """One line per array element, so that differences stay readable. Whole or not at all: written beside, then renamed."""
    lines = []
    for k, v in manifest.items():
        if isinstance(v, list) and v and isinstance(v[0], dict):
            body = ",\n".join("    " + json.dumps(e, ensure_ascii=False) for e in v)
            lines.append(f"  {json.dumps(k)}: [\n{body}\n  ]")
        else:
            lines.append(f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}")
    tmp = folder / ".manifest.json.tmp"
    tmp.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    os.replace(tmp, folder / "manifest.json")


def read_manifest(folder: Path) -> dict:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest["format"] != FORMAT:
        raise ValueError(f"unknown format {manifest['format']}")
    return manifest


def read_bundle(folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """(manifest, tensors in f32); every file's length and SHA-256 is checked."""
    manifest = read_manifest(folder)
    tensors: dict[str, np.ndarray] = {}
    for s in [manifest["labels"], manifest["check"], *manifest["shards"]]:
        raw = (folder / s["file"]).read_bytes()
        if len(raw) != s["bytes"] or hashlib.sha256(raw).hexdigest() != s["sha256"]:
            raise ValueError(f"{s['file']}: not the file the manifest names")
        if "units" in s:
            tensors |= widened(st_load(raw))
    return manifest, tensors


def family_of(manifest: dict, tensors: dict[str, np.ndarray]) -> Family:
    """A Family in eval mode with the bundle's weights."""
    configs = {}
    for a in manifest["anchors"]:
        c = a["config"]
        configs[a["id"]] = Config(c["dim"], c["heads"], c["depth"], c["patch"], manifest["input"]["size"],
                                  manifest["classes"], c["eps"])
    plain = [{k: r[k] for k in ("id", "path", "finalNorm")} for r in manifest["routes"]]
    family = Family(configs, manifest["stitches"], plain, (manifest["input"]["mean"], manifest["input"]["std"])).eval()
    return load_tensors(family, tensors)


def load_tensors(family: Family, tensors: dict[str, np.ndarray]) -> Family:
    """The inverse of `family_tensors`, in place."""
    for a, c in family.configs.items():
        family.anchors[a].load_state_dict(anchor_state(a, tensors, c.depth))
    with torch.no_grad():
        for s in family.index:
            family.stitch(s).weight.copy_(torch.from_numpy(tensors[f"stitches.{s}.weight"]))
            family.stitch(s).bias.copy_(torch.from_numpy(tensors[f"stitches.{s}.bias"]))
    return family
