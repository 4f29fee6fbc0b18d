# SPDX-License-Identifier: Apache-2.0
"""A small in-memory form of `nn` ops: what the importer builds and the printer prints.

Types are static shapes with a dtype spelled as MLIR spells it. An op is a name, operands, attributes, results and a location; the
graph is a list of ops in program order. There are no regions and no symbols: slots and the function are made by `text.py`.
"""

from dataclasses import dataclass, field
from math import prod


@dataclass(frozen=True)
class Type:
    """A tensor type: static dims and an element type (f32, i64, i1, ...)."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype in ("f64", "f32", "bf16", "f16")

    def with_shape(self, shape: tuple[int, ...] | list[int]) -> "Type":
        return Type(tuple(shape), self.dtype)

    def with_dtype(self, dtype: str) -> "Type":
        return Type(self.shape, dtype)

    def __str__(self) -> str:
        return f"tensor<{''.join(f'{n}x' for n in self.shape)}{self.dtype}>"


@dataclass(frozen=True)
class Location:
    """A module path and the model's source line."""

    path: str
    file: str
    line: int

    def __str__(self) -> str:
        return f'loc("{self.path}"("{self.file}":{self.line}:0))'


@dataclass(eq=False)
class Value:
    """A result of an op, or a function argument (`op` is None and `name` is its slot)."""

    type: Type
    op: "Op | None" = None
    index: int = 0
    name: str = ""
    needs_grad: bool = False


@dataclass(eq=False)
class Op:
    """One operation; `attributes` hold Python values, which the printer of the op's name spells out."""

    name: str
    operands: list[Value]
    attributes: dict[str, object]
    location: Location
    results: list[Value] = field(default_factory=list)


@dataclass
class Graph:
    """Ops in program order."""

    ops: list[Op] = field(default_factory=list)

    def add(self, op: Op, types: list[Type]) -> list[Value]:
        """Appends the op and gives it results of these types."""
        needs_grad = any(operand.needs_grad for operand in op.operands)
        op.results = [Value(t, op, i, needs_grad=needs_grad and t.is_float) for i, t in enumerate(types)]
        self.ops.append(op)
        return op.results

    def live(self, results: list[Value]) -> list[Op]:
        """The ops that these results depend on, in program order."""
        wanted, work = set(), [value.op for value in results]
        while work:
            op = work.pop()
            if op is not None and op not in wanted:
                wanted.add(op)
                work.extend(operand.op for operand in op.operands)
        return [op for op in self.ops if op in wanted]


def producer(value: Value, name: str) -> Op | None:
    """The op that made this value, if it has this name."""
    return value.op if value.op is not None and value.op.name == name else None
