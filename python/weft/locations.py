# SPDX-License-Identifier: Apache-2.0
"""Where in the model a graph node comes from: the module's path and the innermost line of the model's own source.

torch.export records a stack of modules, and of the source lines in their `forward` methods, per node: what runs in a function that
`forward` calls is placed at the call. Lines of this package and of PyTorch are passed over; what has no other is placed at the loss
function. Paths are made relative to the folder Python imported them from, so that the text does not depend on the machine.
"""

import inspect
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch.fx import Node

from weft.ir import Location

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_HERE, _TORCH = (str(Path(file).parent) + "/" for file in (__file__, torch.__file__))


class Locations:
    """Locations of the nodes of one graph; `root` is the attribute that holds the user's module in the exported wrapper."""

    def __init__(self, *, root: str, loss: Callable[..., object]) -> None:
        self._root = root
        self._loss = source(loss)

    def of(self, node: Node) -> Location:
        """The location of a node: the innermost module it runs in."""
        stack = node.meta.get("nn_module_stack") or {}
        paths = [str(path) for path, _ in stack.values()]
        return self.at(self._model_path(paths[-1] if paths else ""), node)

    def at(self, path: str, node: Node) -> Location:
        """A location in the module of this path, at the node's source line."""
        frames = _FRAME.findall(node.meta.get("stack_trace") or "")
        own = [(file, int(line)) for file, line in frames if not file.startswith((_HERE, _TORCH))]
        file, line = own[-1] if own else self._loss
        return Location(path, relative(file), line)

    def _model_path(self, path: str) -> str:
        path = re.sub(r"@\d+", "", path)
        if path == self._root:
            return "root"
        return path.removeprefix(self._root + ".") if path.startswith(self._root + ".") else "loss"


def source(item: object) -> tuple[str, int]:
    """The file and first line of a class or function."""
    try:
        return inspect.getsourcefile(item) or "unknown", inspect.getsourcelines(item)[1]
    except (OSError, TypeError):
        return "unknown", 1


@cache
def relative(file: str) -> str:
    """The path below the folder that Python imported the file from."""
    if file.startswith(_HERE):
        return "weft/" + file.removeprefix(_HERE)
    folders = [p for p in sys.path if p and file.startswith(p.rstrip("/") + "/")]
    return file[len(max(folders, key=len)) :].lstrip("/") if folders else file.rsplit("/", 1)[-1]
