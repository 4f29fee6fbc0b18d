# SPDX-License-Identifier: Apache-2.0
"""Packed documents: a mask of equal ids becomes operands of attention; training equals eager PyTorch, and other documents are noticed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import MESHES, Case
from lab import BUILD, STEPS, run, weft
from modules import module_reference
from safetensors.torch import save_file
from weft.compare import compare_dumps
from weft.export import export_model
from weft.model import from_function

sys.path.insert(0, str(Path(__file__).parent / "models"))
from packed import BATCH, SEQ, VOCAB, Packed, loss

CASES = [case for case in MESHES if case.name in ("one device", "dp_shard 2", "dp_shard 3")]


def _data() -> dict[str, torch.Tensor]:
    """Samples of documents that are 1 to 20 tokens long; ids begin anew in each."""
    random = np.random.default_rng(0)
    documents = [np.repeat(np.arange(SEQ), random.integers(1, 20, SEQ))[:SEQ] for _ in range(STEPS * BATCH)]
    tokens, labels = (torch.from_numpy(random.integers(0, VOCAB, (STEPS * BATCH, SEQ))) for _ in range(2))
    return {"tokens": tokens, "labels": labels, "documents": torch.from_numpy(np.stack(documents))}


def _reference(weights: Path, data: dict[str, torch.Tensor], dump: Path) -> Path:
    return module_reference(Packed(), lambda module, batch: loss(module(batch["tokens"], batch["documents"]), batch), weights=weights, data=data, dump=dump)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, its data, the reference's dump, and that of one document a sample."""
    folder, data = tmp_path_factory.mktemp("packed"), _data()
    export_model(from_function("packed:make"), folder / "model")
    (folder / "data").mkdir()
    save_file(data, folder / "data/samples.safetensors")
    weights = folder / "model/weights/model.safetensors"
    _reference(weights, data, folder / "reference")
    _reference(weights, data | {"documents": torch.zeros_like(data["documents"])}, folder / "whole")
    return folder


@pytest.mark.parametrize("case", [pytest.param(c, marks=() if c.ranks == 2 else pytest.mark.slow, id=c.name) for c in CASES])
def test_packed_documents(packed: Path, case: Case, tmp_path: Path) -> None:
    weft("compile", packed / "model", *(word for setting in case.settings for word in ("--set", setting)), "-o", tmp_path / "art")
    text = run(BUILD / "bin/weft-opt", tmp_path / "art/ir/typed.mlirbc")
    assert text.count("= nn.attention ") == 1 and "nn.softmax" not in text
    common = ["--data", packed / "data", "--steps", STEPS, "--dump"]
    weft("simulate", tmp_path / "art", *common, tmp_path / "simulated")
    weft("run", tmp_path / "art", "--order", "sequential", *common, tmp_path / "trained")
    for dump in (tmp_path / "simulated", tmp_path / "trained"):
        comparison = compare_dumps(dump, reference=packed / "reference")
        assert comparison.agree, comparison.table()
        assert not compare_dumps(dump, reference=packed / "whole").agree
