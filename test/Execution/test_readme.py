# SPDX-License-Identifier: Apache-2.0
"""The README's example, run in an empty folder: every shown line is printed, in order; `...` stands for lines not shown."""

import os
import re
import subprocess
from pathlib import Path

from lab import BUILD, ROOT

# What differs from run to run or between machines: times, and the last digits of numbers.
_VARYING = re.compile(r"\b[\d.]+k? tokens/s|\b[\d.]+ ms/step|ETA .*|in [\d.]+ s$|(?<=\.\d\d)\d+")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def _is_shown(shown: list[str], printed: list[str]) -> bool:
    """Whether the shown lines are the printed ones, `...` for any number of them."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(_is_shown(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and _is_shown(shown[1:], printed[1:])


def test_example(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(ROOT / "python")
    (tmp_path / "weft.toml").write_text(_blocks("toml")[0])
    path = os.pathsep.join([str(BUILD / "bin"), str(ROOT / ".venv/bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(ROOT / ".venv")}
    commands = re.split(r"^\$ ", _blocks("console")[0], flags=re.MULTILINE)[1:]
    assert len(commands) > 5
    for text in commands:
        command, *shown = text.splitlines()
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
        printed = [_VARYING.sub("", line).rstrip() for line in done.stdout.splitlines()]
        expected = [_VARYING.sub("", line).rstrip() for line in shown]
        assert _is_shown(expected, printed), f"$ {command}\n{done.stdout}\nthe README shows\n" + "\n".join(shown)
