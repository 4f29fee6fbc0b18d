# SPDX-License-Identifier: Apache-2.0
"""Shared inputs: the tiny example exported once per session, and token files."""

import contextlib
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "python" / "examples"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", 'slow: left out of the quick tests by -m "not slow"')


@dataclass(frozen=True)
class Run:
    """What a command line did."""

    code: int
    out: str
    err: str


def run_main(main: object, *arguments: object) -> Run:
    """Runs a command's `main` in this process with these arguments."""
    out, err, saved = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["command", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main()
    except SystemExit as exit:
        code = exit.code
    finally:
        sys.argv = saved
    return Run(int(code or 0), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Exported:
    """An exported model: its folder, its text, and its text with locations resolved."""

    folder: Path

    @property
    def text(self) -> str:
        return (self.folder / "model.mlir").read_text()

    @property
    def located(self) -> list[str]:
        aliases = dict(re.findall(r"^(#loc\d+) = (loc\(.*\))$", self.text, re.M))
        return [re.sub(r"loc\((#loc\d+)\)", lambda m: aliases[m[1]], line) for line in self.text.splitlines()]


def export(config: str, folder: Path, *options: object) -> Exported:
    """Exports an example at batch 4 and 64 tokens."""
    from weft.export_command import main

    run = run_main(main, "--hf", EXAMPLES / config, "--batch", 4, "--seq", 64, "-o", folder, *options)
    assert run.code == 0, run.err
    return Exported(folder)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export("tiny.json", tmp_path_factory.mktemp("tiny"), "--seed", 1)


@pytest.fixture(scope="session")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export("tiny-tied.json", tmp_path_factory.mktemp("tied"), "--seed", 1)


@pytest.fixture(scope="session")
def shapes_only(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export("tiny.json", tmp_path_factory.mktemp("shapes"), "--weights", "none")


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """A folder with one file of 1,000 tokens below 256."""
    from weft.data import Shards, write_tokens

    tokens = np.random.default_rng(0).integers(0, 256, 1000)
    write_tokens([tokens], shards=Shards(tmp_path / "stream", 256))
    return tmp_path / "stream"
