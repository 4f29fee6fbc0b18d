# SPDX-License-Identifier: Apache-2.0
"""The compiler's parser and verifiers accept what is exported; skipped where weft-opt is not built."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Exported, run_main
from test_meaning import KINDS, SMALL
from weft.export_command import main

_BUILT = Path(os.environ.get("WEFT_BUILD", Path(__file__).parents[2] / "build/release")) / "bin/weft-opt"
_TOOL = str(_BUILT) if _BUILT.exists() else shutil.which("weft-opt")
pytestmark = pytest.mark.skipif(_TOOL is None, reason="weft-opt is neither in build/release/bin nor on the path")


def _parse(folder: Path) -> None:
    run = subprocess.run([_TOOL, folder / "model.mlir", "-o", "/dev/null"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_examples(tiny: Exported, tied: Exported, shapes_only: Exported) -> None:
    for exported in (tiny, tied, shapes_only):
        _parse(exported.folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_models(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**SMALL, **KINDS[kind], "model_type": kind}))
    run = run_main(main, "--hf", tmp_path, "--weights", "none", "--batch", 2, "--seq", 16, "-o", tmp_path / "model")
    if "which has no values without weights" in run.err:
        assert run.code == 4
        run = run_main(main, "--hf", tmp_path, "--seed", 0, "--batch", 2, "--seq", 16, "-o", tmp_path / "model")
    assert run.code == 0, run.err
    _parse(tmp_path / "model")


@pytest.mark.parametrize("name", ["regression", "classifier"])
def test_modules(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    assert run_main(main, "--module", f"models:{name}", "-o", tmp_path).code == 0
    _parse(tmp_path)


def test_a_foreign_op_is_noticed(tiny: Exported, tmp_path: Path) -> None:
    text = tiny.text.replace("nn.silu", "nn.silu_of", 1)
    assert text != tiny.text
    (tmp_path / "model.mlir").write_text(text)
    with pytest.raises(AssertionError, match="silu_of"):
        _parse(tmp_path)
