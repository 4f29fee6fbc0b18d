# SPDX-License-Identifier: Apache-2.0
"""A model of its authors' own code: complex rotary embeddings train as in eager PyTorch, and turns the other way are noticed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import MESHES, QUICK, Case
from lab import STEPS, weft
from modules import module_reference
from safetensors.torch import save_file
from weft.compare import compare_dumps
from weft.export import export_model
from weft.model import from_function

sys.path.insert(0, str(Path(__file__).parent / "models"))
from turned import BATCH, SEQ, VOCAB, Turned, loss

CASES = [case for case in MESHES if case.name in ("one device", "dp_shard 3", "tp 2", QUICK.name)]
STYLES = {
    "attention.wq": "colwise", "attention.wk": "colwise", "attention.wv": "colwise", "attention.wo": "rowwise",
    "w1": "colwise", "w3": "colwise", "w2": "rowwise",
}  # fmt: skip


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, its data, the reference's dump, and that of turns the other way."""
    folder, random = tmp_path_factory.mktemp("turned"), np.random.default_rng(0)
    data = {name: torch.from_numpy(random.integers(0, VOCAB, (STEPS * BATCH, SEQ))) for name in ("tokens", "labels")}
    export_model(from_function("turned:make"), folder / "model")
    (folder / "data").mkdir()
    save_file(data, folder / "data/samples.safetensors")
    for name, clockwise in (("reference", False), ("clockwise", True)):
        module_reference(
            Turned(clockwise=clockwise), lambda module, batch: loss(module(batch["tokens"]), batch),
            weights=folder / "model/weights/model.safetensors", data=data, dump=folder / name,
        )  # fmt: skip
    return folder


@pytest.mark.parametrize("case", [pytest.param(c, marks=() if c is QUICK else pytest.mark.slow, id=c.name) for c in CASES])
def test_complex_rotary_embeddings(turned: Path, case: Case, tmp_path: Path) -> None:
    settings = list(case.settings)
    if "tp" in dict(case.mesh):
        settings += [f'plan.styles."layers.*.{module}"="{style}"' for module, style in STYLES.items()]
        settings += ['plan.styles."output"="colwise_gather_output"']
    weft("compile", turned / "model", *(word for setting in settings for word in ("--set", setting)), "-o", tmp_path / "art")
    common = ["--data", turned / "data", "--steps", STEPS, "--dump"]
    weft("simulate", tmp_path / "art", *common, tmp_path / "simulated")
    weft("run", tmp_path / "art", "--order", "sequential", *common, tmp_path / "trained")
    for dump in (tmp_path / "simulated", tmp_path / "trained"):
        comparison = compare_dumps(dump, reference=turned / "reference")
        assert comparison.agree, comparison.table()
        assert not compare_dumps(dump, reference=turned / "clockwise").agree
