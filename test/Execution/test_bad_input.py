# SPDX-License-Identifier: Apache-2.0
"""What a trained artefact refuses: each case has its message, with a remedy, and its exit code; and how ranks end together.

Plans that are refused: test/python/test_refusals.py.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import QUICK, Case
from lab import BUILD, Lab
from safetensors.numpy import load_file, save_file

USAGE, INPUT, COMPILE, PEER, NON_FINITE, DISAGREE = 2, 3, 4, 10, 12, 14
_SILU = re.compile(r"    (%\d+) = nn\.silu (%\d+) : tensor<([^,]*), (#dist\.layout<.*>)>$")
PAIR = Case("count dp_shard 2", (("dp_shard", 2),), ("fsdp.bucket=0",))  # as in test_counts.py


def _tool(*words: object, **variables: str) -> tuple[int, str]:
    """Exit code and output of a program."""
    done = subprocess.run(
        [str(word) for word in words], env={**os.environ, **variables}, text=True, timeout=60, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


def _run(artefact: Path, data: Path, *options: object) -> tuple[int, str]:
    return _tool(BUILD / "bin/weft", "run", artefact, "--data", data, "--steps", 2, *options)


def _cut_tokens(lab: Lab, folder: Path) -> tuple[list[object], str]:
    (folder / "cut.bin").write_bytes(next(lab.data("stream").glob("*.bin")).read_bytes()[:1500])
    return ["--data", folder], r'cut.bin" is cut off or damaged: got 1500 bytes, expected 2562 for 769 tokens\nnote: make it with "weft data prepare"'


def _foreign_tokens(_: Lab, folder: Path) -> tuple[list[object], str]:
    (folder / "foreign.bin").write_bytes(bytes(range(256)) * 8)
    return ["--data", folder], r'foreign.bin" is no token file: got magic 50462976, expected 20240520'


def _no_data(_: Lab, folder: Path) -> tuple[list[object], str]:
    return ["--data", folder / "none"], r'none" does not exist\nnote: name a token file'


def _no_weights(_: Lab, folder: Path) -> tuple[list[object], str]:
    return ["--weights", folder / "none"], r'weights are missing: got no folder ".*none"\nnote: name the folder of the model.s .safetensors files'


def _weights(lab: Lab) -> dict[str, np.ndarray]:
    return {name: value.copy() for name, value in load_file(next((lab.model("tiny") / "weights").glob("*.safetensors"))).items()}


def _lacking_weights(lab: Lab, folder: Path) -> tuple[list[object], str]:
    weights = _weights(lab)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors")
    return ["--weights", folder], r'lack tensor "model.layers.1.mlp.up_proj.weight"'


def _weights_of_another_shape(lab: Lab, folder: Path) -> tuple[list[object], str]:
    weights = _weights(lab)
    weights["model.norm.weight"] = np.ones(65, np.float32)
    save_file(weights, folder / "model.safetensors")
    return ["--weights", folder], r'"model.norm.weight".*65.*64'


def _cut_weights(lab: Lab, folder: Path) -> tuple[list[object], str]:
    save_file(_weights(lab), folder / "model.safetensors")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    return ["--weights", folder], r'is no valid safetensors file: tensor "lm_head.weight" ends after the file'


def _samples(folder: Path, **changes: np.ndarray) -> list[object]:
    inputs = {name: np.full((8, 64), 7) for name in ("tokens", "labels")}
    save_file({**inputs, **changes}, folder / "samples.safetensors")
    return ["--data", folder]


def _token_the_model_lacks(_: Lab, folder: Path) -> tuple[list[object], str]:
    options = _samples(folder, tokens=np.full((8, 64), 300))
    return options, r'holds an index in "tokens" that the model lacks: got 300 in sample \d, expected 0 to 255\nnote: prepare the data'


def _label_the_model_lacks(_: Lab, folder: Path) -> tuple[list[object], str]:
    options = _samples(folder, labels=np.full((8, 64), -7))
    return options, r'holds an index in "labels" that the model lacks: got -7 in sample \d, expected 0 to 255, or -100 for none'


def _tokens_of_another_type(_: Lab, folder: Path) -> tuple[list[object], str]:
    options = _samples(folder, tokens=np.ones((8, 64), np.float32))
    return options, r'holds input "tokens" in another type: got f32, expected i64'


FILES = [_token_the_model_lacks, _label_the_model_lacks, _tokens_of_another_type, _cut_tokens, _foreign_tokens, _no_data, _no_weights, _lacking_weights, _weights_of_another_shape, _cut_weights]


@pytest.mark.parametrize("damage", FILES, ids=lambda damage: damage.__name__.strip("_"))
def test_file(lab: Lab, tmp_path: Path, damage: Callable[[Lab, Path], tuple[list[object], str]]) -> None:
    options, message = damage(lab, tmp_path)
    code, output = _run(lab.artefact("tiny", PAIR), lab.data("stream"), *options)
    assert code == INPUT, output
    # Once, by the launcher; but what is in a sample is found by the ranks that read it.
    most = PAIR.ranks if "in sample" in message else 1
    assert 1 <= len(re.findall(message, output)) <= most, output


def test_world_of_another_size(lab: Lab) -> None:
    command = [lab.artefact("tiny", PAIR) / "train", "--data", lab.data("stream"), "--steps", 1]
    code, output = _tool(*command, RANK="0", WORLD_SIZE="1")
    assert code == USAGE
    assert "[rank 0/1] mesh (dp_shard = 2) needs 2 ranks: got 1\nnote: start 2 ranks, or compile for another mesh" in output
    code, output = _tool(*command, "--spawn", 3)
    assert code == USAGE
    assert output.count("mesh (dp_shard = 2) needs 2 ranks: got 3") == 1  # by the launcher, before there are ranks


@pytest.mark.parametrize("tensor", ["model.norm.weight", "model.layers.0.self_attn.v_proj.weight"])
def test_not_finite(lab: Lab, tmp_path: Path, tensor: str) -> None:
    weights = _weights(lab)
    weights[tensor].reshape(-1)[3] = np.nan
    save_file(weights, tmp_path / "model.safetensors")
    code, output = _run(lab.artefact("tiny", PAIR), lab.data("stream"), "--weights", tmp_path)
    assert code == NON_FINITE, output
    assert re.search(r"\[rank [01]/2\] step 1: .*the loss is not finite: got -?nan\nnote: lower optimizer.lr, or set", output), output


def test_gradient_not_finite(lab: Lab, tmp_path: Path) -> None:
    weights = _weights(lab)
    weights["model.norm.weight"][:] = 1e30  # the loss is a large number, the square of its gradient is not
    save_file(weights, tmp_path / "model.safetensors")
    code, output = _run(lab.artefact("tiny", PAIR), lab.data("stream"), "--weights", tmp_path)
    assert code == NON_FINITE, output
    assert re.search(r"step 1: .*(the gradient norm|the loss) is not finite", output), output


def _start(artefact: Path, data: Path, rank: int, **variables: str) -> subprocess.Popen:
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": 29431, "WEFT_RUN_ID": os.getpid()}
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in names.items()}, **variables}
    command = [artefact / "train", "--data", data, "--steps", "2"]
    return subprocess.Popen([str(word) for word in command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_ranks_with_different_artefacts(lab: Lab) -> None:
    own, other = lab.artefact("tiny", PAIR), lab.artefact("tiny", Case("one device"))
    ranks = [_start(own, lab.data("stream"), 0), _start(own, lab.data("stream"), 1, WEFT_PROGRAM=str(other / "program.so"))]
    for rank, process in enumerate(ranks):
        output, _ = process.communicate(timeout=60)
        assert process.returncode == DISAGREE, output
        assert re.search(rf'\[rank {rank}/2\] rank 1 has another program than rank 0: got "\w+", expected "\w+"', output), output
        assert "note: copy one artefact to all hosts" in output


# Sockets of all ranks at rank 0, then their arenas, then those at another rank.
@pytest.mark.parametrize("limit", [9, 11, 13, 15])
def test_too_few_files(lab: Lab, limit: int) -> None:
    code, output = _tool("prlimit", f"--nofile={limit}", lab.artefact("tiny", QUICK) / "train", "--data", lab.data("stream"), "--steps", 2, "--spawn", 4)
    assert code == USAGE and "too many open files" in output and "raise the limit: ulimit -n" in output, output


def test_a_killed_rank_ends_the_run(lab: Lab) -> None:
    command = [BUILD / "bin/weft", "run", lab.artefact("tiny", QUICK), "--data", lab.data("stream"), "--steps", "1000000", "--log-every", "1"]
    run = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run.stdout.readline()  # all ranks are in their steps
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    assert len(children) == QUICK.ranks
    victim = next(pid for pid in children if b"\0RANK=2\0" in Path(f"/proc/{pid}/environ").read_bytes())
    os.kill(int(victim), signal.SIGKILL)
    begin = time.monotonic()
    _, errors = run.communicate(timeout=30)
    assert time.monotonic() - begin < 2
    assert run.returncode == PEER
    assert "weft: rank 2 was killed by signal 9 (Killed); the others leave" in errors
    for rank in (0, 1, 3):
        assert re.search(rf"\[rank {rank}/4\] .*rank 2 died", errors), errors


def test_edited_layout(lab: Lab, tmp_path: Path) -> None:
    """An op whose layout is changed by hand in the typed program is named, with its place."""
    original = lab.artefact("tiny", PAIR)
    lines = _tool(BUILD / "bin/weft-opt", original / "ir/typed.mlirbc")[1].splitlines()
    at, found = next((n, found) for n, line in enumerate(lines) if (found := _SILU.match(line)))
    name, operand, plain, layout = found.groups()
    wrong = f"tensor<{plain}, #dist.layout<#mesh>>"
    lines[at : at + 1] = [
        f"    %edited = nn.silu {operand} : tensor<{plain}, {layout}> to {wrong}",
        f"    {name} = dist.redistribute %edited : {wrong} to tensor<{plain}, {layout}>",
    ]
    (tmp_path / "ir").mkdir()
    for phase in ("global", "scheduled"):
        (tmp_path / f"ir/{phase}.mlirbc").symlink_to(original / f"ir/{phase}.mlirbc")
    (tmp_path / "ir/typed.mlirbc").write_text("\n".join(lines) + "\n")
    code, output = _tool(BUILD / "bin/weft", "check", tmp_path)
    assert code == COMPILE, output
    assert f"typed.mlirbc:{at + 1}:15: error: 'nn.silu' op layouts disagree with the op's rule" in output
    assert "FAILED  typed: every op's layouts agree with its sharding rule" in output
