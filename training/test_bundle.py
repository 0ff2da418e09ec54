"""Checks of bundle.py: int8 weights. `python -m unittest -v test_bundle` in this folder."""
from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

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


if __name__ == "__main__":
    unittest.main()
