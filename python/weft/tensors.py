# SPDX-License-Identifier: Apache-2.0
"""Collects the tensors of a model into slots: parameters, buffers, large constants, batch inputs."""

from dataclasses import dataclass, field

import torch

from weft.errors import COMPILE, WeftError
from weft.importer.call import type_of
from weft.ir import Location
from weft.locations import relative, source
from weft.model import Model
from weft.slots import Slot

INLINE_CONSTANT = 64  # elements; larger constants lie in the weights file
_PREFIX = "module."


@dataclass
class Tensors:
    """Slots in order; the slot of each exported name; the constants that stay in the text; the tensors of the weights file."""

    place: Location
    slots: list[Slot] = field(default_factory=list)
    slot_of: dict[str, str] = field(default_factory=dict)
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    stored: dict[str, torch.Tensor] = field(default_factory=dict)


def collect_tensors(model: Model, program: torch.export.ExportedProgram) -> Tensors:
    """The slots of a model; non-persistent buffers that the graph does not read have none."""
    tensors = Tensors(_place(model.module, ""))
    for name, tensor in [*model.module.named_parameters(), *model.batch.items()]:
        if tensor.is_complex():
            raise WeftError(f'"{name}" is complex: parameters and inputs are real', exit_code=COMPILE)
    _parameters(model, tensors)
    _buffers(model, program, tensors)
    buffers = {_PREFIX + name for name, _ in model.module.named_buffers(remove_duplicate=False)}
    for name, constant in program.constants.items():  # non-persistent buffers are among them
        if isinstance(constant, torch.Tensor) and name not in buffers:
            if constant.is_meta:
                raise WeftError(
                    f'the model makes the constant "{name}" while it runs, which has no values without weights: export it with a seed or weights',
                    exit_code=COMPILE,
                )
            _constant(name, constant, tensors)
    for name, tensor in model.batch.items():
        tensors.slots.append(Slot(name, type_of(tensor), "input", "microbatch", tensors.place))
        tensors.slot_of[name] = name
    return tensors


def _parameters(model: Model, tensors: Tensors) -> None:
    """One slot per parameter; all names of a tied one lead to it."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    for name, parameter in model.module.named_parameters():
        held = not parameter.is_meta
        slot = Slot(
            name, type_of(parameter), "parameter", "run", _place(model.module, name), stored=True,
            names=tuple(names[id(parameter)]), trainable=parameter.requires_grad, init={} if held else model.inits[name],
        )  # fmt: skip
        tensors.slots.append(slot)
        tensors.slot_of |= {_PREFIX + alias: name for alias in slot.names}
        if held:
            tensors.stored[name] = parameter.detach().contiguous()


def _buffers(model: Model, program: torch.export.ExportedProgram, tensors: Tensors) -> None:
    used = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
    read = {spec.target for spec in program.graph_signature.input_specs if spec.target and spec.arg.name in used}
    persistent = model.module.state_dict().keys()
    names: dict[int, str] = {}
    for name, buffer in model.module.named_buffers(remove_duplicate=False):
        first = names.setdefault(id(buffer), name)
        if name not in persistent and _PREFIX + name not in read:
            continue
        tensors.slot_of[_PREFIX + name] = first
        if first != name:
            continue
        value = model.buffers.get(name, buffer) if buffer.is_meta else buffer
        tensors.slots.append(Slot(name, type_of(buffer), "buffer", "run", _place(model.module, name), stored=True))
        tensors.stored[name] = _held(value)


def _held(tensor: torch.Tensor) -> torch.Tensor:
    """What the file of weights holds of a buffer: of a complex one, both parts."""
    return (torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).detach().contiguous()


def _constant(name: str, constant: torch.Tensor, tensors: Tensors) -> None:
    if constant.numel() <= INLINE_CONSTANT and not constant.is_complex():
        tensors.constants[name] = constant
        return
    slot = "constant." + name.removeprefix(_PREFIX)
    tensors.slots.append(Slot(slot, type_of(constant), "buffer", "run", tensors.place, stored=True))
    tensors.slot_of[name] = slot
    tensors.stored[slot] = _held(constant)


def _place(module: torch.nn.Module, name: str) -> Location:
    """The class that owns a tensor, by its source."""
    file, line = source(type(module.get_submodule(name.rpartition(".")[0])))
    return Location(name or "root", relative(file), line)
