# SPDX-License-Identifier: Apache-2.0
"""Who may include whom (DESIGN, "The tree"), which folders explain themselves, and what may stand in the root."""

import re
from collections.abc import Iterator

from tree.files import Finding, Tree

_MODEL = {"Layout", "Schedule", "Memory", "Cost"}
_IR = _MODEL | {"IR"}
_TRANSFORMS = _IR | {"Plan", "Transforms"}
# Folder of lib -> folders of include/weft it may include.
LAYERS = {
    **{name: _MODEL for name in _MODEL},
    "Plan": {"Plan"} | _MODEL,
    "IR": _IR,
    "Interpreter": _IR | {"Interpreter"},
    "Transforms": _TRANSFORMS,
    "Target": _TRANSFORMS | {"Target"},
    "Pipelines": _TRANSFORMS | {"Target", "Interpreter", "Pipelines"},
}
_WITHOUT_IR = {*_MODEL, "Plan"}
ROOT = {
    "CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE",
    "include", "lib", "runtime", "tools", "test", "python", "cmake",
}  # fmt: skip
_ARCHITECTURES = re.compile(r"(?i)\b(llama|qwen\d*|mistral|mixtral|gpt2|gemma\d*|falcon|deepseek)\b")


def check_layers(tree: Tree) -> Iterator[Finding]:
    """Includes go downwards only."""
    for file in tree.files:
        parts = file.path.parts
        if file.path.suffix not in {".cpp", ".h"}:
            continue
        if parts[0] == "runtime":
            yield from _check_includes(file, {"weft_runtime"}, forbidden=("weft/", "mlir/", "llvm/"))
        elif parts[0] == "lib" or parts[:2] == ("include", "weft"):
            layer = parts[1] if parts[0] == "lib" else parts[2]
            if layer not in LAYERS:
                yield Finding(file.name, f'folder "{layer}" has no layer', "add it to LAYERS in tools/dev/tree/layers.py")
                continue
            yield from _check_includes(file, LAYERS[layer], forbidden=("mlir/",) if layer in _WITHOUT_IR else ())


def _check_includes(file, allowed: set[str], *, forbidden: tuple[str, ...]) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        found = re.match(r'#include [<"]([^">]+)', line)
        if not found:
            continue
        path = found[1]
        own = re.match(r"weft/(\w+)", path)
        if path.startswith(forbidden) or (own and own[1] not in allowed) or ("weft_runtime/" in path and "weft_runtime" not in allowed):
            yield Finding(f"{file.name}:{number}", f'"{path}" is not below this folder', "move the code to the layer that may use it")


def check_readmes(tree: Tree) -> Iterator[Finding]:
    """The folders that people open say what lives in them."""
    wanted = {"lib", "runtime", "test", "python", "tools", "tools/dev", "include/weft", "cmake"}
    for folder in tree.folders:
        parts = folder.split("/")
        inside = len(parts) == 2 and parts[0] in {"lib", "test"} or len(parts) == 3 and parts[:2] == ["lib", "IR"]
        if inside and parts[-1] not in {"Inputs", "golden"}:
            wanted.add(folder)
    for folder in sorted(wanted & tree.folders):
        if tree.find(f"{folder}/README.md") is None:
            yield Finding(folder, "no README.md", "say what lives here, what does not, how to add one, and Decisions")


def check_root(tree: Tree) -> Iterator[Finding]:
    """The root is a closed list."""
    for name in sorted({file.path.parts[0] for file in tree.files}):
        if name not in ROOT and not name.startswith("."):
            yield Finding(name, "the root is a closed list", "put it in the folder of its kind")


def check_architectures(tree: Tree) -> Iterator[Finding]:
    """The compiler and the importer know no model by name."""
    for file in tree.under("lib", "include", "python/weft/importer"):
        for number, line in enumerate(file.lines if file.is_source else [], 1):
            if found := _ARCHITECTURES.search(line):
                yield Finding(f"{file.name}:{number}", f'an architecture\'s name: "{found[0]}"', "say what property of the model it is")
