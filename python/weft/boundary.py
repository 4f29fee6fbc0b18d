# SPDX-License-Identifier: Apache-2.0
"""Marks module inputs and outputs in an exported graph.

A custom operator that does nothing is applied, by forward hooks, to every tensor that enters or leaves a called module. It stays in
the graph as a node that names module, side, index among the side's tensors, argument name and the count of earlier calls.
"""

import inspect
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch.utils import _pytree as pytree


@cache
def boundary_operator() -> torch._ops.OpOverload:
    """Registers, once, the operator `weft::boundary`: the identity on a tensor."""

    @torch.library.custom_op("weft::boundary", mutates_args=())
    def boundary(x: torch.Tensor, module: str, side: str, index: int, name: str, call: int) -> torch.Tensor:
        return x.clone()

    @boundary.register_fake
    def _(x: torch.Tensor, module: str, side: str, index: int, name: str, call: int) -> torch.Tensor:
        return torch.empty_like(x)

    return torch.ops.weft.boundary.default


@contextmanager
def boundaries(root: torch.nn.Module) -> Iterator[Counter[str]]:
    """Marks all modules below `root` while it is traced; the counter of calls is to be cleared before each trace."""
    mark, calls, hooks = boundary_operator(), Counter[str](), []

    def marked(tree: object, path: str, side: str) -> object:
        leaves, structure = pytree.tree_flatten_with_path(tree)
        found, index = [], 0
        for keys, leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                leaf = mark(leaf, path, side, index, ".".join(_key(key) for key in keys), calls[path] - 1)
                index += 1
            found.append(leaf)
        return pytree.tree_unflatten(found, structure)

    def attach(path: str, module: torch.nn.Module) -> None:
        def enter(module: torch.nn.Module, args: tuple, kwargs: dict[str, object]) -> tuple[tuple, dict[str, object]]:
            calls[path] += 1
            names = _argument_names(type(module), len(args))
            tree = marked(dict(zip(names, args)) | kwargs, path, "input")
            return tuple(tree[name] for name in names), {name: tree[name] for name in kwargs}

        def leave(module: torch.nn.Module, args: tuple, output: object) -> object:
            if isinstance(output, torch.Tensor):
                return marked({"output": output}, path, "output")["output"]
            return marked(output, path, "output")

        hooks.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        hooks.append(module.register_forward_hook(leave))

    for path, module in root.named_modules():
        if path:
            attach(path, module)
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _argument_names(kind: type[torch.nn.Module], count: int) -> list[str]:
    """The names of the first positional parameters of `forward`; those of `*args` are numbered."""
    names = [p.name for p in inspect.signature(kind.forward).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD][1:]
    return (names + [f"arg{i}" for i in range(len(names), count)])[:count]


def _key(key: object) -> str:
    """A step of a pytree path: a dict's key, a sequence's index or a field's name."""
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
