# SPDX-License-Identifier: Apache-2.0
"""Attention beyond causal: sliding windows shorter than the sequence, capped scores. Parity with eager PyTorch, and its twins."""

import re
import shutil
from pathlib import Path

import pytest
from cases import MESHES, Case
from lab import BUILD, Lab, run, scheduled_text, weft
from twins import change_number

# What says it in the program, and the nearest other value.
MODELS = {
    "tiny-mistral": {"window": ("16", "17")},
    "tiny-gemma2": {"window": ("16", "15"), "softcap": ("2.000000e+00", "2.1")},
}
ONE, SHARDED = (next(case for case in MESHES if case.name == name) for name in ("one device", "dp_shard 2 x tp 2"))


def _marked(cases: list[Case]) -> list:
    return [pytest.param(case, marks=() if case == SHARDED else pytest.mark.slow, id=case.name) for case in cases]


# Gemma 2 has all that Mistral has.
TRAINED = [pytest.param("tiny-mistral", marks=pytest.mark.slow), "tiny-gemma2"]


@pytest.mark.parametrize("model", TRAINED)
@pytest.mark.parametrize("case", _marked([ONE, SHARDED]))
def test_virtual_ranks(lab: Lab, model: str, case: Case) -> None:
    lab.require_parity(lab.simulate(lab.artefact(model, case), case), model, case)


@pytest.mark.parametrize("model", TRAINED)
@pytest.mark.parametrize("case", _marked([ONE, SHARDED]))
def test_processes(lab: Lab, model: str, case: Case) -> None:
    lab.require_parity(lab.train(lab.artefact(model, case), case), model, case)


@pytest.mark.parametrize("model", MODELS)
def test_masks_are_recognised(lab: Lab, model: str, tmp_path: Path) -> None:
    """Every layer is one attention, the scores are never in memory."""
    settings = [word for setting in SHARDED.settings for word in ("--set", setting)]
    weft("compile", lab.model(model), *settings, "--to", "typed", "-o", tmp_path)
    text = run(BUILD / "bin/weft-opt", tmp_path / "ir/typed.mlirbc")
    assert text.count("= nn.attention ") == text.count("= nn.attention_grad ") == 2
    assert "nn.softmax" not in text
    layers = 2 if model == "tiny-mistral" else 1  # of gemma 2 every other
    assert text.count("window = 16") == 2 * layers


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_masks_that_are_not_read(lab: Lab, model: str, tmp_path: Path) -> None:
    """A window said in another way is not recognised: attention is computed as it is spelled out, on the same mesh."""
    shutil.copytree(lab.model(model), tmp_path / "model")
    file = tmp_path / "model/model.mlir"
    spelled = r"(%\w+) = nn\.compare gt (%.* -> (tensor<64x64xi1>)) (loc\(.*\))\n"
    text, count = re.subn(spelled, r"%further = nn.compare le \2 \4\n\1 = nn.logical_not %further : \3 \4\n", file.read_text())
    assert count == 1
    file.write_text(text)
    weft("compile", tmp_path / "model", *(word for setting in SHARDED.settings for word in ("--set", setting)), "-o", tmp_path / "art")
    assert "nn.softmax" in run(BUILD / "bin/weft-opt", tmp_path / "art/ir/typed.mlirbc")
    for dump in (lab.simulate(tmp_path / "art", SHARDED), lab.train(tmp_path / "art", SHARDED)):
        lab.require_parity(dump, model, SHARDED)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "attribute"), [(model, name) for model, names in MODELS.items() for name in names])
def test_another_number_is_noticed(lab: Lab, model: str, attribute: str, tmp_path: Path) -> None:
    text = scheduled_text(lab.artefact(model, ONE))
    value, other = MODELS[model][attribute]
    assert not lab.notices(model, ONE, change_number(text, attribute=attribute, value=value), tmp_path / "control")
    assert lab.notices(model, ONE, change_number(text, attribute=attribute, value=other), tmp_path / "twin")
