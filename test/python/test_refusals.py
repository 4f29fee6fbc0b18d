# SPDX-License-Identifier: Apache-2.0
"""Bad input to `weft`: each has its message, with place and remedy, and its exit code. Skipped where weft is not built."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Exported

_BUILT = Path(os.environ.get("WEFT_BUILD", Path(__file__).parents[2] / "build/release")) / "bin/weft"
_TOOL = str(_BUILT) if _BUILT.exists() else shutil.which("weft")
pytestmark = pytest.mark.skipif(_TOOL is None, reason="weft is neither in build/release/bin nor on the path")

USAGE, INPUT, COMPILE, IMPOSSIBLE = 2, 3, 4, 5

PLANS = {
    "unknown key": ("[mesh]\ntpp = 2", (), USAGE, 'plan.toml:2:1: error: unknown key "tpp" in [mesh]; did you mean "tp"?'),
    "wrong value": ('[fsdp]\nstrategy = "ful"', (), USAGE, 'expected one of "full", "gradients", "optimizer"; did you mean "full"?'),
    "not built yet": ("[mesh]\npp = 2", (), USAGE, 'plan.toml:2:6: error: key "mesh.pp" = 2 is not supported yet: this version builds 1'),
    "pattern": (
        '[mesh]\ntp = 2\n[plan.styles]\n"model.layers.*.mlp.up_prj" = "colwise"', (), USAGE,
        'plan.toml:4:1: error: pattern "model.layers.*.mlp.up_prj" matches nothing in the model; did you mean "model.layers.*.mlp.up_proj"?',
    ),
    "style": ('[plan.styles]\n"lm_head" = "columnwise"', (), USAGE, 'plan.toml:2:1: error: unknown style "columnwise"'),
    "heads": ("[mesh]\ntp = 3", (), IMPOSSIBLE, 'which axis "tp" of size 3 can\'t divide'),
    "world": (
        "[mesh]\ndp_shard = 2\ntp = 2", ("--world", "8"), USAGE,
        "plan.toml:2:12: error: the mesh has dp_shard 2 x tp 2 = 4 ranks, but the world size is 8: use --world 4, or set mesh.dp_shard to 4",
    ),
    "no styles": ('[mesh]\ntp = 2\n[plan]\ntensor_parallel = "none"', (), USAGE, "mesh.tp is 2, but no plan says what it shards"),
}  # fmt: skip


def _weft(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", PLANS)
def test_plan(name: str, tiny: Exported, tmp_path: Path) -> None:
    plan, options, code, message = PLANS[name]
    (tmp_path / "plan.toml").write_text(plan)
    run = _weft("plan", tiny.folder, "-c", tmp_path / "plan.toml", *options)
    assert (run.returncode, run.stdout) == (code, "")
    assert message in run.stderr


def test_no_model(tmp_path: Path) -> None:
    run = _weft("compile", tmp_path, "-o", tmp_path / "art")
    assert run.returncode == INPUT
    assert 'is no exported model: it has no "model.mlir"' in run.stderr


CUT = {
    "config.json": (100, "is cut off or no JSON: "),
    "weights/model.safetensors": (5000, "is cut off or no safetensors file: got 5000 bytes, expected "),
}


@pytest.mark.parametrize("name", CUT)
def test_truncated_model(name: str, tiny: Exported, tmp_path: Path) -> None:
    size, message = CUT[name]
    model = shutil.copytree(tiny.folder, tmp_path / "model")
    (model / name).write_bytes((model / name).read_bytes()[:size])
    run = _weft("compile", model, "-o", tmp_path / "art")
    assert (run.returncode, run.stdout) == (INPUT, "")
    assert run.stderr.startswith(f'error: "{model / name}" {message}')
    assert run.stderr.endswith(f'\nnote: export the model again, or copy "{model}" again\n')
    assert len(run.stderr.splitlines()) == 2
    assert not (tmp_path / "art").exists()


@pytest.fixture(scope="module")
def artefact(tiny: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artefact")
    run = _weft("compile", tiny.folder, "--set", "mesh.dp_shard=2", "-o", folder)
    assert run.returncode == 0, run.stderr
    return folder


def test_truncated_program(artefact: Path, tmp_path: Path) -> None:
    shutil.copytree(artefact, tmp_path / "art")
    (tmp_path / "art/program.so").write_bytes((artefact / "program.so").read_bytes()[:100])
    run = _weft("run", tmp_path / "art", "--data", tmp_path, "--steps", 1)
    assert run.returncode == INPUT
    assert 'art/program.so" is cut off: got 100 bytes, expected' in run.stderr


def test_ranks_of_another_number(artefact: Path, stream: Path) -> None:
    run = _weft("run", artefact, "--data", stream, "--steps", 1, "--spawn", 3)
    assert run.returncode == USAGE
    assert run.stderr == "error: mesh (dp_shard = 2) needs 2 ranks: got 3\nnote: start 2 ranks, or compile for another mesh\n"


def test_truncated_tokens(artefact: Path, stream: Path) -> None:
    file = next(stream.glob("*.bin"))
    file.write_bytes(file.read_bytes()[:-500])
    run = _weft("run", artefact, "--data", stream, "--steps", 1)
    assert run.returncode == INPUT
    assert run.stderr.count(file.name) == 1  # by the launcher, not by every rank


def test_missing_weights(artefact: Path, stream: Path, tmp_path: Path) -> None:
    run = _weft("run", artefact, "--data", stream, "--steps", 1, "--weights", tmp_path / "none")
    assert run.returncode == INPUT
    assert "none" in run.stderr


def test_edited_ir(artefact: Path, tmp_path: Path) -> None:
    shutil.copytree(artefact, tmp_path / "art")
    (tmp_path / "art/ir/typed.mlirbc").write_text(
        "#mesh = #dist.mesh<tp = 2>\n"
        "func.func @f(%x: tensor<4xf32, #dist.layout<#mesh, tp = shard(0)>>) -> tensor<4xf32, #dist.layout<#mesh>> {\n"
        "  %y = nn.exp %x : tensor<4xf32, #dist.layout<#mesh, tp = shard(0)>> to tensor<4xf32, #dist.layout<#mesh>>\n"
        "  return %y : tensor<4xf32, #dist.layout<#mesh>>\n}\n"
    )
    run = _weft("check", tmp_path / "art")
    assert run.returncode == COMPILE
    assert "typed.mlirbc:3:8: error: 'nn.exp' op layouts disagree with the op's rule" in run.stderr
    assert "compile the model again" in run.stderr
