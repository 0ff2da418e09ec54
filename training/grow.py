"""Widens a trained anchor into a larger one that computes exactly the same, so that its training goes on instead of
starting over (the idea of Net2Net, Chen et al., ICLR 2016, for pre-norm transformers).

    python grow.py --bundle BUNDLE --anchor w128 --to w192 --out RUNS

Reads one anchor of a bundle, writes RUNS/<to>.start.pt for `train_anchors.py --start`.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from bundle import family_of, read_bundle
from vit import CONFIGS, Config, ViT, init_weights


def centred(w: Tensor, dim: int = 0) -> Tensor:
    """Without its mean over the token features: LayerNorm removes that mean anyway, so nothing downstream changes."""
    return w - w.mean(dim, keepdim=True)


@torch.no_grad()
def grow(small: ViT, to: Config, seed: int = 0, noise: float = 0.3) -> ViT:
    """A network of config `to` with the same logits as `small` (up to LayerNorm's eps).

    Everything that writes to the residual stream is centred first; the new features of a token then stay zero and only
    change LayerNorm's variance, by the known factor small.dim / to.dim, which goes into its gain. New heads and hidden
    units start like a fresh network's but write nothing yet; what reads the new features starts small and random, so that
    gradients reach both sides at the first step."""
    c = small.c
    head_dim = c.dim // c.heads
    if to.depth != c.depth or to.patch != c.patch or to.size != c.size or to.classes != c.classes:
        raise ValueError("grow changes the width only")
    if to.dim <= c.dim or to.dim // to.heads != head_dim:
        raise ValueError(f"width {to.dim} with {to.heads} heads does not extend width {c.dim} with {c.heads} heads")
    big = ViT(to)
    init_weights(big, None, seed)
    d, h, m = c.dim, c.dim, c.mlp  # old features, old rows of all heads, old hidden units

    def gain(new, old) -> None:
        new.weight.fill_((d / to.dim) ** 0.5)
        new.weight[:d] = old.weight * (d / to.dim) ** 0.5
        new.bias.zero_()
        new.bias[:d] = old.bias

    big.patch_embed.proj.weight.zero_()
    big.patch_embed.proj.bias.zero_()
    big.patch_embed.proj.weight[:d] = centred(small.patch_embed.proj.weight)
    big.patch_embed.proj.bias[:d] = centred(small.patch_embed.proj.bias)
    for name in ("cls_token", "pos_embed"):
        getattr(big, name).zero_()
        getattr(big, name)[..., :d] = centred(getattr(small, name), -1)
    for new, old in zip(big.blocks, small.blocks):
        gain(new.norm1, old.norm1)
        gain(new.norm2, old.norm2)
        rows, cols = new.attn.qkv.weight.view(3, to.dim, to.dim), old.attn.qkv.weight.view(3, d, d)  # [q k v, out, in]
        rows[:, :h, :d] = cols
        rows[:, :h, d:] *= noise
        new.attn.qkv.bias.view(3, to.dim)[:, :h] = old.attn.qkv.bias.view(3, d)
        new.mlp.fc1.weight[:m, :d] = old.mlp.fc1.weight
        new.mlp.fc1.weight[:m, d:] *= noise
        new.mlp.fc1.bias[:m] = old.mlp.fc1.bias
        for layer, source, width in ((new.attn.proj, old.attn.proj, h), (new.mlp.fc2, old.mlp.fc2, m)):
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[:d, :width] = centred(source.weight)
            layer.bias[:d] = centred(source.bias)
    gain(big.norm, small.norm)
    big.head.weight.zero_()
    big.head.weight[:, :d] = small.head.weight
    big.head.bias.copy_(small.head.bias)
    return big


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--anchor", required=True, help="anchor of the bundle to start from")
    ap.add_argument("--to", choices=CONFIGS, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    family = family_of(*read_bundle(a.bundle))
    big = grow(family.anchors[a.anchor], CONFIGS[a.to], a.seed).eval()
    x = torch.randn(2, 3, big.c.size, big.c.size)
    with torch.no_grad():
        apart = (big(x) - family(x, a.anchor)).abs().max().item()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.save(dict(model=big.state_dict()), a.out / f"{a.to}.start.pt")
    print(f"{a.out / f'{a.to}.start.pt'}: {a.to} computes what {a.anchor} did, logits differ by at most {apart:.1e}")


if __name__ == "__main__":
    main()
