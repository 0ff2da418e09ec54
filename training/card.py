"""Writes BUNDLE/MODEL_CARD.md from the manifest, the training notes and the least-squares report.

    python card.py --bundle BUNDLE --ls RUNS/ls.json --notes RUNS/notes.md

`notes.md` is the hand-written part of one run (commands, hardware, wall times, what limited it); tables come from data.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

HEAD = """# {name}

A stitchable family of {n} plain vision transformers ({anchors}; depth {depth}, patch {patch}, {size} x {size} pixels, {classes}
classes) with {s} stitch layers: {r} routes in {mb:.1f} MB of f16 weights. Made to demonstrate switching between
networks in the browser, **not** to classify photographs well.

## Data and terms

Trained from scratch on Tiny ImageNet (200 classes, 64 x 64 pixels, 99,953 training images), the Stanford CS231N "Tiny
ImageNet Visual Recognition Challenge", taken from the GitHub repository `seshuad/IMagenet`, commit
`153dbc161ab7942a12c99515e80ef6454dd06693`, folder `tiny-imagenet-200/` (which states no licence of its own). 47 images that were byte
duplicates across sets or classes were left out; none was altered. The images are a down-scaled subset of ImageNet (ILSVRC).
ImageNet's terms allow use **only for non-commercial research and educational purposes**, give no warranty as to copyright,
and bind a for-profit employer of the user as well; the copyright of each photograph stays with its owner. These weights are
therefore offered **for demonstration, non-commercial research and education only**. No image is part of this bundle; the two
check images are drawn by formula. Class names are WordNet's, some reworded for display.

The network knows 200 everyday classes and answers with one of them whatever it sees. It is often wrong (see the table), was
not examined for bias, and must not be used to decide anything about anyone.

- J. Deng et al., "ImageNet: A Large-Scale Hierarchical Image Database", CVPR 2009.
- Y. Le and X. Yang, "Tiny ImageNet Visual Recognition Challenge", Stanford CS231N, 2015.
- Z. Pan, J. Cai, B. Zhuang, "Stitchable Neural Networks", CVPR 2023 (the method).
"""

INIT = """## Least-squares against random stitch layers

Before joint fine-tuning, with the anchors as they were then, on the first {n} validation images; the fit used {c} training images and no
labels.

| stitch layers | mean top-1 of the {k} stitched routes | lowest | highest |
|---|---|---|---|
| random (normal, std 0.02, zero bias) | {rm:.2%} | {rl:.2%} | {rh:.2%} |
| least squares | {lm:.2%} | {ll:.2%} | {lh:.2%} |

The anchors alone reached {anchors} there at that time.
"""


def routes_table(manifest: dict) -> list[str]:
    out = ["| route | MMACs | top-1 | top-5 | loss | |", "|---|---|---|---|---|---|"]
    best = -1.0
    for r in sorted(manifest["routes"], key=lambda r: (r["macs"], -r["top1"])):
        front = r["top1"] > best
        best = max(best, r["top1"])
        out.append(f"| `{r['id']}` | {r['macs'] / 1e6:.1f} | {r['top1']:.2%} | {r['top5']:.2%} | {r['loss']:.3f} | {'front' if front else ''} |")
    return out


def init_section(ls: dict, manifest: dict) -> str:
    stitched = [r["id"] for r in manifest["routes"] if len(r["path"]) > 1]
    rand, fit = ([ls[k][r]["top1"] for r in stitched] for k in ("random", "least_squares"))
    anchors = ", ".join(f"{ls['random'][a['id']]['top1']:.2%} (`{a['id']}`)" for a in manifest["anchors"])
    return INIT.format(n=ls["eval_images"], c=ls["calibration_images"], k=len(stitched), rm=sum(rand) / len(rand), rl=min(rand),
                       rh=max(rand), lm=sum(fit) / len(fit), ll=min(fit), lh=max(fit), anchors=anchors)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--ls", type=Path, required=True)
    ap.add_argument("--notes", type=Path, required=True)
    ap.add_argument("--images", type=int, default=5000, help="validation images behind the manifest's accuracies")
    a = ap.parse_args()
    m = json.loads((a.bundle / "manifest.json").read_text(encoding="utf-8"))
    c = m["anchors"][0]["config"]
    head = HEAD.format(name=m["name"], n=len(m["anchors"]), anchors=", ".join(
        f"width {x['config']['dim']} with {x['config']['heads']} heads" for x in m["anchors"]), depth=c["depth"], patch=c["patch"],
        size=m["input"]["size"], classes=m["classes"], s=len(m["stitches"]), r=len(m["routes"]),
        mb=sum(s["bytes"] for s in m["shards"]) / 1e6)
    table = "\n".join(["## All routes", "", f"Measured on {a.images} validation images with the shipped, f16-rounded weights (PyTorch, f32 "
                       "arithmetic, no augmentation). \"front\": no cheaper or equally cheap route is at least as good.", "",
                       *routes_table(m)])
    text = "\n".join([head, a.notes.read_text(encoding="utf-8").strip(), "", init_section(json.loads(a.ls.read_text()), m), table])
    (a.bundle / "MODEL_CARD.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    print(f"{a.bundle / 'MODEL_CARD.md'}: {len(text)} characters")


if __name__ == "__main__":
    main()
