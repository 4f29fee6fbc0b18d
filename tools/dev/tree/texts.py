# SPDX-License-Identifier: Apache-2.0
"""Rules on text inside sources: licence line, diagnostics, reminders, headers."""

import re
from collections.abc import Iterator

from tree.files import File, Finding, Tree

_SPDX = "SPDX-License-Identifier: Apache-2.0"
_REMINDER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b(?!.*#\d)")
_EMIT = re.compile(r"\b(?:emitOpError|emitError|emitWarning|emitRemark|attachNote|createStringError)\b")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def check_licence(tree: Tree) -> Iterator[Finding]:
    """Every source names its licence in the first three lines."""
    for file in tree.files:
        if file.is_source and file.text.strip() and not any(_SPDX in line for line in file.lines[:3]):
            mark = "//" if file.path.suffix in {".cpp", ".h", ".c", ".td"} else "#"
            yield Finding(file.name, "no licence line", f"begin with `{mark} {_SPDX}`")


def check_reminders(tree: Tree) -> Iterator[Finding]:
    """What is left to do names an issue."""
    for file in tree.files:
        for number, line in enumerate(file.lines if file.is_source else [], 1):
            if found := _REMINDER.search(line):
                yield Finding(f"{file.name}:{number}", f"{found[1]} without an issue", "do it, or add the issue's number: #12")


def check_diagnostics(tree: Tree) -> Iterator[Finding]:
    """Messages begin with a lower-case letter and have no final stop."""
    for file in tree.under("lib", "include", "tools", "runtime"):
        for match in _EMIT.finditer(file.code) if file.is_cpp else []:
            yield from _check_message(file, match.start())


def _check_message(file: File, start: int) -> Iterator[Finding]:
    end = file.code.find(";", start)
    pieces = _STRING.findall(file.text[start:end])
    if not pieces:
        return
    place = f"{file.name}:{file.line_of(start)}"
    first, last = pieces[0], pieces[-1]
    word = re.match(r"[A-Za-z]*", first)[0]
    if word[:1].isupper() and word[1:].islower():
        yield Finding(place, f'message begins with a capital: "{first}"', "begin with a lower-case letter")
    if last.endswith(".") and not last.endswith(".."):
        yield Finding(place, f'message ends with a stop: "{last}"', "leave the stop out")


def check_headers(tree: Tree) -> Iterator[Finding]:
    """Headers are guarded and open no namespace for their users."""
    for file in tree.files:
        if file.path.suffix != ".h":
            continue
        if found := re.search(r"^using namespace", file.code, re.MULTILINE):
            yield Finding(f"{file.name}:{file.line_of(found.start())}", "`using namespace` in a header", "qualify the names")
        if "#ifndef" not in file.code and "#pragma once" not in file.code:
            yield Finding(file.name, "no include guard", "add `#ifndef`, `#define`, `#endif`")
