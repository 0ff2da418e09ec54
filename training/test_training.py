"""Checks of the training code: `python -m unittest -v test_training` in this folder.

Two checks need files of other origin and are skipped, visibly, unless their path is given:
  SNNET_CONFIGS    deit_stitch_configs.json, the 71 rows of the official DeiT enumeration
  SNNET_REFERENCE  folder of the official-style reference with ls_init.safetensors
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

import data
from average import averaged
from grow import grow
from bundle import anchor_tensors, family_of, family_tensors, half, read_bundle, rounded, shard_plan, write_bundle
from optim import orthogonalise
from snnet import Family, enumerate_family, entries, paired_stitches, route_macs
from stitch import init_stitches, least_squares
from vit import Config, ViT

FIXTURES = Path(__file__).resolve().parents[1] / "test" / "fixtures"


class Enumeration(unittest.TestCase):
    def test_sizes(self) -> None:
        """Layers and pairs for depth 12 (official code, other kernels and strides)."""
        for (k, s), (layers, pairs) in {(1, 1): (12, 12), (2, 1): (11, 34), (2, 2): (6, 24), (3, 1): (10, 54), (3, 2): (6, 44),
                                        (3, 3): (4, 36), (4, 1): (9, 72), (4, 2): (5, 64), (4, 4): (3, 48)}.items():
            got = paired_stitches(12, k, s)
            self.assertEqual((got[-1][2] + 1, len(got)), (layers, pairs), (k, s))

    @unittest.skipUnless("SNNET_CONFIGS" in os.environ, "SNNET_CONFIGS not given")
    def test_official_rows(self) -> None:
        ref = json.loads(Path(os.environ["SNNET_CONFIGS"]).read_text())
        names = [f"t{k}" for k in range(len(ref["anchor_names"]))]
        _, routes = enumerate_family(names, ref["depth"], ref["kernel"], ref["stride"], final_norm=False)
        configs = {n: Config(d, d // 64, ref["depth"], 16, 224, 1000) for n, d in zip(names, ref["anchor_dims"])}
        rows = ref["configs"]
        self.assertEqual(len(rows), len(routes))
        for row, route in zip(rows, routes):
            path = route["path"]
            spans, stitches = path[::2], [p["stitch"] for p in path[1::2]]
            self.assertEqual([names[a] for a in row["anchors"]], [s["anchor"] for s in spans], row)
            if stitches:
                i, j, layer = row["front_last_block"], row["back_first_block"], row["stitch_layer"]
                self.assertEqual((i, j), (spans[0]["to"], spans[1]["from"]), row)
                self.assertEqual(stitches, [f"{spans[0]['anchor']}-{spans[1]['anchor']}.{layer}"], row)
            self.assertEqual(row["flops"], route_macs(route, configs), row)


class LeastSquares(unittest.TestCase):
    def test_closed_form(self) -> None:
        g = torch.Generator().manual_seed(1)
        a, b = torch.randn(300, 12, generator=g, dtype=torch.float64), torch.randn(300, 9, generator=g, dtype=torch.float64)
        w, c = least_squares(a, b)
        one = torch.cat([a, torch.ones(300, 1, dtype=torch.float64)], 1)
        m = torch.linalg.solve(one.T @ one, one.T @ b)
        self.assertLess((w - m[:-1].T).abs().max().item(), 1e-12)
        self.assertLess((c - m[-1]).abs().max().item(), 1e-12)
        exact_w, exact_c = torch.randn(9, 12, generator=g, dtype=torch.float64), torch.randn(9, generator=g, dtype=torch.float64)
        w, c = least_squares(a, a @ exact_w.T + exact_c)
        self.assertLess(max((w - exact_w).abs().max().item(), (c - exact_c).abs().max().item()), 1e-12)

    def test_targets_and_sharing(self) -> None:
        """A shared layer is the mean over its pairs of the fit to the output of back block j-1."""
        family = small_family()
        x = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(2))
        init_stitches(family, x)
        with torch.no_grad():
            front, back = (family.features(x, a) for a in ("a", "b"))
            solved = [least_squares(front[i + 1].flatten(0, 1), back[j].flatten(0, 1)) for i, j in ((1, 2), (2, 1), (2, 2))]
        self.assertLess((family.stitch("a-b.1").weight - sum(w for w, _ in solved) / 3).abs().max().item(), 1e-5)
        self.assertLess((family.stitch("a-b.1").bias - sum(c for _, c in solved) / 3).abs().max().item(), 1e-5)

    @unittest.skipUnless("SNNET_REFERENCE" in os.environ, "SNNET_REFERENCE not given")
    def test_reference(self) -> None:
        """The fit agrees with the one the official code makes on the same images (there: pinv in f32)."""
        ref = load_file(Path(os.environ["SNNET_REFERENCE"]) / "ls_init.safetensors")
        family = family_of(*read_bundle(FIXTURES / "snnet-deit-tiny"))
        state = load_file(Path(os.environ["SNNET_REFERENCE"]) / "state_dict.safetensors")
        for k, a in enumerate(family.configs):
            p = f"anchors.{k}."
            family.anchors[a].load_state_dict({n[len(p):]: torch.from_numpy(v) for n, v in state.items() if n.startswith(p)})
        init_stitches(family, torch.from_numpy(ref["calib"]))
        x = torch.from_numpy(load_file(FIXTURES / "snnet-deit-tiny" / "expected.safetensors")["pixels"])
        with torch.no_grad():
            logits = np.stack([family(x, r["id"]).numpy() for r in family.routes])
        self.assertLess(np.abs(logits - ref["logits_after_ls"]).max(), 2e-3)


class Bundles(unittest.TestCase):
    def test_round_trip(self) -> None:
        family = small_family()
        tensors = family_tensors(family)
        for r in family.routes:
            r["macs"] = route_macs(r, family.configs)
        with tempfile.TemporaryDirectory() as d:
            folder = Path(d) / "x"
            written = write_bundle(folder, name="x", version="0", license="", sources=[], input={"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3},
                                   configs={a: (a, c) for a, c in family.configs.items()},
                                   stitches=[{"id": s, "from": "a", "to": "b"} for s in family.index], routes=family.routes,
                                   tensors=tensors, labels=["y"] * 10, group=2, check_image=np.zeros((1, 32, 32, 3), np.uint8),
                                   check_routes=["a"], check_logits=np.zeros((1, 1, 10), np.float32))
            manifest, back = read_bundle(folder)
            self.assertEqual(manifest, written)
            self.assertEqual(back.keys(), tensors.keys())
            for k, v in rounded(tensors).items():
                np.testing.assert_array_equal(back[k], v)
            for s in manifest["shards"]:
                raw = (folder / s["file"]).read_bytes()
                self.assertEqual(int.from_bytes(raw[:8], "little") % 8, 0, s["file"])
            again = family_tensors(family_of(manifest, back))
            for k, v in back.items():
                np.testing.assert_array_equal(again[k], v)
            shard = folder / manifest["shards"][3]["file"]
            raw = bytearray(shard.read_bytes())
            raw[-1] ^= 1
            shard.write_bytes(raw)
            with self.assertRaises(ValueError):
                read_bundle(folder)

    def test_overflow(self) -> None:
        with self.assertRaises(ValueError):
            half(np.array([1e6], np.float32))

    def test_order(self) -> None:
        """Suffix first: when a block group and its stitches are there, so is everything behind it."""
        _, routes = enumerate_family(["w64", "w128"], 12)
        plan = shard_plan([("w64", 12), ("w128", 12)], routes, 3)
        self.assertEqual([s for s, _ in plan], [
            "w64.embed", "w64.blocks.0-2", "w64.blocks.3-5", "w64.blocks.6-8", "w64.blocks.9-11", "w64.head", "w128.head",
            "w128.blocks.9-11", "stitches.w64-w128.8-10", "w128.blocks.6-8", "stitches.w64-w128.5-7", "w128.blocks.3-5",
            "stitches.w64-w128.2-4", "w128.blocks.0-2", "stitches.w64-w128.0-1", "w128.embed"])
        self.assertEqual(len({u for _, us in plan for u in us}), 2 * 14 + 11)
        self.assertEqual({s: max(e[3] for e in u) for s, u in entries(routes).items()},
                         {f"w64-w128.{n}": n + 1 for n in range(11)})


class Forward(unittest.TestCase):
    def check_fixture(self, name: str) -> None:
        """Our forward equals timm's (the fixture's expected logits), every route, both ways of running it."""
        family = family_of(*read_bundle(FIXTURES / name))
        expected = load_file(FIXTURES / name / "expected.safetensors")
        x = torch.from_numpy(expected["pixels"])
        with torch.no_grad():
            shared = dict(family.forward_all(x))
            for r, want in zip(family.routes, expected["logits_f16"], strict=True):
                for got in (family(x, r["id"]), shared[r["id"]]):
                    self.assertLess(np.abs(got.numpy() - want).max(), 5e-5, r["id"])

    def test_tiny(self) -> None:
        self.check_fixture("tiny")

    def test_official(self) -> None:
        self.check_fixture("snnet-deit-tiny")

    def test_grown(self) -> None:
        """A widened anchor computes what the small one did, and every weight of it gets a gradient."""
        small = small_family().anchors["a"]
        big = grow(small, Config(96, 6, 3, 8, 32, 10))
        x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(4))
        self.assertLess((big(x) - small(x)).abs().max().item(), 1e-4)
        self.assertGreater(small(x).abs().max().item(), 1)
        torch.nn.functional.cross_entropy(big(x), torch.arange(4)).backward()
        for name, p in big.named_parameters():
            self.assertIsNotNone(p.grad, name)
        self.assertGreater(big.blocks[0].attn.proj.weight.grad[32:].abs().max().item(), 0)
        for bad in (Config(96, 6, 4, 8, 32, 10), Config(96, 3, 3, 8, 32, 10), Config(32, 2, 3, 8, 32, 10)):
            with self.assertRaises(ValueError):
                grow(small, bad)

    def test_smaller_input(self) -> None:
        m = ViT(Config(32, 2, 2, 8, 32, 10)).eval()
        self.assertEqual(m(torch.zeros(1, 3, 16, 16)).shape, (1, 10))


class FromBundle(unittest.TestCase):
    def test_fine_tune(self) -> None:
        """A bundle in, a bundle out: labels, input and licence stay, weights move, and the run resumes."""
        base = FIXTURES / "tiny"
        before, old = read_bundle(base)
        size, classes = before["input"]["size"], before["classes"]
        here, env = Path(__file__).resolve().parent, os.environ | {"OMP_NUM_THREADS": "1"}
        with tempfile.TemporaryDirectory() as d:
            cache, runs, out = (Path(d) / n for n in ("cache", "runs", "out"))
            cache.mkdir(), runs.mkdir()
            rng = np.random.default_rng(0)
            for split, n in (("train", 64), ("val", 16)):
                np.save(cache / f"{split}_x.npy", rng.integers(0, 255, (n, size, size, 3), np.uint8))
                np.save(cache / f"{split}_y.npy", rng.integers(0, classes, n))

            def train(minutes: str, *how: str) -> None:
                subprocess.run([sys.executable, "train_stitched.py", "--cache", cache, "--out", runs, "--bundle", base,
                                       "--minutes", minutes, "--stages", f"0:{size}", "--batch", "16", *how],
                                      cwd=here, env=env, check=True, capture_output=True)

            train("0.05", "--distill", "0.5")
            first = torch.load(runs / "family.pt", weights_only=True)["step"]
            train("0.15", "--inplace", "0.5")
            self.assertGreater(torch.load(runs / "family.pt", weights_only=True)["step"], first)
            subprocess.run([sys.executable, "export.py", "--family", runs / "family.pt", "--base", base, "--name", "tuned",
                            "--out", out], cwd=here, env=env, check=True, capture_output=True)
            after, new = read_bundle(out)
            self.assertEqual([after[k] for k in ("input", "license", "classes")], [before[k] for k in ("input", "license", "classes")])
            self.assertEqual([r["id"] for r in after["routes"]], [r["id"] for r in before["routes"]])
            self.assertEqual((out / "labels.json").read_bytes(), (base / before["labels"]["file"]).read_bytes())
            self.assertEqual(old.keys(), new.keys())
            moved = [k for k in old if np.abs(old[k] - new[k]).max() > 1e-4]
            self.assertGreater(len(moved), len(old) // 2)


class Averages(unittest.TestCase):
    def test_mean(self) -> None:
        a, b = small_family(), small_family()
        with torch.no_grad():
            for p in b.parameters():
                p.add_(0.3)
        states = [dict(spec=f.spec(), ema=f.state_dict(), model=f.state_dict(), images=10, seconds=2.0) for f in (a, b)]
        out = averaged(states, [1, 2])
        self.assertEqual((out["images"], out["seconds"]), (20, 4.0))
        for name, value in a.state_dict().items():
            self.assertLess((out["ema"][name] - value - 0.2).abs().max().item(), 1e-5, name)
        # What a family's bundle brings as lists is no other family.
        states[1]["spec"] = json.loads(json.dumps(states[1]["spec"]))
        averaged(states, [1, 1])
        states[1]["spec"]["configs"]["a"]["heads"] = 4
        for weights, wrong in (([1, 1], "different families"), ([1], "weights"), ([1, 0], "weights")):
            with self.assertRaisesRegex(ValueError, wrong):
                averaged(states, weights)


class Pieces(unittest.TestCase):
    def test_orthogonalise(self) -> None:
        g = torch.randn(3, 16, 48, generator=torch.Generator().manual_seed(3))
        for u in (orthogonalise(g), orthogonalise(g.mT).mT):
            s = torch.linalg.svdvals(u)
            self.assertTrue(0.5 < s.min() and s.max() < 1.4, s)

    def test_augment(self) -> None:
        """Crops and flips keep colours: an image of one colour stays exactly that, at every training resolution."""
        x = torch.arange(8, dtype=torch.uint8)[:, None, None, None].expand(8, 64, 64, 3) * 30
        want = data.normalise(x)[:, :, :1, :1]
        for size in (32, 48, 64):
            out = data.augment(x, size, torch.Generator().manual_seed(5))
            self.assertEqual(out.shape, (8, 3, size, size))
            self.assertLess((out - want).abs().max().item(), 1e-5)


def small_family() -> Family:
    torch.manual_seed(0)
    family = Family.of({"a": Config(32, 2, 3, 8, 32, 10), "b": Config(48, 3, 3, 8, 32, 10)}).eval()
    with torch.no_grad():
        for p in family.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return family


if __name__ == "__main__":
    unittest.main()
