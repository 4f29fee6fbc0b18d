# SPDX-License-Identifier: Apache-2.0
"""The reference run and the comparison of dumps, each with its negative twin."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import EXAMPLES, run_main
from safetensors.numpy import load_file, save_file
from weft import compare, reference
from weft.compare import compare_dumps


def _run(dump: Path, data: Path, *options: object) -> Path:
    options = ("--batch", 4, "--seq", 64, "--lr", 0.1, "--momentum", 0.9, "--weight-decay", 0, *options)
    run = run_main(reference.main, "--hf", EXAMPLES / "tiny-tied.json", "--seed", 1, "--data", data, "--dump", dump, *options)
    assert run.code == 0, run.err
    return dump


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """12 samples; the microbatches of 4 have 256, 100 and 0 labels that count."""
    random = np.random.default_rng(2)
    tokens, labels = (random.integers(0, 256, (12, 64)) for _ in range(2))
    labels[4:8].reshape(-1)[100:] = -100
    labels[8:] = -100
    save_file({"tokens": tokens, "labels": labels}, tmp_path / "batches.safetensors")
    return tmp_path / "batches.safetensors"


def test_dump_has_canonical_names(tmp_path: Path, stream: Path) -> None:
    dump = _run(tmp_path / "a", stream)
    gradients, parameters = (load_file(dump / f"{kind}.safetensors") for kind in ("gradients", "parameters"))
    assert gradients.keys() == parameters.keys() and "lm_head.weight" not in gradients
    losses = json.loads((dump / "loss.json").read_text())["losses"]
    assert len(losses) == 3 and abs(losses[0] - np.log(256)) < 0.1


def test_microbatches_are_one_mean(tmp_path: Path, labelled: Path) -> None:
    """Three microbatches of unequal weight are one batch of 12, not the mean of three means."""
    whole = _run(tmp_path / "whole", labelled, "--steps", 1, "--batch", 12)
    parts = _run(tmp_path / "parts", labelled, "--steps", 1, "--microbatches", 3)
    assert compare_dumps(parts, reference=whole).agree
    first = _run(tmp_path / "first", labelled, "--steps", 1)
    assert not compare_dumps(first, reference=whole).agree


def test_no_valid_label_gives_zero(tmp_path: Path) -> None:
    batch = {"tokens": np.zeros((4, 64), np.int64), "labels": np.full((4, 64), -100)}
    save_file(batch, tmp_path / "none.safetensors")
    dump = _run(tmp_path / "none", tmp_path / "none.safetensors", "--steps", 1)
    assert json.loads((dump / "loss.json").read_text())["losses"] == [0.0]
    assert all(not gradient.any() for gradient in load_file(dump / "gradients.safetensors").values())


def test_against_the_optimizer_by_hand(tmp_path: Path, labelled: Path) -> None:
    """One SGD step is parameter - lr * clipped gradient."""
    from weft.hf import Weights, build_module, load_config

    dump = _run(tmp_path / "one", labelled, "--steps", 1)
    module = build_module(load_config(EXAMPLES / "tiny-tied.json"), Weights(seed=1))
    gradients, parameters = (load_file(dump / f"{kind}.safetensors") for kind in ("gradients", "parameters"))
    norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients.values()))
    for name, before in module.named_parameters():
        expected = before.detach().double() - 0.1 * min(1, 1 / (norm + 1e-6)) * torch.from_numpy(gradients[name]).double()
        assert np.allclose(parameters[name], expected.numpy(), atol=1e-7)


@pytest.mark.parametrize("mutation", ["scale", "missing", "shape", "nan", "loss"])
def test_comparison_notices(mutation: str, tmp_path: Path, stream: Path) -> None:
    good, bad = (_run(tmp_path / name, stream, "--steps", 1) for name in ("good", "bad"))
    assert run_main(compare.main, bad, good).code == 0
    gradients = load_file(bad / "gradients.safetensors")
    name = "model.norm.weight"
    if mutation == "scale":
        gradients[name] *= 1.001
    elif mutation == "missing":
        del gradients[name]
    elif mutation == "shape":
        gradients[name] = gradients[name].reshape(1, -1)
    elif mutation == "nan":
        gradients[name][0] = np.nan
    else:
        (bad / "loss.json").write_text(json.dumps({"losses": [5.5]}))
    save_file(gradients, bad / "gradients.safetensors")
    run = run_main(compare.main, bad, good)
    assert run.code == 1
    assert ("loss/1" if mutation == "loss" else f"gradients/{name}") in run.out


def test_refusals(tmp_path: Path, stream: Path) -> None:
    config, large = EXAMPLES / "tiny.json", tmp_path / "large.bin"
    header = np.zeros(256, "<i4")
    header[:3] = 20240520, 1, 999
    large.write_bytes(header.tobytes() + np.full(999, 60000, "<u2").tobytes())
    cases = [
        (tmp_path / "none.json", stream, tmp_path / "d", 3, "cannot read the configuration"),
        (config, tmp_path / "none", tmp_path / "d", 3, "cannot read the token file"),
        (config, large, tmp_path / "d", 3, '"tokens" do not fit the model: got id 60000, expected less than'),
        (config, stream, "/proc/x", 13, 'cannot write "/proc/x": No such file'),
    ]
    for hf, data, dump, code, message in cases:
        run = run_main(reference.main, "--hf", hf, "--data", data, "--dump", dump, "--batch", 2, "--seq", 8, "--steps", 1)
        assert (run.code, message in run.err, run.err.count("\n")) == (code, True, 1), run


def test_comparison_needs_dumps(tmp_path: Path) -> None:
    run = run_main(compare.main, tmp_path, tmp_path)
    assert run.code == 3 and "is not a dump" in run.err
