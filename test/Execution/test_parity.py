# SPDX-License-Identifier: Apache-2.0
"""Three training steps on every mesh equal eager PyTorch on one device: losses, all gradients, all parameters."""

import pytest
from cases import EDGES, INPUTS_FIRST, MESHES, MICROBATCHES, QUICK, Case
from lab import Lab, weft


def _marked(cases: list[Case]) -> list:
    return [pytest.param(case, marks=() if case == QUICK else pytest.mark.slow, id=case.name) for case in cases]


@pytest.mark.parametrize("case", _marked(MESHES + EDGES + MICROBATCHES))
def test_virtual_ranks(lab: Lab, case: Case) -> None:
    lab.require_parity(lab.simulate(lab.artefact("tiny", case), case), "tiny", case)


@pytest.mark.slow
@pytest.mark.parametrize("case", MESHES, ids=lambda case: case.name)
def test_virtual_ranks_with_tied_embeddings(lab: Lab, case: Case) -> None:
    lab.require_parity(lab.simulate(lab.artefact("tiny-tied", case), case), "tiny-tied", case)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny-phi3", "tiny-olmo2"])
@pytest.mark.parametrize("case", [MESHES[0], QUICK], ids=lambda case: case.name)
def test_published_plans(lab: Lab, model: str, case: Case) -> None:
    """Inputs that come whole from a packed projection, and tensors without elements (Phi-3 rotates all of a head)."""
    artefact = lab.artefact(model, case)
    for dump in (lab.simulate(artefact, case), lab.train(artefact, case)):
        lab.require_parity(dump, model, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", INPUTS_FIRST, ids=lambda case: case.name)
def test_weights_with_inputs_first(lab: Lab, case: Case) -> None:
    artefact = lab.artefact("tiny-gpt2", case)
    for dump in (lab.simulate(artefact, case), lab.train(artefact, case)):
        lab.require_parity(dump, "tiny-gpt2", case)


@pytest.mark.parametrize("case", _marked(MESHES + EDGES + MICROBATCHES))
def test_processes(lab: Lab, case: Case) -> None:
    lab.require_parity(lab.train(lab.artefact("tiny", case), case), "tiny", case)


@pytest.mark.parametrize("case", _marked(MESHES + EDGES + MICROBATCHES))
def test_proofs_hold(lab: Lab, case: Case) -> None:
    proved = weft("check", lab.artefact("tiny", case)).splitlines()
    assert proved and all(line.startswith("ok ") for line in proved)
