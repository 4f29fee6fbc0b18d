# SPDX-License-Identifier: Apache-2.0
"""How a model's parameters would be initialised, found without materialising them.

The model's own initialisation runs on meta tensors while the operators that write to each parameter are recorded: the last one
describes its distribution. Buffers are small and have values of their own, so each module that holds some is initialised for real.
"""

import copy

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from weft.errors import COMPILE, WeftError

Init = dict[str, object]


class _Recorder(TorchDispatchMode):
    """Notes, per tensor object, the last in-place operator that fills all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, Init] = {}

    def __torch_dispatch__(
        self, func: torch._ops.OpOverload, types: tuple, args: tuple = (), kwargs: dict[str, object] | None = None
    ) -> object:
        name, rest = func._schema.name, list(args[1:])
        values = {argument.name: argument.default_value for argument in func._schema.arguments if argument.has_default_value()}
        values |= {argument.name: value for argument, value in zip(func._schema.arguments[1:], rest)} | (kwargs or {})
        if name == "aten::normal_":
            self.found[id(args[0])] = {"kind": "normal", "mean": float(values["mean"]), "std": float(values["std"])}
        elif name == "aten::uniform_":
            self.found[id(args[0])] = {"kind": "uniform", "low": float(values["from"]), "high": float(values["to"])}
        elif name == "aten::zero_":
            self.found[id(args[0])] = {"kind": "constant", "value": 0.0}
        elif name == "aten::fill_":
            self.found[id(args[0])] = {"kind": "constant", "value": float(values["value"])}
        return func(*args, **(kwargs or {}))


def parameter_inits(module: torch.nn.Module) -> dict[str, Init]:
    """The initialisation of every parameter of a transformers model on the meta device."""
    for tensor in [*module.modules(), *module.parameters(), *module.buffers()]:
        tensor._is_hf_initialized = False
    with _Recorder() as recorder:
        module.initialize_weights()
    inits = {}
    for name, parameter in module.named_parameters():
        if id(parameter) not in recorder.found:
            raise WeftError(f'the initialisation of "{name}" is not one we can describe', exit_code=COMPILE)
        inits[name] = recorder.found[id(parameter)]
    return inits


def buffer_values(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The values that the model's initialisation gives its buffers, computed module by module."""
    values = {}
    for path, child in module.named_modules():
        buffers = dict(child.named_buffers(recurse=False))
        if not buffers:
            continue
        real = copy.deepcopy(child).to_empty(device="cpu", recurse=False)
        for buffer in real.buffers(recurse=False):
            buffer.fill_(float("nan") if buffer.is_floating_point() else 0)
            buffer._is_hf_initialized = False
        module._init_weights(real)
        for name, buffer in real.named_buffers(recurse=False):
            full = f"{path}.{name}" if path else name
            if buffer.is_floating_point() and buffer.isnan().any():
                raise WeftError(f'the model does not initialise its buffer "{full}"', exit_code=COMPILE)
            values[full] = buffer
    return values
