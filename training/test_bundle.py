"""Checks of bundle.py, export.py and evaluate.py: int8 weights, folders that appear whole, the marks of the Pareto front.

`python -m unittest -v test_bundle` in this folder.
"""
from __future__ import annotations

import json
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors.numpy import load_file

import bundle
import data
import evaluate
import export
from bundle import dequantize, family_of, quantize, read_bundle, rounded, stored, write_bundle
from vit import Config

FIXTURES = Path(__file__).resolve().parents[1] / "test" / "fixtures"


class Quantize(unittest.TestCase):
    def test_rows(self) -> None:
        """One scale a row, ties to even, a row of zeros has the scale 0; the same numbers as the TypeScript writer's."""
        values, scale = quantize(np.array([[1, -127, 63], [0.5, 0.25, -0.125], [0, 0, 0], [127, 2.5, -1.5]], np.float32))
        self.assertEqual(values.tolist(), [[1, -127, 63], [127, 64, -32], [0, 0, 0], [127, 2, -2]])
        self.assertEqual(scale.tolist(), [1, np.float32(0.5 / 127), 0, 1])

    def test_error(self) -> None:
        """Within half a step of the row, for filters of four axes too."""
        a = np.random.default_rng(1).normal(size=(20, 3, 8, 8)).astype(np.float32) * np.logspace(-6, 6, 20)[:, None, None, None]
        a = a.astype(np.float32)
        values, scale = quantize(a)
        self.assertEqual((values.dtype, values.shape, scale.shape), (np.dtype(np.int8), a.shape, (20,)))
        steps = np.abs(dequantize(values, scale) - a) / scale[:, None, None, None]
        self.assertLess(steps.max(), 0.5001)

    def test_refuses(self) -> None:
        with self.assertRaises(ValueError):
            quantize(np.array([[1, np.nan]], np.float32))
        with self.assertRaises(ValueError):
            stored({"x.bias": np.array([1e6], np.float32)}, "int8")


class Bundles(unittest.TestCase):
    def test_fixture(self) -> None:
        """An int8 bundle reads back as f32, and this repository's network on it gives timm's logits."""
        manifest, tensors = read_bundle(FIXTURES / "tiny-int8")
        _, halves = read_bundle(FIXTURES / "tiny")
        self.assertEqual(tensors.keys(), halves.keys())
        for k, v in rounded(halves, "int8").items():
            self.assertTrue(np.array_equal(v, tensors[k]), k)
        expected = load_file(FIXTURES / "tiny-int8" / "expected.safetensors")
        family = family_of(manifest, tensors)
        with torch.no_grad():
            for r, want in zip(manifest["routes"], expected["logits_int8"]):
                got = family(torch.from_numpy(expected["pixels"]), r["id"]).numpy()
                self.assertLess(np.abs(got - want).max(), 1e-4, r["id"])

    def test_write_read(self) -> None:
        manifest, tensors = read_bundle(FIXTURES / "tiny")
        configs = {a["id"]: (a["name"], Config(a["config"]["dim"], a["config"]["heads"], a["config"]["depth"], a["config"]["patch"],
                                               manifest["input"]["size"], manifest["classes"], a["config"]["eps"]))
                   for a in manifest["anchors"]}
        check = load_file(FIXTURES / "tiny" / "check.safetensors")
        with tempfile.TemporaryDirectory() as d:
            write_bundle(Path(d), name="x", version="1", license="", sources=[], input=manifest["input"], configs=configs,
                         stitches=manifest["stitches"], routes=manifest["routes"], tensors=tensors,
                         labels=json.loads((FIXTURES / "tiny" / "labels.json").read_text()), group=2, check_image=check["image"],
                         check_routes=manifest["check"]["routes"], check_logits=check["logits"], weights="int8")
            shard = load_file(Path(d) / "a.blocks.0-1.safetensors")
            self.assertEqual(shard["anchors.a.blocks.0.qkv.weight"].dtype, np.int8)
            self.assertEqual(shard["anchors.a.blocks.0.qkv.weight.scale"].dtype, np.float32)
            self.assertEqual(shard["anchors.a.blocks.0.norm1.weight"].dtype, np.float16)
            _, back = read_bundle(Path(d))
        for k, v in rounded(tensors, "int8").items():
            self.assertTrue(np.array_equal(v, back[k]), k)


def run(script, *how: str | Path) -> None:  # noqa: ANN001
    """A script's main in this process, without what it prints."""
    with mock.patch.object(sys, "argv", ["x", *map(str, how)]), mock.patch("builtins.print"):
        script.main()


class Export(unittest.TestCase):
    def setUp(self) -> None:
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.root, self.out = Path(tmp.name), Path(tmp.name) / "bundles" / "x"
        self.family = family_of(*read_bundle(FIXTURES / "tiny"))
        torch.manual_seed(0)
        with torch.no_grad():
            for p in self.family.parameters():
                p.mul_(1 + 1e-3 * torch.rand_like(p))  # no longer numbers that f16 can hold
        torch.save(dict(model=self.family.state_dict(), spec=self.family.spec()), self.root / "family.pt")

    def export(self, *how: str) -> None:
        run(export, "--family", self.root / "family.pt", "--base", FIXTURES / "tiny", "--name", "x", "--out", self.out, *how)

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.root)): p.read_bytes() for p in sorted(self.root.rglob("*")) if p.is_file()}

    def test_refuses_other_folders(self) -> None:
        """Whatever is no bundle of this format stays as it is."""
        self.out.mkdir(parents=True)
        for name, text in {"notes.json": "[1]", "other.safetensors": "", "manifest.json": '{"format": "web/1"}'}.items():
            (self.out / name).write_text(text)
            before = self.files()
            with self.assertRaisesRegex(SystemExit, "no bundle"):
                self.export()
            self.assertEqual(self.files(), before)
        shutil.rmtree(self.out)
        self.out.write_text("a file")
        with self.assertRaises(SystemExit):
            self.export()
        self.assertEqual(self.out.read_text(), "a file")

    def test_interrupted(self) -> None:
        """At every file: the old bundle is whole, and nothing lies beside it."""
        self.export()
        before, put = self.files(), bundle.put
        for stop in (0, 4, 8):
            calls = iter(range(100))

            def stopping(*args):  # noqa: ANN002, ANN202
                if next(calls) == stop:
                    raise KeyboardInterrupt
                return put(*args)

            with mock.patch.object(bundle, "put", stopping), self.assertRaises(KeyboardInterrupt):
                self.export("--version", "2")
            self.assertEqual(self.files(), before, stop)
        rename = Path.rename

        def failing(path: Path, target: Path) -> Path:
            if ".partial-" in path.name:
                raise OSError
            return rename(path, target)

        with mock.patch.object(Path, "rename", failing), self.assertRaises(OSError):
            self.export("--version", "2")
        self.assertEqual(self.files(), before)
        self.assertEqual([p.name for p in self.out.parent.iterdir()], ["x"])

    def test_replaces(self) -> None:
        """Shards of the old plan go; what stood beside the bundle stays."""
        self.export("--group", "1")
        self.assertTrue((self.out / "a.blocks.0-0.safetensors").exists())
        for name in ("MODEL_CARD.md", "expected.safetensors"):
            (self.out / name).write_text("mine")
        self.export("--group", "3", "--version", "2")
        self.assertFalse((self.out / "a.blocks.0-0.safetensors").exists())
        self.assertEqual([(self.out / n).read_text() for n in ("MODEL_CARD.md", "expected.safetensors")], ["mine", "mine"])
        self.assertEqual(read_bundle(self.out)[0]["version"], "2")
        self.assertEqual([p.name for p in self.out.parent.iterdir()], ["x"])

    def test_check_logits(self) -> None:
        """Those of the weights as stored, written once: no bundle with other ones ever lies there."""
        for weights in ("f16", "int8"):
            with mock.patch.object(export, "write_bundle", wraps=export.write_bundle) as write:
                self.export("--weights", weights)
            self.assertEqual(write.call_count, 1)
            manifest, tensors = read_bundle(self.out)
            check, shipped = load_file(self.out / "check.safetensors"), family_of(manifest, tensors)
            x = data.normalise(torch.from_numpy(check["image"]), shipped.statistics)
            with torch.no_grad():
                for r, want in zip(manifest["check"]["routes"], check["logits"], strict=True):
                    self.assertLess(np.abs(shipped(x, r).numpy() - want).max(), 1e-5, r)
                    self.assertGreater(np.abs(self.family(x, r).numpy() - want).max(), 1e-4, r)


class Front(unittest.TestCase):
    def setUp(self) -> None:
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.folder = Path(tmp.name) / "x"
        shutil.copytree(FIXTURES / "tiny", self.folder)

    def routes(self) -> list[dict]:
        return json.loads((self.folder / "manifest.json").read_text())["routes"]

    def change(self, **top1: float) -> None:
        """Sets accuracies, and a mark on every route; those of `top1` but the first cost the same."""
        manifest = json.loads((self.folder / "manifest.json").read_text())
        for r in manifest["routes"]:
            r.pop("top1", None)
            r |= {"pareto": True} | ({"top1": top1[r["id"]]} if r["id"] in top1 else {})
            if r["id"] in list(top1)[1:]:
                r["macs"] = 1_400_000
        bundle.write_manifest(self.folder, manifest)

    def test_evaluate(self) -> None:
        """New accuracies, new marks: none of the old ones stays."""
        cache, rng = self.folder.parent / "cache", np.random.default_rng(0)
        cache.mkdir()
        np.save(cache / "val_x.npy", rng.integers(0, 255, (40, 32, 32, 3), np.uint8))
        np.save(cache / "val_y.npy", rng.integers(0, 10, 40))
        self.change()
        run(evaluate, "--bundle", self.folder, "--cache", cache)
        best, front = -1.0, []
        for r in sorted(self.routes(), key=lambda r: (r["macs"], -r["top1"])):
            if r["top1"] > best:
                best = r["top1"]
                front.append(r["id"])
        self.assertEqual(sorted(r["id"] for r in self.routes() if "pareto" in r), sorted(front))
        self.assertLess(len(front), len(self.routes()))

    def test_marks_only(self) -> None:
        """From the accuracies that are there: a route must beat all cheaper ones, of equally dear ones the best, of equal ones
        the first; a route without a measurement has no mark."""
        self.change(**{"a": 0.2, "b": 0.3, "a.1+b.1": 0.4, "a.2+b.1": 0.4})
        run(evaluate, "--bundle", self.folder, "--marks-only")
        self.assertEqual([(r["id"], r["pareto"]) for r in self.routes() if "pareto" in r], [("a", True), ("a.1+b.1", True)])


if __name__ == "__main__":
    unittest.main()
