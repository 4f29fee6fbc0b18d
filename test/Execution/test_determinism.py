# SPDX-License-Identifier: Apache-2.0
"""Bits: two compilations, two runs, threads and processes, both launchers; and a program that trains without Python."""

import filecmp
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cases import MESHES, MICROBATCHES, QUICK, Case
from lab import Lab, weft

DUMPED = ["loss.json", "gradients.safetensors", "parameters.safetensors"]
ARTEFACT = ["program.so", "plan.toml", "manifest.json", "ir/global.mlirbc", "ir/typed.mlirbc", "ir/scheduled.mlirbc"]
EACH, LAST = MICROBATCHES[-2:]  # three microbatches, by both ways of reducing
FSDP, HYBRID = (next(case for case in MESHES if case.name == name) for name in ("dp_shard 2", "dp_replicate 2 x dp_shard 2"))


def _differing(one: Path, other: Path, names: list[str]) -> list[str]:
    equal, different, missing = filecmp.cmpfiles(one, other, names, shallow=False)
    assert len(equal) + len(different) + len(missing) == len(names)
    return different + missing


def test_compiler_writes_the_same_bytes(lab: Lab, tmp_path: Path) -> None:
    settings = [word for setting in QUICK.settings for word in ("--set", setting)]
    weft("compile", lab.model("tiny"), *settings, "-o", tmp_path / "again")
    assert not _differing(lab.artefact("tiny", QUICK), tmp_path / "again", ARTEFACT)


# Processes read parameters where their peers have them, threads copy them.
@pytest.mark.parametrize("case", [QUICK, FSDP, *(pytest.param(case, marks=pytest.mark.slow) for case in (HYBRID, EACH, LAST))], ids=lambda c: c.name)
def test_runs_are_equal_in_every_bit(lab: Lab, case: Case) -> None:
    artefact = lab.artefact("tiny", case)
    first = lab.train(artefact, case, name="first")
    for name, options in {"again": [], "threads": ["--in-process", case.ranks]}.items():
        assert not _differing(first, lab.train(artefact, case, *options, name=name), DUMPED), name


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_fusion_changes_no_bit(lab: Lab, tmp_path: Path, precision: str) -> None:
    case = replace(QUICK, name=f"{QUICK.name}, {precision}", sets=(*QUICK.sets, f'precision.compute="{precision}"'))
    settings = [word for setting in case.settings for word in ("--set", setting)]
    weft("compile", lab.model("tiny"), *settings, "--no-fusion", "-o", tmp_path)
    fused = lab.artefact("tiny", case)
    assert b"fused_contract_" in (fused / "program.so").read_bytes()
    assert _differing(fused, tmp_path, ["program.so"]), "it is the same program"
    assert not _differing(lab.train(fused, case, name="fused"), lab.train(tmp_path, case), DUMPED)


@pytest.mark.slow
def test_torchrun_starts_the_same_program(lab: Lab) -> None:
    artefact = lab.artefact("tiny", QUICK)
    dump = artefact / "torchrun"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--no-python", "--nproc-per-node", QUICK.ranks, "--master-port", "29417"]
    command = [*launcher, artefact / "train", "--data", lab.data(QUICK.data), "--steps", "3", "--order", "sequential", "--dump", dump]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not _differing(lab.train(artefact, QUICK, name="spawned"), dump, DUMPED)


def test_processes_map_the_parameters_they_gather(lab: Lab) -> None:
    command = [lab.artefact("tiny", FSDP) / "train", "--data", lab.data("stream"), "--steps", "1000000", "--spawn", FSDP.ranks]
    launcher = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        launcher.stdout.readline()  # a step is done
        ranks = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        assert len(ranks) == FSDP.ranks
        mapped = [re.findall(r"^\S+ r--s .*memfd:weft-arena", Path(f"/proc/{rank}/maps").read_text(), re.MULTILINE) for rank in ranks]
    finally:
        launcher.kill()
        launcher.wait()
    assert all(mapped)


def test_training_loads_no_python(lab: Lab) -> None:
    artefact = lab.artefact("tiny", Case("one device"))
    command = [artefact / "train", "--data", lab.data("stream"), "--steps", "1000000"]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        process.stdout.readline()  # a step is done
        time.sleep(0.1)
        loaded = set(re.findall(r"/\S*\.so[\d.]*$", Path(f"/proc/{process.pid}/maps").read_text(), re.MULTILINE))
    finally:
        process.kill()
        process.wait()
    names = {os.path.basename(path) for path in loaded}
    assert "program.so" in names
    assert not [name for name in names if re.match(r"lib(python|torch|c10)", name)], names
