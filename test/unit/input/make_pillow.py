"""Writes pillow.json: what Pillow makes of small random images. Run: python make_pillow.py (needs Pillow and NumPy).

Per case: `noise`, RGB bytes over the whole range; per filter `rounded`, Pillow's resize of it in 8 bits, and `exact`, the same
resize of noise // 2 + 64 in f32 (mode F, no rounding, no clamping; the halved range keeps the cubic's overshoot in 0...255).
The box is the central square of side min(width, height) * crop, as a fraction.
"""

import base64
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

CASES = [
    # width, height, size, crop
    (37, 23, 8, 1.0),
    (37, 23, 8, 0.875),
    (23, 37, 8, 0.875),
    (5, 7, 16, 1.0),
    (5, 7, 16, 0.5),
    (40, 31, 5, 0.9),
    (9, 9, 8, 1.0),
    (16, 16, 16, 1.0),
    (1, 1, 4, 1.0),
    (3, 90, 4, 1.0),
]
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def main() -> None:
    rng = np.random.default_rng(20230613)
    cases = []
    for width, height, size, crop in CASES:
        noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        side = min(width, height) * crop
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        filters = {}
        for name, kind in FILTERS.items():
            rounded = np.asarray(Image.fromarray(noise, "RGB").resize((size, size), kind, box=box))
            soft = (noise // 2 + 64).astype(np.float32)
            planes = [Image.fromarray(soft[..., c], "F").resize((size, size), kind, box=box) for c in range(3)]
            exact = np.stack([np.asarray(p, dtype=np.float32) for p in planes])
            assert 0 <= exact.min() and exact.max() <= 255
            filters[name] = {"rounded": text(rounded), "exact": text(exact)}
        cases.append({"width": width, "height": height, "size": size, "crop": crop, "noise": text(noise), "filters": filters})
    out = {"generator": "make_pillow.py", "pillow": PIL.__version__, "cases": cases}
    (Path(__file__).parent / "pillow.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
