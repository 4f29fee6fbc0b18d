# SPDX-License-Identifier: Apache-2.0
"""bf16 training: on every mesh the errors against f32 are at most 1.5 times those of eager PyTorch in bf16 on one device.

The reference's semantics are FSDP2's `MixedPrecisionPolicy(param_dtype=bfloat16, reduce_dtype=float32)` (`weft.reference`). Losses, every
gradient and the parameters after three steps are compared, tensor by tensor, in norms (`weft.compare --wide`).
"""

from dataclasses import replace
from pathlib import Path

import pytest
import twins
from cases import MESHES, QUICK, Case
from lab import BUILD, Lab, run, weft


def _narrow(case: Case, *sets: str) -> Case:
    sets = ('precision.compute="bf16"', *sets)
    return replace(case, name=", ".join([f"{case.name}, bf16", *sets[1:]]), sets=case.sets + sets)


_NAMES = ("one device", "dp_shard 2", "tp 2", QUICK.name)
CASES = [_narrow(case) for case in MESHES if case.name in _NAMES]
BF16_SUMS = [
    _narrow(next(case for case in MESHES if case.name == "dp_shard 2"), 'precision.reduce="bf16"', f'step.reduce="{when}"')
    for when in ("each", "last")
]  # fmt: skip

# Of CPUs with fewer instructions: code for memory of bf16 is another there.
OTHER_CPUS = [
    _narrow(next(case for case in MESHES if case.name == "dp_shard 2"), f'target.cpu="{cpu}"') for cpu in ("x86-64-v3", "x86-64")
]


def _marked(cases: list[Case]) -> list:
    quick = _narrow(QUICK)
    return [pytest.param(case, marks=() if case == quick else pytest.mark.slow, id=case.name) for case in cases]


def _require(lab: Lab, dump: Path, model: str, case: Case) -> None:
    comparison = lab.compare_narrow(dump, model, case)
    lab.require(comparison, dump, model, case)
    # Not f32 in disguise: bf16 rounds to 8 binary digits.
    assert max(d.distance / d.norm for d in comparison.differences) > 1e-3


@pytest.mark.parametrize("case", _marked(CASES + BF16_SUMS))
def test_virtual_ranks(lab: Lab, case: Case) -> None:
    _require(lab, lab.simulate(lab.artefact("tiny", case), case, "--rounded"), "tiny", case)


@pytest.mark.parametrize("case", _marked(CASES + BF16_SUMS + OTHER_CPUS))
def test_processes(lab: Lab, case: Case) -> None:
    _require(lab, lab.train(lab.artefact("tiny", case), case), "tiny", case)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny-tied", "tiny-mistral", "tiny-gemma2"])
@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.name)
def test_processes_of_other_models(lab: Lab, model: str, case: Case) -> None:
    """Tied embeddings; sliding windows; capped scores."""
    _require(lab, lab.train(lab.artefact(model, case), case), model, case)


def test_missing_collective_is_noticed(lab: Lab, tmp_path: Path) -> None:
    case = _narrow(QUICK)
    original = lab.artefact("tiny", case)
    text = twins.synchronous(run(BUILD / "bin/weft-opt", original / "ir/scheduled.mlirbc"))
    kinds = list(twins.kinds_of(text))
    assert kinds
    for kind in kinds:
        folder = tmp_path / kind
        (folder / "ir").mkdir(parents=True)
        for name in ("manifest.json", "ir/global.mlirbc", "ir/typed.mlirbc"):
            (folder / name).symlink_to(original / name)
        (folder / "ir/scheduled.mlirbc").write_text(twins.drop_collective(text, kind=kind).text)
        dump = lab.simulate(folder, case, "--rounded", codes=(0, 4))
        assert not lab.compare_narrow(dump, "tiny", case).agree, f"not noticed: {kind} dropped"


def _gathered_bytes(lab: Lab, case: Case) -> float:
    """The bytes that `weft plan` says gathers move in a step."""
    settings = [word for setting in case.settings for word in ("--set", setting)]
    rows = [line.split() for line in weft("plan", lab.model("tiny"), *settings).splitlines()]
    units = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
    return sum(float(row[5]) * units[row[6]] for row in rows if row[1:2] == ["all_gather"])


def test_gathers_move_half_the_bytes(lab: Lab) -> None:
    plain = next(case for case in MESHES if case.name == "dp_shard 2")
    assert _gathered_bytes(lab, _narrow(plain)) == pytest.approx(_gathered_bytes(lab, plain) / 2, rel=1e-2)
