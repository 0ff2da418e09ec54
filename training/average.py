"""Averages the weights of checkpoints of one family ("model soup", Wortsman et al. 2022): runs of which each went on from the one before.

    python average.py --families A/family.pt B/family.pt --weights 1 2 --out RUNS

Writes RUNS/family.pt, which `export.py` reads. The averages over training steps (`ema`) are what is averaged here.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from common import save_checkpoint


def averaged(states: list[dict], weights: list[float]) -> dict:
    """One state of the same family: `ema` and `model` are the weighted mean of all `ema`. Raises ValueError for another family."""
    if len(weights) != len(states) or any(not w > 0 for w in weights):
        raise ValueError(f"{len(states)} families need as many weights above 0, not {weights}")
    first = states[0]
    for s in states[1:]:
        # As JSON: a run that began from a bundle has lists where others have tuples.
        if json.dumps(s["spec"]) != json.dumps(first["spec"]):
            raise ValueError("these checkpoints are of different families")
    total = sum(weights)
    mean = {name: sum(w / total * s["ema"][name].double() for w, s in zip(weights, states)).float() for name in first["ema"]}
    return dict(spec=first["spec"], ema=mean, model=mean, images=sum(s["images"] for s in states),
                seconds=sum(s["seconds"] for s in states))


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--families", type=Path, nargs="+", required=True)
    ap.add_argument("--weights", type=float, nargs="+", help="default: all alike")
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    states = [torch.load(p, map_location="cpu", weights_only=True) for p in a.families]
    try:
        state = averaged(states, a.weights or [1.0] * len(states))
    except ValueError as error:
        ap.error(str(error))
    a.out.mkdir(parents=True, exist_ok=True)
    save_checkpoint(a.out / "family.pt", state)
    print(f"{a.out / 'family.pt'}: {len(states)} averaged")


if __name__ == "__main__":
    main()
