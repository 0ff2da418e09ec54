"""The stitched family (SN-Net, Pan et al., CVPR 2023): anchors of equal depth, nearest stitching, fast to slow.

A route is data, exactly as in the bundle manifest: {"id", "path", "finalNorm"}, where the path alternates block spans
{"anchor", "from", "to"} (both inclusive) and stitch layers {"stitch"}.
"""
from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from data import IMAGENET, Statistics
from vit import Config, ViT


def paired_stitches(depth: int, kernel: int = 2, stride: int = 1) -> list[tuple[int, int, int]]:
    """Paired stitching (paper, section 3.3): (front block i, back block j, layer) in order. A window of `kernel` blocks
    slides by `stride`; each pair belongs to the first window that covers it, and one window shares one stitch layer."""
    pairs: dict[tuple[int, int], int] = {}
    layer = 0
    for start in range(0, depth, stride):
        window = range(start, min(start + kernel, depth))
        fresh = [(i, j) for i in window for j in window if (i, j) not in pairs]
        pairs |= dict.fromkeys(fresh, layer)
        layer += bool(fresh)
    return [(i, j, n) for (i, j), n in pairs.items()]


def enumerate_family(ids: list[str], depth: int, kernel: int = 2, stride: int = 1, final_norm: bool = True,
                     ) -> tuple[list[dict], list[dict]]:
    """(stitches, routes) for anchors given smallest first: the anchors alone, then each neighbouring pair's stitches."""
    pairs = paired_stitches(depth, kernel, stride)
    routes = [{"id": a, "path": [{"anchor": a, "from": 0, "to": depth - 1}], "finalNorm": True} for a in ids]
    stitches = []
    for front, back in zip(ids, ids[1:]):
        stitches += [{"id": f"{front}-{back}.{n}", "from": front, "to": back} for n in range(pairs[-1][2] + 1)]
        routes += [{"id": f"{front}.{i}+{back}.{j}",
                    "path": [{"anchor": front, "from": 0, "to": i}, {"stitch": f"{front}-{back}.{n}"},
                             {"anchor": back, "from": j, "to": depth - 1}],
                    "finalNorm": final_norm} for i, j, n in pairs]
    return stitches, routes


def entries(routes: list[dict]) -> dict[str, list[tuple[str, int, str, int]]]:
    """Stitch id -> the (front anchor, i, back anchor, j) of every use."""
    out: dict[str, set] = {}
    for r in routes:
        p = r["path"]
        for k in range(1, len(p), 2):
            out.setdefault(p[k]["stitch"], set()).add((p[k - 1]["anchor"], p[k - 1]["to"], p[k + 1]["anchor"], p[k + 1]["from"]))
    return {s: sorted(u) for s, u in out.items()}


def route_macs(route: dict, configs: dict[str, Config]) -> int:
    """Multiply-accumulates by the official counter's rules (LayerNorm 5 per element; softmax, GELU, bias uncounted)."""
    path = route["path"]
    first, last = configs[path[0]["anchor"]], configs[path[-1]["anchor"]]
    n = first.tokens
    total = (n - 1) * 3 * first.patch**2 * first.dim + last.classes * last.dim
    total += 5 * n * last.dim if route["finalNorm"] else 0
    for k, step in enumerate(path):
        if "stitch" in step:
            total += n * configs[path[k - 1]["anchor"]].dim * configs[path[k + 1]["anchor"]].dim
        else:
            d = configs[step["anchor"]].dim
            total += (step["to"] - step["from"] + 1) * (n * 3 * d * d + 2 * n * n * d + n * d * d + 8 * n * d * d + 10 * n * d)
    return total


class Family(nn.Module):
    """`configs`: anchors smallest first. Stitch layers are affine maps applied to every token, class token included."""

    def __init__(self, configs: dict[str, Config], stitches: list[dict], routes: list[dict],
                 statistics: Statistics = IMAGENET) -> None:
        super().__init__()
        self.configs, self.stitch_list, self.routes, self.statistics = configs, stitches, routes, statistics
        self.by_id = {r["id"]: r for r in routes}
        self.anchors = nn.ModuleDict({a: ViT(c) for a, c in configs.items()})
        self.index = {s["id"]: k for k, s in enumerate(stitches)}
        self.stitches = nn.ModuleList(nn.Linear(configs[s["from"]].dim, configs[s["to"]].dim) for s in stitches)

    @classmethod
    def of(cls, configs: dict[str, Config], kernel: int = 2, stride: int = 1) -> "Family":
        depth = next(iter(configs.values())).depth
        return cls(configs, *enumerate_family(list(configs), depth, kernel, stride))

    def spec(self) -> dict:
        """What `of_spec` needs, in plain containers (for checkpoints)."""
        return dict(configs={n: c.as_dict() for n, c in self.configs.items()}, stitches=self.stitch_list, routes=self.routes,
                    statistics=self.statistics)

    @classmethod
    def of_spec(cls, spec: dict) -> "Family":
        return cls({n: Config(**c) for n, c in spec["configs"].items()}, spec["stitches"], spec["routes"], spec["statistics"])

    def part(self, anchors: list[str]) -> "Family":
        """Only these anchors, and the stitches and routes between them; the modules are shared with this family."""
        if missing := [a for a in anchors if a not in self.configs]:
            raise ValueError(f"no anchor {', '.join(missing)}; there are {', '.join(self.configs)}")
        routes = [r for r in self.routes if all(step.get("anchor", anchors[0]) in anchors for step in r["path"])]
        stitches = [s for s in self.stitch_list if s["from"] in anchors and s["to"] in anchors]
        out = Family({a: c for a, c in self.configs.items() if a in anchors}, stitches, routes, self.statistics)
        out.anchors = nn.ModuleDict({a: self.anchors[a] for a in out.configs})
        out.stitches = nn.ModuleList(self.stitch(s["id"]) for s in stitches)
        return out.train(self.training)

    def stitch(self, name: str) -> nn.Linear:
        return self.stitches[self.index[name]]

    def _rest(self, t: Tensor, route: dict, skip: int) -> Tensor:
        """Tokens after the first `skip` steps of the path -> logits."""
        for step in route["path"][skip:]:
            if "stitch" in step:
                t = self.stitch(step["stitch"])(t)
            else:
                for block in self.anchors[step["anchor"]].blocks[step["from"] : step["to"] + 1]:
                    t = block(t)
        return self.anchors[route["path"][-1]["anchor"]].tail(t, route["finalNorm"])

    def forward(self, x: Tensor, route: str) -> Tensor:
        """Pixels [B, 3, s, s] -> logits [B, classes]. The first span's anchor embeds, the last one's has the head."""
        r = self.by_id[route]
        return self._rest(self.anchors[r["path"][0]["anchor"]].embed(x), r, 0)

    def features(self, x: Tensor, anchor: str) -> list[Tensor]:
        """[embedding, output of block 0, …, output of the last block], each [B, N, dim]."""
        m = self.anchors[anchor]
        out = [m.embed(x)]
        for block in m.blocks:
            out.append(block(out[-1]))
        return out

    def forward_all(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """(route id, logits) for every route; the first span of each anchor is computed once."""
        feats: dict[str, list[Tensor]] = {}
        for r in self.routes:
            head = r["path"][0]
            if head["anchor"] not in feats:
                feats[head["anchor"]] = self.features(x, head["anchor"])
            yield r["id"], self._rest(feats[head["anchor"]][head["to"] + 1], r, 1)
