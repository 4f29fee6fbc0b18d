# SPDX-License-Identifier: Apache-2.0
"""Planned memory is what a step writes, to the byte; a step allocates nothing; a changed plan is found."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cases import MESHES, MICROBATCHES, QUICK, Case
from lab import BUILD, Lab, run, weft

ALL = [QUICK, *(pytest.param(case, marks=pytest.mark.slow) for case in [*MESHES[:-1], *MICROBATCHES[-2:]])]
WRONG_PLAN = 70
UNEVEN = next(case for case in MESHES if case.name == "dp_shard 3")  # 4 samples are 2, 2, 0
COUNTER = BUILD / "runtime/test/programs/count-allocations.so"


def _measure(artefact: Path, lab: Lab, case: Case, *, codes: tuple[int, ...] = (0,)) -> tuple[list[dict], str]:
    """Of each rank, what the step did to each region; and what was printed."""
    report = artefact / "memory.json"
    words = [artefact / "train", "--data", lab.data(case.data), "--measure-memory", report, "--spawn", case.ranks]
    output = run(*words, codes=codes)
    return json.loads(report.read_text())["ranks"], output


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_a_step_writes_what_was_planned(lab: Lab, case: Case) -> None:
    artefact = lab.artefact("tiny", case)
    manifest = json.loads((artefact / "manifest.json").read_text())
    ranks, _ = _measure(artefact, lab, case)
    assert len(ranks) == case.ranks
    for rank in ranks:
        assert not rank.pop("reads_unwritten")
        for region, use in rank.items():
            assert use["used"] == use["planned"] > 0, region
            assert use["outside"] == 0, region
            assert use["untouched"] <= manifest["memory"]["categories"]["scratch"], region
        assert sum(use["used"] for use in rank.values()) == manifest["memory"]["peak"]
        assert rank["microbatch"]["used"] == manifest["regions"]["microbatch"]


def test_the_account_adds_up(lab: Lab) -> None:
    artefact = lab.artefact("tiny", QUICK)
    manifest = json.loads((artefact / "manifest.json").read_text())
    memory = manifest["memory"]
    assert sum(memory["categories"].values()) == memory["peak"]
    sizes = {"f32": 4, "i64": 8}
    for kind, category in {"parameter": "parameters", "gradient": "gradients", "optimizer": "optimizer"}.items():
        slots = [slot for slot in manifest["slots"] if slot["kind"] == kind]
        assert memory["categories"][category] == sum(_product(slot["local_shape"]) * sizes[slot["dtype"]] for slot in slots)
    assert len(memory["largest"]) == 10
    assert memory["least"] <= memory["peak"] < 1.02 * memory["least"]


def _product(sizes: list[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


# What is changed in the program's descriptor: a pattern with one number, and what is added to the number.
MUTANTS = {
    "a region is said to be smaller": (rb'"regions":\{[^}]*"microbatch":(\d+)', -64, 'region "microbatch" of rank 0 is not used as planned'),
    "a region is said to be larger": (rb'"regions":\{[^}]*"microbatch":(\d+)', 4, 'region "microbatch" of rank 0 is not used as planned'),
    "an optimizer slot lies elsewhere": (rb'"name":"m\.[^"]*","names":\[\],"offset":(\d+)', 64, "of rank 0"),
}


@pytest.mark.parametrize("what", MUTANTS)
def test_a_changed_plan_is_found(lab: Lab, tmp_path: Path, what: str) -> None:
    pattern, change, message = MUTANTS[what]
    artefact = shutil.copytree(lab.artefact("tiny", QUICK), tmp_path / "changed")
    program = (artefact / "program.so").read_bytes()
    found = re.search(pattern, program)
    changed = str(int(found[1]) + change).encode()
    assert len(changed) == len(found[1])
    (artefact / "program.so").write_bytes(program[: found.start(1)] + changed + program[found.end(1) :])
    (artefact / "manifest.json").unlink()  # which records what the program was
    _, output = _measure(artefact, lab, QUICK, codes=(WRONG_PLAN,))
    assert message in output


def _allocations(lab: Lab, case: Case, steps: int) -> list[int]:
    """How often each process of a run allocated memory."""
    words = [lab.artefact("tiny", case) / "train", "--data", lab.data("stream"), "--steps", steps, "--log-every", 1000]
    done = subprocess.run(
        [str(word) for word in [*words, "--spawn", case.ranks]],
        capture_output=True, text=True, timeout=120, env=os.environ | {"LD_PRELOAD": str(COUNTER)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return sorted(int(count) for count in re.findall(r"^allocations (\d+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("case", [QUICK, UNEVEN], ids=lambda case: case.name)
def test_steps_allocate_nothing(lab: Lab, case: Case) -> None:
    few = _allocations(lab, case, 2)
    assert len(few) == case.ranks + 1  # and the launcher
    assert few[0] > 10
    assert _allocations(lab, case, 12) == few


def test_plan_prints_the_account(lab: Lab) -> None:
    settings = [word for setting in QUICK.settings for word in ("--set", setting)]
    printed = weft("plan", lab.model("tiny"), *settings)
    memory = json.loads((lab.artefact("tiny", QUICK) / "manifest.json").read_text())["memory"]
    assert f"in {memory['at']}\n" in printed
    for value in memory["largest"]:
        assert re.search(rf" {re.escape(value['name'])}$", printed, re.MULTILINE)
