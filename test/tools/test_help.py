# SPDX-License-Identifier: Apache-2.0
"""Asking a script of tools/ for help prints it and starts nothing."""

import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.mark.parametrize("name", ["setup", "quickstart", "check"])
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--steps", "5", "--help"]], ids=" ".join)
def test_help_is_all_that_happens(name: str, words: list[str]) -> None:
    done = subprocess.run(
        ["/bin/bash", TOOLS / name, *words], capture_output=True, text=True, timeout=5
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"tools/{name}") and len(done.stdout.splitlines()) <= 4
    assert "==>" not in done.stdout
