"""Muon (momentum, orthogonalised by Newton-Schulz steps) for the matrices inside the blocks, AdamW for everything else.

torch.optim.Muon exists, but it orthogonalises in bfloat16 (very slow on a CPU without bf16 units), one matrix at a
time, and takes the fused qkv matrix as one. Here matrices of one shape go together, q, k and v apart, in f32 on the CPU.
"""
from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

COEFFS = (3.4445, -4.7750, 2.0315)


def orthogonalise(g: Tensor, steps: int = 5) -> Tensor:
    """[K, m, n] -> nearest semi-orthogonal matrices, approximately (singular values in about 0.7..1.2)."""
    a, b, c = COEFFS
    x = g.bfloat16() if g.is_cuda else g
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(s, s, s, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(g.dtype)


def spread(g: Tensor, shared: bool) -> Tensor:
    """`orthogonalise`; with `shared` gradients each process does its share of the K matrices."""
    if not shared:
        return orthogonalise(g)
    rank, world = dist.get_rank(), dist.get_world_size()
    out = torch.zeros_like(g)
    if rank < len(g):
        out[rank::world] = orthogonalise(g[rank::world].contiguous())
    dist.all_reduce(out)
    return out


class Muon(torch.optim.Optimizer):
    """`split` in a group: the matrix is that many stacked square ones (qkv). `shared`: all processes see the same gradients."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0,
                 shared: bool = False) -> None:
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, split=1, shared=shared))

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            shapes: dict[tuple, list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(tuple(p.shape), []).append(p)
            for (rows, cols), ps in shapes.items():
                for p in ps:
                    if "m" not in self.state[p]:
                        self.state[p]["m"] = torch.zeros_like(p)
                ms = [self.state[p]["m"] for p in ps]
                gs = [p.grad for p in ps]
                torch._foreach_lerp_(ms, gs, 1 - group["momentum"])
                u = torch.stack(torch._foreach_lerp(gs, ms, group["momentum"]))  # Nesterov
                k = group["split"]
                u = spread(u.view(len(ps) * k, rows // k, cols), group["shared"]).view(len(ps), rows, cols)
                scale = max(1.0, (rows // k) / cols) ** 0.5
                torch._foreach_mul_(ps, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(ps, list(u.unbind(0)), alpha=-group["lr"] * scale)


def make_optimisers(model: nn.Module, muon_lr: float, adam_lr: float, weight_decay: float, stitch_lr: float | None = None,
                    shared: bool = False) -> list[torch.optim.Optimizer]:
    """Optimisers for an anchor or a whole stitched family (`stitch_lr`: AdamW rate of the stitch layers)."""
    qkv, mats, decay, plain, stitch = [], [], [], [], []
    for name, p in model.named_parameters():
        if name.startswith("stitches."):
            stitch.append(p)
        elif "blocks." in name and p.ndim == 2 and muon_lr > 0:
            (qkv if "qkv" in name else mats).append(p)
        elif p.ndim >= 2 and "pos_embed" not in name and "cls_token" not in name:
            decay.append(p)
        else:
            plain.append(p)
    groups = [dict(params=decay, weight_decay=weight_decay), dict(params=plain, weight_decay=0.0)]
    if stitch:
        groups.append(dict(params=stitch, weight_decay=0.0, lr=stitch_lr or adam_lr))
    out: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=adam_lr, betas=(0.9, 0.99))]
    if qkv:
        out.append(Muon([dict(params=qkv, split=3), dict(params=mats)], lr=muon_lr, weight_decay=weight_decay,
                        shared=shared))
    for o in out:
        for g in o.param_groups:
            g["base_lr"] = g["lr"]
    return out


def set_rate(optimisers: list[torch.optim.Optimizer], factor: float) -> None:
    for o in optimisers:
        for g in o.param_groups:
            g["lr"] = g["base_lr"] * factor


def restore(optimisers: list[torch.optim.Optimizer], states: list[dict]) -> None:
    """Loads the moments of a checkpoint, keeping this run's own settings (rates, decay)."""
    for o, s in zip(optimisers, states):
        settings = [{k: v for k, v in g.items() if k != "params"} for g in o.param_groups]
        o.load_state_dict(s)
        for g, own in zip(o.param_groups, settings):
            g.update(own)
