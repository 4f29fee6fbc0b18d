# SPDX-License-Identifier: Apache-2.0
"""Where functions begin and end, in Python by its own parser, in C++ by matching braces.

A C++ brace opens a function where the text before it, back to the last `;`, brace or access label, has parentheses and begins with no
`namespace`, `class`, `struct`, `union` or `enum`, and is no initialiser. What is nested in a function belongs to it.
"""

import ast
import re
from dataclasses import dataclass

from tree.files import File

_SCOPE = re.compile(r'(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|union|enum|extern\s*"[^"]*")\b', re.DOTALL)


@dataclass(frozen=True)
class Function:
    """A function with its body: name, first and last line."""

    name: str
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def functions_of(file: File) -> list[Function]:
    """All functions of a file with a body; none where the language has none."""
    if file.path.suffix == ".py":
        nodes = ast.walk(ast.parse(file.text))
        return [Function(n.name, n.lineno, n.end_lineno) for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return _cpp_functions(file) if file.is_cpp else []


def _cpp_functions(file: File) -> list[Function]:
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), file.code, flags=re.MULTILINE)
    found: list[Function] = []
    begin, open_function, depth = 0, -1, 0
    header = ""
    for match in re.finditer(r"[{};]|\b(?:public|private|protected):", code):
        mark = match[0]
        if mark == "{":
            text = code[begin : match.start()]
            if open_function < 0 and _is_function(text.strip()):
                open_function, header = depth, text
                first = file.line_of(begin + len(text) - len(text.lstrip()))
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth == open_function:
                found.append(Function(_name(header), first, file.line_of(match.start())))
                open_function = -1
        if open_function < 0:
            begin = match.end()
    return found


def _is_function(header: str) -> bool:
    if "(" not in header or _SCOPE.match(header):
        return False
    return not re.search(r"=\s*$|\breturn\b", header) or "operator" in header


def _name(header: str) -> str:
    found = re.search(r"([\w:~]+|operator\W+)\s*\(", header)
    return found[1] if found else "?"
