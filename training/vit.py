"""The anchor: timm's plain VisionTransformer (class token, pre-norm, qkv bias, exact-erf GELU, LayerNorm eps 1e-6,
head on the class token). Parameter names are timm's, so a state dict loads into either implementation.

Token shape everywhere: [B, N, dim], N = 1 + (size / patch)^2.
"""
from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    dim: int
    heads: int
    depth: int = 12
    patch: int = 8
    size: int = 64
    classes: int = 200
    eps: float = 1e-6

    @property
    def mlp(self) -> int:
        return 4 * self.dim

    @property
    def tokens(self) -> int:
        return 1 + (self.size // self.patch) ** 2

    def as_dict(self) -> dict:
        return asdict(self)


CONFIGS = {f"w{32 * h}": Config(32 * h, h) for h in (2, 3, 4, 6)}


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)  # scale 1/sqrt(head dim)
        return self.proj(y.transpose(1, 2).reshape(b, n, d))


class Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(c.dim, eps=c.eps)
        self.attn = Attention(c.dim, c.heads)
        self.norm2 = nn.LayerNorm(c.dim, eps=c.eps)
        self.mlp = Mlp(c.dim, c.mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, c.dim, c.patch, c.patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.patch_embed = PatchEmbed(c)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, c.tokens, c.dim))
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.norm = nn.LayerNorm(c.dim, eps=c.eps)
        self.head = nn.Linear(c.dim, c.classes)

    def embed(self, x: Tensor) -> Tensor:
        """Pixels [B, 3, s, s] -> tokens [B, N, dim]; for s below the full size the position embedding (always held
        for the full size) is averaged/interpolated to the smaller grid."""
        t = self.patch_embed(x)
        pos, g, full = self.pos_embed, x.shape[-1] // self.c.patch, self.c.size // self.c.patch
        if g != full:
            grid = pos[:, 1:].transpose(1, 2).reshape(1, self.c.dim, full, full)
            grid = F.interpolate(grid, size=(g, g), mode="bilinear", antialias=True, align_corners=False)
            pos = torch.cat([pos[:, :1], grid.flatten(2).transpose(1, 2)], 1)
        return torch.cat([self.cls_token.expand(len(t), -1, -1), t], 1) + pos

    def tail(self, t: Tensor, final_norm: bool = True) -> Tensor:
        """Tokens -> logits [B, classes]; LayerNorm works per token, so only the class token is normalised."""
        cls = t[:, 0]
        return self.head(self.norm(cls) if final_norm else cls)

    def forward(self, x: Tensor) -> Tensor:
        t = self.embed(x)
        for block in self.blocks:
            t = block(t)
        return self.tail(t)


def sincos_2d(dim: int, grid: int, scale: float) -> Tensor:
    """2-D sine-cosine table [grid * grid, dim]."""
    freq = 1.0 / 100 ** (torch.arange(dim // 4) / (dim // 4))
    p = torch.arange(grid).float()[:, None] * freq
    one = torch.cat([p.sin(), p.cos()], 1)
    y, x = one[:, None].expand(grid, grid, -1), one[None].expand(grid, grid, -1)
    return scale * torch.cat([y, x], 2).reshape(grid * grid, dim)


@torch.no_grad()
def init_weights(m: ViT, patches: Tensor | None, seed: int, mimetic: bool = True) -> None:
    """Start values. With `patches` ([M, 3 * patch^2], normalised pixels) the patch embedding is their whitened PCA.
    `mimetic`: attention starts like a trained one, Wq Wk^T ~ identity + noise, Wproj Wv ~ -identity + noise (Trockman
    and Kolter, ICML 2023); else the output projections start at zero."""
    torch.manual_seed(seed)
    d, h = m.c.dim, m.c.heads
    for mod in m.modules():
        if isinstance(mod, nn.Linear):
            nn.init.normal_(mod.weight, std=(1 / mod.in_features) ** 0.5)
            nn.init.zeros_(mod.bias)
    if patches is not None:
        cov = torch.cov(patches.T.double())
        val, vec = torch.linalg.eigh(cov)
        val, vec = val.flip(0), vec.flip(1)
        w = torch.zeros(d, patches.shape[1], dtype=torch.float64)
        k = min(d, patches.shape[1])
        w[:k] = (vec / (val + 0.02).sqrt()).T[:k]
        rotation = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64))[0]
        m.patch_embed.proj.weight.copy_((rotation @ w * 0.5).view_as(m.patch_embed.proj.weight))
        m.patch_embed.proj.bias.zero_()
    grid = m.c.size // m.c.patch
    m.pos_embed[0, 1:] = sincos_2d(d, grid, 0.3)
    nn.init.normal_(m.cls_token, std=0.1)
    for b in m.blocks:
        b.mlp.fc2.weight.zero_()
        if not mimetic:
            b.attn.proj.weight.zero_()
            continue
        dh = d // h
        q, k, v = b.attn.qkv.weight.view(3, d, d)
        for i in range(h):
            target = 0.7 * torch.eye(d) + 0.7 * torch.randn(d, d) / math.sqrt(d)
            u, s, vt = torch.linalg.svd(target)
            q[i * dh : (i + 1) * dh] = (u[:, :dh] * s[:dh].sqrt()).T
            k[i * dh : (i + 1) * dh] = vt[:dh] * s[:dh].sqrt()[:, None]
        target = -0.4 * torch.eye(d) + 0.4 * torch.randn(d, d) / math.sqrt(d)
        u, s, vt = torch.linalg.svd(target)
        v.copy_(vt * s.sqrt()[:, None])
        b.attn.proj.weight.copy_(u * s.sqrt())
    nn.init.zeros_(m.head.weight)


@torch.no_grad()
def sample_patches(images: Tensor, patch: int, count: int, gen: torch.Generator) -> Tensor:
    """Random patches of normalised images [B, 3, s, s] -> [count, 3 * patch^2]."""
    u = F.unfold(images, patch, stride=patch).transpose(1, 2).reshape(-1, 3 * patch * patch)
    return u[torch.randperm(len(u), generator=gen)[:count]]
