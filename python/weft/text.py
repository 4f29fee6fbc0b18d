# SPDX-License-Identifier: Apache-2.0
"""Prints slots and a graph as `nn` text: one printer per op name, one location alias per distinct location."""

import json
import math
import re
import struct
from collections.abc import Callable

from weft.ir import Location, Op, Type, Value
from weft.slots import Slot

_UNARY = "neg abs exp log expm1 log1p sqrt rsqrt sin cos tanh erf sigmoid silu gelu gelu_tanh relu logical_not softmax".split()
_BINARY = "add sub mul div pow maximum minimum logical_and logical_or".split()


def string(text: str) -> str:
    """An MLIR string literal."""
    return json.dumps(text)


def symbol(name: str) -> str:
    """A symbol reference; quoted where the bare form does not allow the name."""
    return "@" + (name if re.fullmatch(r"[A-Za-z_$.][\w$.]*", name) else string(name))


def real(value: float, dtype: str = "f64") -> str:
    """A float literal; infinities and NaN by their bits."""
    if math.isfinite(value):
        digits = repr(float(value))
        return digits if "." in digits else digits.replace("e", ".0e")
    packed = {"f64": "<d", "f32": "<f", "f16": "<e"}.get(dtype)
    if packed is None:
        return "0x" + struct.pack("<f", value)[:1:-1].hex().upper()
    return "0x" + struct.pack(packed, value)[::-1].hex().upper()


def attribute(value: object) -> str:
    """An attribute of a Python value: dicts and lists become dictionaries and arrays."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value} : i64"
    if isinstance(value, float):
        return f"{real(value)} : f64"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return f"[{', '.join(attribute(v) for v in value)}]"
    assert isinstance(value, dict), value
    return "{" + ", ".join(f"{_key(k)}" + ("" if v is None else f" = {attribute(v)}") for k, v in value.items()) + "}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][\w$.]*", name) else string(name)


def _element(value: object, dtype: str) -> str:
    if dtype == "i1":
        return "true" if value else "false"
    return str(int(value)) if dtype.startswith("i") else real(float(value), dtype)


def _dense(value: object, type: Type) -> str:
    if not isinstance(value, list):
        return f"dense<{_element(value, type.dtype)}>"
    if type.rank == 1:
        return f"dense<[{', '.join(_element(v, type.dtype) for v in value)}]>"
    rows = type.size // type.shape[0]
    inner = [_dense(value[i * rows : (i + 1) * rows], type.with_shape(type.shape[1:])) for i in range(type.shape[0])]
    return f"dense<[{', '.join(row[len('dense<') : -1] for row in inner)}]>"


class _Names:
    """SSA names of values and aliases of locations, given on first use."""

    def __init__(self) -> None:
        self.values: dict[Value, str] = {}
        self._count = 0
        self.locations: dict[Location, str] = {}

    def argument(self, value: Value) -> str:
        return self.values.setdefault(value, f"%{value.name}")

    def results(self, op: Op) -> str:
        """Names the results of an op; the left-hand side of its line."""
        name, count = f"%{self._count}", len(op.results)
        self._count += 1
        self.values |= {result: name if count == 1 else f"{name}#{i}" for i, result in enumerate(op.results)}
        return name if count == 1 else f"{name}:{count}"

    def use(self, values: list[Value]) -> str:
        return ", ".join(self.values[value] for value in values)

    def location(self, location: Location) -> str:
        return f"loc({self.locations.setdefault(location, f'#loc{len(self.locations) + 1}')})"


def _function_type(op: Op) -> str:
    results = ", ".join(str(r.type) for r in op.results)
    operands = ", ".join(str(v.type) for v in op.operands)
    return f"({operands}) -> " + (results if len(op.results) == 1 else f"({results})")


def _constant(op: Op, operands: str) -> str:
    type = op.results[0].type
    return f"{_dense(op.attributes['value'], type)} : {type}"


_Printer = Callable[[Op, str], str]
_PRINTERS: dict[str, _Printer] = {
    "constant": _constant,
    "iota": lambda op, _: f"dim {op.attributes['dim']} : {op.results[0].type}",
    "compare": lambda op, x: f"{op.attributes['predicate']} {x} : {_function_type(op)}",
    "contract": lambda op, x: f"{string(op.attributes['equation'])} {x} : {_function_type(op)}",
    "reduce": lambda op, x: f"{op.attributes['kind']} {x} dims {op.attributes['dims']} : {_function_type(op)}",
    "broadcast": lambda op, x: f"{x} dims {op.attributes['dims']} : {_function_type(op)}",
    "transpose": lambda op, x: f"{x} permutation {op.attributes['permutation']} : {_function_type(op)}",
    "slice": lambda op, x: f"{x} offsets {op.attributes['offsets']} sizes {op.attributes['sizes']} "
    f"strides {op.attributes['strides']} : {_function_type(op)}",
    "pad": lambda op, x: f"{x} low {op.attributes['low']} high {op.attributes['high']} "
    f"interior {op.attributes['interior']} : {_function_type(op)}",
    "concat": lambda op, x: f"{x} dim {op.attributes['dim']} : {_function_type(op)}",
    "rms_norm": lambda op, x: f"{x} eps {real(op.attributes['eps'])} : {_function_type(op)}",
    "boundary": lambda op, x: f"{x} {attribute(op.attributes)} : {op.results[0].type}",
}
_PRINTERS |= {name: lambda op, x: f"{x} : {op.results[0].type}" for name in _UNARY + _BINARY}


def _op(op: Op, names: _Names) -> str:
    operands = names.use(op.operands)
    if op.name in _PRINTERS:
        body = _PRINTERS[op.name](op, operands)
    else:
        attributes = f" {attribute(op.attributes)}" if op.attributes else ""
        body = f"{operands}{attributes} : {_function_type(op)}"
    return f"    {names.results(op)} = nn.{op.name} {body} {names.location(op.location)}"


def print_module(
    *, header: dict[str, object], slots: list[Slot], arguments: list[Value], results: list[tuple[str, Value]], ops: list[Op],
    place: Location,
) -> str:  # fmt: skip
    """The text of a module: slots, then `@model` with one argument per value and one result per (slot, value)."""
    names = _Names()
    here = names.location(place)
    lines = [f"module attributes {attribute(header)} {{"]
    for slot in slots:
        lines.append(f"  pipe.slot {symbol(slot.name)} : {slot.type} {attribute(slot.attributes())} {names.location(slot.location)}")
    lines.append("  func.func @model(")
    where = {slot.name: slot.location for slot in slots}
    for i, value in enumerate(arguments):
        comma = "," if i + 1 < len(arguments) else ""
        bound = f"{{pipe.slot = {symbol(value.name)}}}"
        lines.append(f"      {names.argument(value)}: {value.type} {bound} {names.location(where[value.name])}{comma}")
    returned = ", ".join(f"{value.type} {{pipe.slot = {symbol(slot)}}}" for slot, value in results)
    lines.append(f"  ) -> ({returned}) {{")
    lines += [_op(op, names) for op in ops]
    values = [value for _, value in results]
    lines.append(f"    return {names.use(values)} : {', '.join(str(v.type) for v in values)} {here}")
    lines += [f"  }} {here}", f"}} {here}"]
    lines += [f"{alias} = {location}" for location, alias in names.locations.items()]
    return "\n".join(lines) + "\n"
