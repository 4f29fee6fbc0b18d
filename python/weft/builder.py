# SPDX-License-Identifier: Apache-2.0
"""Constructors of `nn` ops that fold as they build.

Each method returns the value that stands for the op's result, which may be an operand (identities), a new constant (splats), or an
op in the one form later passes look for:
1. A broadcast never has an operand dim of size 1, and no broadcast is applied to a broadcast.
2. A reshape that only adds or removes dims of size 1 sinks below elementwise ops whose other operands are splats, so that a
   `keepdim` reduction leaves no trace.
3. Reshapes of reshapes, casts to the same type, full slices and identity permutations are gone.
Nothing here knows PyTorch.
"""

from math import prod

from weft.ir import Graph, Location, Op, Type, Value, producer

Scalar = float | int | bool


class Builder:
    """Appends folded ops to a graph at the current location."""

    def __init__(self, location: Location) -> None:
        self.graph = Graph()
        self.location = location

    def emit(self, name: str, operands: list[Value], types: list[Type], /, **attributes: object) -> list[Value]:
        """Appends an op as it is."""
        return self.graph.add(Op(name, operands, attributes, self.location), types)

    def constant(self, type: Type, value: Scalar | list[Scalar]) -> Value:
        """A splat of this value, or a constant with these elements in row-major order."""
        if isinstance(value, list) and len(set(value)) == 1:
            value = value[0]
        return self.emit("constant", [], [type], value=value)[0]

    def iota(self, size: int) -> Value:
        """0, 1, ... size - 1."""
        return self.emit("iota", [], [Type((size,), "i64")], dim=0)[0]

    def softmax(self, x: Value) -> Value:
        """Over the last dim, which may be of size 1."""
        return self.emit("softmax", [x], [x.type])[0]

    # Elementwise.

    def unary(self, name: str, x: Value) -> Value:
        return self._elementwise(name, [x], x.type.dtype)

    def binary(self, name: str, x: Value, y: Value) -> Value:
        """An op on two values of one type; identities with splats (x + 0, x * 1, x / 1, x & true) fold."""
        neutral = {"add": 0, "mul": 1, "sub": 0, "div": 1, "logical_and": True, "logical_or": False}.get(name)
        if splat(y) == neutral and neutral is not None:
            return x
        if name in ("add", "mul", "logical_and", "logical_or") and splat(x) == neutral:
            return y
        return self._elementwise(name, [x, y], x.type.dtype)

    def compare(self, predicate: str, x: Value, y: Value) -> Value:
        return self._elementwise("compare", [x, y], "i1", predicate=predicate)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return self._elementwise("select", [condition, x, y], x.type.dtype)

    def cast(self, x: Value, dtype: str) -> Value:
        if x.type.dtype == dtype:
            return x
        value = splat(x)
        if value is not None and dtype in ("f32", "f64", "i64"):
            number = float(value) if dtype != "i64" else int(value)
            return self.constant(x.type.with_dtype(dtype), number)
        return self._elementwise("cast", [x], dtype)

    def _elementwise(self, name: str, operands: list[Value], dtype: str, **attributes: object) -> Value:
        outer = operands[0].type.shape
        reshaped = [_through_unit_reshape(operand) for operand in operands]
        inner = next((value for value in reshaped if value is not None), None)
        others = [operand for operand, value in zip(operands, reshaped) if value is None]
        if inner is None or any(splat(other) is None for other in others):
            return self.emit(name, operands, [Type(outer, dtype)], **attributes)[0]
        if any(value is not None and value.type.shape != inner.type.shape for value in reshaped):
            return self.emit(name, operands, [Type(outer, dtype)], **attributes)[0]
        moved = [
            value if value is not None else self.constant(operand.type.with_shape(inner.type.shape), splat(operand))
            for operand, value in zip(operands, reshaped)
        ]
        result = self.emit(name, moved, [Type(inner.type.shape, dtype)], **attributes)[0]
        return self.reshape(result, outer)

    # Dims.

    def reshape(self, x: Value, shape: tuple[int, ...] | list[int]) -> Value:
        shape = tuple(shape)
        assert prod(shape) == x.type.size, (shape, x.type)
        if (value := splat(x)) is not None and shape != x.type.shape:
            return self.constant(x.type.with_shape(shape), value)
        if op := producer(x, "reshape"):
            x = op.operands[0]
        if shape == x.type.shape:
            return x
        return self.emit("reshape", [x], [x.type.with_shape(shape)])[0]

    def broadcast(self, x: Value, dims: list[int], shape: tuple[int, ...] | list[int]) -> Value:
        """Dim i of `x` becomes dim `dims[i]` of the result; dims of size 1 may stretch."""
        shape = tuple(shape)
        if x.type.shape == shape:
            return x
        if (value := splat(x)) is not None:
            return self.constant(x.type.with_shape(shape), value)
        kept = [i for i, n in enumerate(x.type.shape) if n != 1]
        assert all(x.type.shape[i] == shape[dims[i]] for i in kept), (x.type, dims, shape)
        if prod(shape) == x.type.size:
            return self.reshape(x, shape)
        dims = [dims[i] for i in kept]
        x = self.reshape(x, [x.type.shape[i] for i in kept])
        if op := producer(x, "broadcast"):
            dims = [dims[d] for d in op.attributes["dims"]]
            x = op.operands[0]
        return self.emit("broadcast", [x], [x.type.with_shape(shape)], dims=dims)[0]

    def stretch(self, x: Value, shape: tuple[int, ...] | list[int]) -> Value:
        """NumPy's broadcasting: dims are aligned at the end."""
        lead = len(shape) - x.type.rank
        return self.broadcast(x, [lead + i for i in range(x.type.rank)], shape)

    def transpose(self, x: Value, permutation: list[int]) -> Value:
        """Dim i of the result is dim `permutation[i]` of `x`."""
        shape = [x.type.shape[p] for p in permutation]
        moving = [p for p in permutation if x.type.shape[p] != 1]
        if moving == sorted(moving):
            return self.reshape(x, shape)
        if op := producer(x, "transpose"):
            inner = op.attributes["permutation"]
            return self.transpose(op.operands[0], [inner[p] for p in permutation])
        return self.emit("transpose", [x], [x.type.with_shape(shape)], permutation=permutation)[0]

    def slice(self, x: Value, dim: int, start: int, stop: int, stride: int = 1) -> Value:
        """The part [start, stop) of one dim."""
        shape = list(x.type.shape)
        size = max(0, -(-(stop - start) // stride))
        if size == shape[dim]:
            return x
        offsets, strides = [0] * len(shape), [1] * len(shape)
        shape[dim], offsets[dim], strides[dim] = size, start, stride
        if (value := splat(x)) is not None:
            return self.constant(x.type.with_shape(shape), value)
        return self.emit("slice", [x], [x.type.with_shape(shape)], offsets=offsets, sizes=shape, strides=strides)[0]

    def concat(self, values: list[Value], dim: int) -> Value:
        if len(values) == 1:
            return values[0]
        shape = list(values[0].type.shape)
        shape[dim] = sum(value.type.shape[dim] for value in values)
        return self.emit("concat", values, [values[0].type.with_shape(shape)], dim=dim)[0]

    def reduce(self, kind: str, x: Value, dims: list[int], keep: bool = False) -> Value:
        """Combines elements along dims, which vanish or, with `keep`, become 1."""
        dims = sorted(d % x.type.rank for d in dims) if x.type.rank else []
        kept = [1 if i in dims else n for i, n in enumerate(x.type.shape)]
        shape = [n for i, n in enumerate(x.type.shape) if i not in dims]
        result = x
        if dims:
            result = self.emit("reduce", [x], [x.type.with_shape(shape)], kind=kind, dims=dims)[0]
        return self.reshape(result, kept) if keep else result

    def contract(self, equation: str, x: Value, y: Value) -> Value:
        """A sum of products; letters name dims."""
        terms, result = equation.split("->")
        sizes: dict[str, int] = {}
        for letters, value in zip(terms.split(","), (x, y)):
            for letter, size in zip(letters, value.type.shape, strict=True):
                assert sizes.setdefault(letter, size) == size, (equation, x.type, y.type)
        shape = [sizes[letter] for letter in result]
        return self.emit("contract", [x, y], [x.type.with_shape(shape)], equation=equation)[0]


def splat(x: Value) -> Scalar | None:
    """The element of a splat constant."""
    op = producer(x, "constant")
    if op is None or isinstance(op.attributes["value"], list):
        return None
    return op.attributes["value"]


def is_splat(x: Value) -> bool:
    return splat(x) is not None


def _through_unit_reshape(x: Value) -> Value | None:
    """The operand of a reshape that only adds or removes dims of size 1."""
    op = producer(x, "reshape")
    if op is None:
        return None
    inner = op.operands[0]
    squeezed = [[n for n in value.type.shape if n != 1] for value in (x, inner)]
    return inner if squeezed[0] == squeezed[1] else None
