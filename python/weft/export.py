# SPDX-License-Identifier: Apache-2.0
"""Exports a model: torch.export, import to `nn`, and the files of a model folder.

1. The wrapper `_Step` computes the scalar loss from the batch; hooks mark module boundaries while it is traced.
2. Parameters (tied ones once), buffers and large constants become slots; the graph's placeholders become function arguments.
3. The importer walks the graph; the loss comes apart into terms.
4. `model.mlir`, `config.json` and `weights/model.safetensors` are written.
"""

import json
import logging
import shutil
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from weft.boundary import boundaries
from weft.builder import Builder
from weft.errors import COMPILE, UnsupportedOperators, WeftError
from weft.importer.call import type_of
from weft.importer.decompose import changes_values
from weft.importer.loss import loss_terms
from weft.importer.walk import Walk
from weft.ir import Op, Value
from weft.locations import Locations
from weft.model import Model
from weft.slots import Slot
from weft.tensors import Tensors, collect_tensors
from weft.text import print_module


class _Step(torch.nn.Module):
    """The scalar loss as a module: the user's module is its only child."""

    def __init__(self, model: Model, calls: Counter[str]) -> None:
        super().__init__()
        self.module = model.module
        self._names, self._loss, self._calls = list(model.batch), model.loss, calls

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        self._calls.clear()
        return self._loss(self.module, dict(zip(self._names, values)))


@dataclass(frozen=True)
class Imported:
    """A model as `nn` ops: slots, function arguments (named by their slots), results as (slot, value), live ops, tensors to keep."""

    slots: list[Slot]
    arguments: list[Value]
    results: list[tuple[str, Value]]
    ops: list[Op]
    tensors: Tensors


def export_model(model: Model, directory: str | Path) -> None:
    """Writes `model.mlir`, `config.json` and, where there are values to keep, `weights/model.safetensors`."""
    directory = Path(directory)
    imported = import_model(model)
    text = print_module(
        header=_header(model), slots=imported.slots, arguments=imported.arguments, results=imported.results, ops=imported.ops,
        place=imported.tensors.place,
    )  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.mlir").write_text(text)
    (directory / "config.json").write_text(json.dumps(_config(model, imported.tensors), indent=2) + "\n")
    shutil.rmtree(directory / "weights", ignore_errors=True)
    if imported.tensors.stored:
        (directory / "weights").mkdir()
        save_file(imported.tensors.stored, directory / "weights" / "model.safetensors")


def import_model(model: Model) -> Imported:
    """Traces a model and translates it."""
    program = _trace(model)
    tensors = collect_tensors(model, program)
    walk = Walk(Builder(tensors.place), Locations(root="module", loss=model.criterion or model.loss))
    arguments, inputs = _inputs(model, program, tensors, walk.build)
    loss = walk.run(program.graph_module, inputs)[0]
    if walk.refusals:
        raise UnsupportedOperators(walk.refusals)
    if not isinstance(loss, Value) or loss.type.shape != () or not loss.type.is_float:
        found = loss.type if isinstance(loss, Value) else type(loss).__name__
        raise WeftError(f"the loss is not a scalar of a floating type: got {found}", exit_code=COMPILE)
    slots, results, place = list(tensors.slots), [], walk.build.location
    for i, (total, weight, coefficient) in enumerate(loss_terms(walk.build, loss)):
        for name, value, factor in ((f"term{i}.sum", total, coefficient), (f"term{i}.weight", weight, None)):
            slots.append(Slot(name, value.type, "scalar", "microbatch", place, coefficient=factor))
            results.append((name, value))
    ops = walk.build.graph.live([value for _, value in results])
    used = {operand for op in ops for operand in op.operands} | {value for _, value in results}
    arguments = [value for value in arguments if value in used or value.name in model.batch]
    return Imported(slots, arguments, results, ops, tensors)


def _trace(model: Model) -> torch.export.ExportedProgram:
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    with boundaries(model.module) as calls, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(_Step(model, calls), tuple(model.batch.values()), strict=False)
            # Into the form where each operator makes a new value.
            return program.run_decompositions({}) if changes_values(program.graph_module) else program
        except WeftError:
            raise
        except Exception as error:
            raise WeftError(f"torch.export cannot trace the model: {error}", exit_code=COMPILE) from error


def _inputs(
    model: Model, program: torch.export.ExportedProgram, tensors: Tensors, build: Builder
) -> tuple[list[Value], list[Value | None]]:  # fmt: skip
    """The function's possible arguments, and what each placeholder of the graph is: an argument, a constant, or nothing."""
    slots = {slot.name: slot for slot in tensors.slots}
    arguments: dict[str, Value] = {}
    inputs: list[Value | None] = []
    batch = iter(model.batch)
    for spec in program.graph_signature.input_specs:
        name = next(batch) if spec.target is None else tensors.slot_of.get(spec.target)
        constant = tensors.constants.get(spec.target or "")
        if name is not None:
            slot = slots[name]
            inputs.append(arguments.setdefault(name, Value(slot.type, name=name, needs_grad=slot.trainable)))
        elif constant is not None:
            inputs.append(build.constant(type_of(constant), constant.flatten().tolist()))
        else:
            inputs.append(None)  # a buffer that nothing reads
    return list(arguments.values()), inputs


def _header(model: Model) -> dict[str, object]:
    header: dict[str, object] = {}
    if model.tp_plan:
        header["weft.tp_plan"] = model.tp_plan
    heads = {k: v for k, v in model.config.items() if k in ("num_attention_heads", "num_key_value_heads")}
    if heads:
        header["weft.config"] = heads
    if units := block_pattern(model.module):
        header["weft.units"] = [units]
    return header


def block_pattern(module: torch.nn.Module) -> str | None:
    """The pattern of the longest container of modules of one class, such as `model.layers.*`."""
    lists: Counter[str] = Counter()
    for path, child in module.named_modules():
        holds_blocks = path and isinstance(child, (torch.nn.ModuleList, torch.nn.ModuleDict, torch.nn.Sequential))
        if holds_blocks and len({type(block) for block in child.children()}) == 1:
            lists[path] = len(child)
    return f"{max(lists, key=lists.__getitem__)}.*" if lists else None


def _config(model: Model, tensors: Tensors) -> dict[str, object]:
    modules = {path: type(child).__name__ for path, child in model.module.named_modules() if path}
    tied = [list(slot.names) for slot in tensors.slots if len(slot.names) > 1]
    inputs = {name: list(tensor.shape) for name, tensor in model.batch.items()}
    return {**model.config, "tp_plan": model.tp_plan, "tied": tied, "inputs": inputs, "modules": modules}
