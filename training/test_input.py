"""What the runtime's own decoding, crop and resize cost in accuracy against the Python pipeline (Pillow), on labelled photos.

Needs `VAL`, the path of a `val.jpk`; skipped, visibly, without. `COUNT` images (default: all). The photos are the validation images
enlarged to random sizes, so that there is something to crop and to shrink: files that both pipelines read. Takes some minutes.

    VAL=DATA/val.jpk python -m unittest -v test_input
"""
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import data
from bundle import family_of, read_bundle
from common import evaluate_routes

ROOT = Path(__file__).parent.parent
BUNDLE = ROOT / "public/models/photos"
LIMIT = 0.5
"""Points of top-1."""


@unittest.skipUnless("VAL" in os.environ, "VAL not given")
class Input(unittest.TestCase):
    def test_top1(self) -> None:
        work = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, work)
        count = int(os.environ.get("COUNT", "0")) or None
        rng = np.random.default_rng(0)
        manifest, tensors = read_bundle(BUNDLE)
        spec = manifest["input"]
        xs, ys = [], []
        for i, (label, jpeg) in enumerate(list(data.read_jpk(Path(os.environ["VAL"])))[:count]):
            width, height = (int(v) for v in rng.integers(80, 400, 2))
            photo = work / "photos" / str(label) / f"{i}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            large = Image.open(io.BytesIO(jpeg)).convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
            large.save(photo, quality=92)
            xs.append(data.fit(Image.open(photo), spec["size"], spec["crop"], spec["filter"]))
            ys.append(label)
        anchors = [a["id"] for a in manifest["anchors"]]
        # What counts here are the pixels: two networks show those as well as all routes do.
        alone = [r for r in manifest["routes"] if len(r["path"]) == 1]
        python = evaluate_routes(family_of(manifest | {"routes": alone}, tensors), torch.from_numpy(np.stack(xs)), torch.tensor(ys), torch.device("cpu"))
        shutil.copytree(BUNDLE, work / "bundle")
        command = ["npm", "run", "--silent", "model", "--", "evaluate", str(work / "bundle"), "--images", str(work / "photos"),
                   "--routes", ",".join(anchors), "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        ours = {r["id"]: r["top1"] for r in json.loads(done.stdout)["routes"]}
        for a in anchors:
            theirs, mine = 100 * python[a]["top1"], 100 * ours[a]
            print(f"{a}: {theirs:.2f} % by Pillow, {mine:.2f} % by the runtime: {mine - theirs:+.2f} points over {len(ys)} photos")
            self.assertLess(abs(mine - theirs), LIMIT)


if __name__ == "__main__":
    unittest.main()
