# SPDX-License-Identifier: Apache-2.0
"""A program that lacks one collective is found by the comparison, on every mesh and for every kind of collective in it."""

from pathlib import Path

import pytest
import twins
from cases import MESHES, QUICK, Case
from lab import Lab, scheduled_text


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case == QUICK else pytest.mark.slow, id=case.name) for case in MESHES]
)  # fmt: skip
def test_missing_collective_is_noticed(lab: Lab, case: Case, tmp_path: Path) -> None:
    text = scheduled_text(lab.artefact("tiny", case))
    assert not lab.notices("tiny", case, twins.Twin("nothing dropped", text), tmp_path / "control")
    made = [twins.drop_collective(text, kind=kind) for kind in twins.kinds_of(text)] or [twins.drop_rotary(text)]
    survivors = [twin.what for i, twin in enumerate(made) if not lab.notices("tiny", case, twin, tmp_path / str(i))]
    assert not survivors, "not noticed:\n" + "\n".join(survivors)
