# SPDX-License-Identifier: Apache-2.0
"""Rules on size and on names of files."""

import re
from collections.abc import Iterator

from tree.files import Finding, Tree
from tree.functions import functions_of

FILE_LINES, TEST_LINES, FUNCTION_LINES = 500, 300, 60
FOREIGN = "runtime/providers/gloo_headers"  # named by others
_VAGUE = re.compile(r"(?i)(^|[a-z_-])(utils?|helpers?|common|misc|managers?)$")


def check_files(tree: Tree) -> Iterator[Finding]:
    """No source over 500 lines, no text test over 300."""
    for file in tree.files:
        is_text_test = file.name.startswith("test/") and file.path.suffix in {".mlir", ".test"}
        limit = TEST_LINES if is_text_test else FILE_LINES
        if (is_text_test or file.is_source) and "golden" not in file.path.parts and len(file.lines) > limit:
            yield Finding(file.name, f"{len(file.lines)} lines, the limit is {limit}", "split it by subject")


def check_functions(tree: Tree) -> Iterator[Finding]:
    """No function over 60 lines."""
    for file in tree.files:
        for function in functions_of(file):
            if function.length > FUNCTION_LINES:
                yield Finding(
                    f"{file.name}:{function.first}",
                    f'function "{function.name}" has {function.length} lines, the limit is {FUNCTION_LINES}',
                    "move what has a name of its own into a function",
                )


def check_names(tree: Tree) -> Iterator[Finding]:
    """No file or folder whose name says nothing."""
    names = {file.path.with_suffix("").as_posix() for file in tree.files if file.is_source} | tree.folders
    for name in sorted(names):
        if _VAGUE.search(name.rsplit("/", 1)[-1]) and not name.startswith(FOREIGN):
            yield Finding(name, "the name does not say what is in it", "name it after what it computes")
