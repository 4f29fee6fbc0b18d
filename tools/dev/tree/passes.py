# SPDX-License-Identifier: Apache-2.0
"""One name, five places: a pass's class, file, flag, debug type and test; and its documentation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree.files import Finding, Tree

PASSES = "include/weft/Transforms/Passes.td"


@dataclass(frozen=True)
class Pass:
    """A pass as Passes.td defines it."""

    record: str
    flag: str
    body: str
    line: int

    @property
    def file(self) -> str:
        return f"lib/Transforms/{self.record.removesuffix('Pass')}.cpp"

    @property
    def words(self) -> str:
        """The flag without its dialect."""
        return self.flag.split("-", 1)[1]

    def documented(self, key: str) -> bool:
        found = re.search(rf'let {key} = (?:"([^"]*)"|\[\{{(.*?)\}}\])', self.body, re.DOTALL)
        return bool(found and (found[1] or found[2] or "").strip())


def passes_of(tree: Tree) -> list[Pass]:
    """All passes, in the order of Passes.td."""
    file = tree.find(PASSES)
    if file is None:
        return []
    starts = list(re.finditer(r'^def (\w+) : \w*Pass<"([^"]+)">', file.text, re.MULTILINE))
    ends = [*[start.start() for start in starts[1:]], len(file.text)]
    return [Pass(s[1], s[2], file.text[s.end() : end], file.line_of(s.start())) for s, end in zip(starts, ends, strict=True)]


def check_passes(tree: Tree) -> Iterator[Finding]:
    """Summary, description, file, debug type, test of every pass."""
    for found in passes_of(tree):
        place = f"{PASSES}:{found.line}"
        camel = "".join(word.capitalize() for word in found.words.split("-")) + "Pass"
        # A dialect may stand in for the object: prog-lower is LowerProgram.
        if not found.record.startswith(camel.removesuffix("Pass")):
            yield Finding(place, f'class "{found.record}" is not named as flag "{found.flag}"', f'call it "{camel}"')
        for key in ("summary", "description"):
            if not found.documented(key):
                yield Finding(place, f'pass "{found.flag}" has no {key}', f"write `let {key}`")
        yield from _check_file(tree, found)
        tests = [file.name for file in tree.under("test/Transforms") if _tests(file.path.name, found.words)]
        if not tests:
            yield Finding(place, f'pass "{found.flag}" has no test', f"write test/Transforms/{found.words}.mlir")


def _tests(name: str, words: str) -> bool:
    return bool(re.fullmatch(rf"{re.escape(words)}(-[a-z-]+)?\.(mlir|test)", name))


def _check_file(tree: Tree, found: Pass) -> Iterator[Finding]:
    file = tree.find(found.file)
    if file is None:
        yield Finding(found.file, f'pass "{found.flag}" is not in the file of its name', "move it there")
        return
    types = re.findall(r'#define DEBUG_TYPE "([^"]+)"', file.text)
    if types != [found.flag]:
        yield Finding(found.file, f'DEBUG_TYPE is not "{found.flag}"', f'write `#define DEBUG_TYPE "{found.flag}"` below the includes')
