# SPDX-License-Identifier: Apache-2.0
"""Operators that address a dim by another tensor."""

from typing import NamedTuple

from weft.builder import splat
from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Value, producer

_PASSED = ("broadcast", "reshape", "transpose", "boundary", "add", "sub")
_SHORT = 16  # elements: each is a slice
_NOT_COUNTED = "indexing by tensors is supported where each counts through its dim, or one is a short constant"


def _embedding(call: Call) -> Value:
    table, ids = call.tensor("weight"), call.build.cast(call.tensor("indices"), "i64")
    if (padding := call.get("padding_idx", -1)) >= 0 and table.needs_grad:
        raise Unsupported(f"a padding index ({padding}) is not supported: set the configuration's pad_token_id to null")
    if call.get("scale_grad_by_freq") or call.get("sparse"):
        raise Unsupported("gradients scaled by frequency, or sparse, are not supported")
    return call.build.emit("embedding", [ids, table], [call.type])[0]


def _gather(call: Call) -> Value:
    """One index along a dim, for each element of the others; or indices that count."""
    x, index = call.tensor("self"), call.tensor("index")
    dim = call.dim("dim", x.type.rank)
    if (counted := _counted(index)) is not None and counted.dim == dim and _drop(index.type.shape, dim) == _drop(x.type.shape, dim):
        return call.build.slice(x, dim, counted.start, counted.start + index.type.shape[dim])
    x = call.build.transpose(x, [*(d for d in range(x.type.rank) if d != dim), dim])
    lead = x.type.shape[:-1]
    if index.type.shape != (*lead[:dim], 1, *lead[dim:]):
        raise Unsupported("gather is supported with one index along its dim")
    picked = call.build.emit("pick", [x, call.build.reshape(index, lead)], [x.type.with_shape(lead)])[0]
    return call.build.reshape(picked, call.type.shape)


def _drop(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], *shape[dim + 1 :])


class _Counted(NamedTuple):
    """An index tensor that counts start, start + 1, ... along a dim, the same along the others."""

    dim: int
    start: int


def _counted(index: Value) -> _Counted | None:
    dims, start = list(range(index.type.rank)), 0
    while op := next((found for name in _PASSED if (found := producer(index, name))), None):
        index = op.operands[0]
        if op.name == "broadcast":
            dims = [dims[d] for d in op.attributes["dims"]]
        elif op.name == "transpose":
            dims = [dims[op.attributes["permutation"].index(d)] for d in range(index.type.rank)]
        elif op.name == "boundary":
            continue
        elif op.name == "reshape":
            before, after = index.type.shape, op.results[0].type.shape
            if [size for size in before if size != 1] != [size for size in after if size != 1]:
                return None
            kept = iter([dim for dim, size in zip(dims, after) if size != 1])
            dims = [next(kept) if size != 1 else 0 for size in before]
        elif (step := splat(op.operands[1])) is not None:
            start += step if op.name == "add" else -step
        else:
            return None
    return _Counted(dims[0], start) if producer(index, "iota") and index.type.rank == 1 and start >= 0 else None


def _rows(index: Value) -> list[int] | None:
    """The elements of a short constant index of rank 1."""
    op = producer(index, "constant")
    if op is None or index.type.rank != 1 or not 0 < index.type.size <= _SHORT:
        return None
    value = op.attributes["value"]
    return value if isinstance(value, list) else [value] * index.type.size


def _select(call: Call, x: Value, dim: int, index: Value) -> Value:
    """Elements along a dim by an index of rank 1: a range, or some by name."""
    build, size = call.build, x.type.shape[dim]
    if (rows := _rows(index)) is not None:
        return build.concat([build.slice(x, dim, row % size, row % size + 1) for row in rows], dim)
    if (counted := _counted(index)) is None:
        raise Unsupported(_NOT_COUNTED)
    return build.slice(x, dim, counted.start, counted.start + index.type.size)


def _index(call: Call) -> Value:
    """x[i, j, ...] where each index counts along a dim of its own, as masks and tables are read; or x has one value only."""
    build, x, indices, shape = call.build, call.tensor("self"), call.get("indices"), call.type.shape
    if (value := splat(x)) is not None:
        return build.constant(call.type, value)
    given = [i for i, index in enumerate(indices) if index is not None]
    if len(given) == 1 and indices[given[0]].type.rank == 1:
        return _select(call, x, given[0], indices[given[0]])
    if len(given) != len(indices):
        raise Unsupported(_NOT_COUNTED)
    rank, dims = len(shape) - (x.type.rank - len(indices)), []
    for i, index in enumerate(indices):
        if x.type.shape[i] == 1:
            dims.append(dims[-1] if dims else 0)
            continue
        if (counted := _counted(index)) is None:
            raise Unsupported(_NOT_COUNTED)
        dims.append(counted.dim + rank - index.type.rank)
        x = build.slice(x, i, counted.start, counted.start + shape[dims[-1]])
    dims += range(rank, len(shape))
    if dims != sorted(dims) or not all(size in (1, shape[dim]) for dim, size in zip(dims, x.type.shape)):
        raise Unsupported(_NOT_COUNTED)
    return build.broadcast(x, dims, shape)


def _index_select(call: Call) -> Value:
    x = call.tensor("self")
    return _select(call, x, call.dim("dim", x.type.rank), call.tensor("index"))


TABLE: dict[str, Handler] = {
    "aten.embedding.default": _embedding,
    "aten.gather.default": _gather,
    "aten.index.Tensor": _index,
    "aten.index_select.default": _index_select,
}
