"""Checks of data.py, and of the scripts that read its cache. `python -m unittest -v test_data` in this folder."""
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

import data
import train_stitched
from bundle import read_bundle, write_manifest
from snnet import Family

HERE = Path(__file__).resolve().parent
TINY = HERE.parent / "test" / "fixtures" / "tiny"


def write_photos(root: Path, image: np.ndarray) -> None:
    """The same picture in both sets, in one class."""
    for split in ("train", "val"):
        (root / split / "ant").mkdir(parents=True)
        Image.fromarray(image).save(root / split / "ant" / "x.png")


def write_cache(cache: Path, size: int, classes: int) -> None:
    cache.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, n in (("train", 64), ("val", 16)):
        np.save(cache / f"{split}_x.npy", rng.integers(0, 255, (n, size, size, 3), np.uint8))
        np.save(cache / f"{split}_y.npy", rng.integers(0, classes, n))


def prepare(root: Path, cache: Path, *how: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "data.py", "--data", root, "--cache", cache, *how], cwd=HERE, capture_output=True, text=True)


class ClassFolders(unittest.TestCase):
    def test_decode(self) -> None:
        """Classes in the order of their names, shorter side fitted, central square."""
        with tempfile.TemporaryDirectory() as d:
            for label, name in enumerate(("ant", "bee")):
                (Path(d) / name).mkdir()
                half_black = np.zeros((20, 60, 3), np.uint8)
                half_black[:, 20:40] = 100 + 50 * label
                Image.fromarray(half_black).save(Path(d) / name / "x.png")
            x, y = data.decode_folders(Path(d), 10)
        self.assertEqual((x.shape, y.tolist()), ((2, 10, 10, 3), [0, 1]))
        self.assertEqual(x[:, 5, 5, 0].tolist(), [100, 150])


class BundleInput(unittest.TestCase):
    """The cache holds what the runtime would show to the network."""

    def folders(self, d: str, **change: object) -> tuple[Path, Path, Path]:
        """(photos, cache, a bundle's manifest with a changed `input`)"""
        root = Path(d)
        (root / "bundle").mkdir()
        manifest = json.loads((TINY / "manifest.json").read_text())
        manifest["input"] |= change
        write_manifest(root / "bundle", manifest)
        return root / "photos", root / "cache", root / "bundle"

    def test_crop(self) -> None:
        """crop 0.5 of a picture with a broad black frame: no frame on val, all of it on train."""
        image = np.zeros((80, 120, 3), np.uint8)
        image[15:65, 35:85] = 200
        with tempfile.TemporaryDirectory() as d:
            photos, cache, bundle = self.folders(d, size=16, crop=0.5)
            write_photos(photos, image)
            done = prepare(photos, cache, "--bundle", bundle)
            self.assertEqual(done.returncode, 0, done.stderr)
            val, train = (np.load(cache / f"{s}_x.npy") for s in ("val", "train"))
        self.assertEqual((val.shape, train.shape), ((1, 16, 16, 3), (1, 16, 16, 3)))
        self.assertEqual((val.min(), val.max()), (200, 200))
        self.assertEqual(train.min(), 0)

    def test_filter(self) -> None:
        """Only the bicubic filter overshoots at an edge."""
        image = np.full((60, 60, 3), 60, np.uint8)
        image[:, 27:] = 190
        for name, lowest in (("bilinear", 60), ("bicubic", 59)):
            with tempfile.TemporaryDirectory() as d:
                photos, cache, bundle = self.folders(d, size=16, crop=1.0, filter=name)
                write_photos(photos, image)
                done = prepare(photos, cache, "--bundle", bundle)
                self.assertEqual(done.returncode, 0, done.stderr)
                for split in ("train", "val"):
                    low = np.load(cache / f"{split}_x.npy").min()
                    self.assertTrue(low == 60 if name == "bilinear" else low <= lowest, (name, split, low))

    def test_another_input(self) -> None:
        """A cache that was prepared otherwise is not taken for a new one, nor measured with."""
        image = np.full((60, 60, 3), 60, np.uint8)
        with tempfile.TemporaryDirectory() as d:
            photos, cache, bundle = self.folders(d, size=16, crop=0.5)
            write_photos(photos, image)
            self.assertEqual(prepare(photos, cache, "--size", "16").returncode, 0)
            again = prepare(photos, cache, "--bundle", bundle)
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("crop 1.0", again.stderr)
            self.assertEqual(prepare(photos, cache, "--size", "16").returncode, 0)
            done = subprocess.run([sys.executable, "evaluate.py", "--bundle", TINY, "--cache", cache], cwd=HERE, capture_output=True,
                                  text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("size 16", done.stderr)


class Batches(unittest.TestCase):
    def test_too_few_images(self) -> None:
        """The smallest share counts, so that all processes stop."""
        x, y = torch.zeros(33, 8, 8, 3, dtype=torch.uint8), torch.zeros(33, dtype=torch.int64)
        self.assertEqual(len(next(data.batches(x, y, 16, 0, 1, 2))[1]), 16)
        for rank in range(2):
            with self.assertRaisesRegex(SystemExit, "16 training images.*--batch 17"):
                next(data.batches(x, y, 17, 0, rank, 2))


class Teachers(unittest.TestCase):
    def run_script(self, root: Path, *how: str) -> list[tuple[str, int, float]]:
        """(route, axes of the teacher or 0, its weight) of every loss of a short run."""
        manifest, _ = read_bundle(TINY)
        write_cache(root / "cache", manifest["input"]["size"], manifest["classes"])
        (root / "runs").mkdir()
        learning, seen = [], []
        forward, loss_of = Family.forward, train_stitched.loss_of

        def watched(family: Family, x: torch.Tensor, route: str) -> torch.Tensor:
            if torch.is_grad_enabled():
                learning.append(route)
            return forward(family, x, route)

        def recorded(logits, y, teacher, weight, smoothing):  # noqa: ANN001
            seen.append((learning[-1], 0 if teacher is None else teacher.ndim, weight))
            return loss_of(logits, y, teacher, weight, smoothing)

        argv = ["train_stitched.py", "--cache", str(root / "cache"), "--out", str(root / "runs"), "--bundle", str(TINY),
                "--minutes", "0.05", "--stages", "0:32", "--batch", "16", *how]
        with mock.patch.object(sys, "argv", argv), mock.patch.object(Family, "forward", watched), \
                mock.patch.object(train_stitched, "loss_of", recorded), mock.patch("builtins.print"):
            train_stitched.main()
        return seen

    def test_both(self) -> None:
        """With both, the cheaper route of a pair learns from the dearer, every other one from the largest anchor."""
        with tempfile.TemporaryDirectory() as d:
            seen = self.run_script(Path(d), "--inplace", "0.25", "--distill", "0.5")
            rows = (Path(d) / "runs" / "family.csv").read_text().splitlines()
        self.assertGreater(len(seen), 20)
        for route, axes, weight in seen:
            if axes == 0:
                self.assertEqual(route, "b")
            else:
                self.assertEqual(weight, {1: 0.5, 2: 0.25}[axes])
        self.assertEqual({axes for _, axes, _ in seen}, {0, 1, 2})
        columns = rows[0].split(",")
        self.assertEqual({r.split(",")[columns.index("size")] for r in rows[1:]}, {"32"})

    def test_single(self) -> None:
        """One route a step has no counterpart to learn from."""
        with mock.patch.object(sys, "argv", ["x", "--cache", "c", "--out", "o", "--minutes", "1", "--single", "--inplace", "0.5"]), \
                mock.patch("sys.stderr"), self.assertRaises(SystemExit):
            train_stitched.arguments()


if __name__ == "__main__":
    unittest.main()
