# SPDX-License-Identifier: Apache-2.0
"""A program that lacks one collective is found by the comparison, on every mesh and for every kind of collective in it."""

from pathlib import Path

import pytest
import twins
from cases import MESHES, QUICK, Case
from lab import BUILD, Lab, run


def _scheduled_text(artefact: Path) -> str:
    return twins.synchronous(run(BUILD / "bin/weft-opt", artefact / "ir/scheduled.mlirbc"))


def _is_noticed(lab: Lab, case: Case, twin: twins.Twin, folder: Path) -> bool:
    """Runs a twin in place of the case's program; the rest of the artefact is as it was."""
    original = lab.artefact("tiny", case)
    (folder / "ir").mkdir(parents=True)
    for name in ("manifest.json", "ir/global.mlirbc", "ir/typed.mlirbc"):
        (folder / name).symlink_to(original / name)
    (folder / "ir/scheduled.mlirbc").write_text(twin.text)
    dump = lab.simulate(folder, case, codes=(0, 4))
    assert (dump / "loss.json").exists(), f"the twin did not run: {twin.what}"
    return not lab.compare(dump, "tiny", case).agree


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case == QUICK else pytest.mark.slow, id=case.name) for case in MESHES]
)  # fmt: skip
def test_missing_collective_is_noticed(lab: Lab, case: Case, tmp_path: Path) -> None:
    text = _scheduled_text(lab.artefact("tiny", case))
    assert not _is_noticed(lab, case, twins.Twin("nothing dropped", text), tmp_path / "control")
    made = [twins.drop_collective(text, kind=kind) for kind in twins.kinds_of(text)] or [twins.drop_rotary(text)]
    survivors = [twin.what for i, twin in enumerate(made) if not _is_noticed(lab, case, twin, tmp_path / str(i))]
    assert not survivors, "not noticed:\n" + "\n".join(survivors)
