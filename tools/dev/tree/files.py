# SPDX-License-Identifier: Apache-2.0
"""The files that rules look at, read once, and what a rule finds in them."""

import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOURCES = {".cpp", ".h", ".c", ".td", ".py"}


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule, and what to do about it."""

    place: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}\n    fix: {self.fix}"


@dataclass(frozen=True)
class File:
    """A file of the tree: its path from the root, and its text."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.as_posix()

    @property
    def is_cpp(self) -> bool:
        return self.path.suffix in {".cpp", ".h", ".c"}

    @property
    def is_source(self) -> bool:
        return self.path.suffix in SOURCES or self.text.startswith("#!")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def code(self) -> str:
        """C++ text with comments blanked and the content of literals, too; lines and columns stay."""
        return _LITERALS.sub(_blank, self.text)

    def line_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


_LITERALS = re.compile(
    r'R"(?P<tag>\w*)\(.*?\)(?P=tag)"'  # raw string
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'(?:[^'\\\n]|\\.)'|'\\x[0-9a-fA-F]+'"
    r"|//[^\n]*|/\*.*?\*/",
    re.DOTALL,
)


def _blank(found: re.Match[str]) -> str:
    text = found[0]
    inner = re.sub(r"[^\n]", " ", text)
    return f'"{inner[1:-1]}"' if text.endswith('"') and len(text) > 1 else inner


@dataclass(frozen=True)
class Tree:
    """All files that git knows or would know, without what it ignores."""

    root: Path
    files: list[File]

    def under(self, *folders: str) -> list[File]:
        return [file for file in self.files if any(file.name.startswith(f"{folder}/") for folder in folders)]

    def find(self, name: str) -> File | None:
        return next((file for file in self.files if file.name == name), None)

    @cached_property
    def folders(self) -> set[str]:
        """Every folder that holds a file, directly or below."""
        return {parent.as_posix() for file in self.files for parent in file.path.parents} - {"."}


def read_tree(root: Path) -> Tree:
    """Reads the tree; files that are not text have an empty one."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True)
    files = []
    for name in sorted(set(listed.stdout.splitlines())):
        path = root / name
        if not path.is_file():
            continue
        try:
            files.append(File(Path(name), path.read_text()))
        except UnicodeDecodeError:
            files.append(File(Path(name), ""))
    return Tree(root, files)
