# SPDX-License-Identifier: Apache-2.0
"""Operators that address a dim by another tensor."""

from weft.builder import splat
from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Value, producer


def _embedding(call: Call) -> Value:
    table, ids = call.tensor("weight"), call.build.cast(call.tensor("indices"), "i64")
    if (padding := call.get("padding_idx", -1)) >= 0 and table.needs_grad:
        raise Unsupported(f"a padding index ({padding}) is not supported: set the configuration's pad_token_id to null")
    if call.get("scale_grad_by_freq") or call.get("sparse"):
        raise Unsupported("gradients scaled by frequency, or sparse, are not supported")
    return call.build.emit("embedding", [ids, table], [call.type])[0]


def _gather(call: Call) -> Value:
    """One index along a dim, for each element of the others."""
    x, index = call.tensor("self"), call.tensor("index")
    dim = call.dim("dim", x.type.rank)
    x = call.build.transpose(x, [*(d for d in range(x.type.rank) if d != dim), dim])
    lead = x.type.shape[:-1]
    if index.type.shape != (*lead[:dim], 1, *lead[dim:]):
        raise Unsupported("gather is supported with one index along its dim")
    picked = call.build.emit("pick", [x, call.build.reshape(index, lead)], [x.type.with_shape(lead)])[0]
    return call.build.reshape(picked, call.type.shape)


def _counted_dim(index: Value) -> int | None:
    """The dim along which an index tensor counts 0, 1, 2, ..., the same along the others."""
    dims = list(range(index.type.rank))
    while op := producer(index, "broadcast") or producer(index, "reshape"):
        index = op.operands[0]
        if op.name == "broadcast":
            dims = [dims[d] for d in op.attributes["dims"]]
            continue
        kept = [dim for dim, size in zip(dims, op.results[0].type.shape) if size != 1]
        if index.type.rank != 1 or len(kept) != 1:
            return None
        dims = kept
    return dims[0] if producer(index, "iota") and index.type.rank == 1 else None


def _index(call: Call) -> Value:
    """x[i, j, ...] where each index counts through its dim, as masks are made; or x has one value only."""
    x, indices = call.tensor("self"), call.get("indices")
    if (value := splat(x)) is not None:
        return call.build.constant(call.type, value)
    if len(indices) == x.type.rank and all(isinstance(index, Value) for index in indices):
        shape, dims = call.type.shape, []
        for size, index in zip(x.type.shape, indices):
            if size == 1:
                dims.append(dims[-1] if dims else 0)
                continue
            place = _counted_dim(index)
            dims.append(None if place is None else place + len(shape) - index.type.rank)
        if None not in dims and dims == sorted(dims) and all(size in (1, shape[dim]) for dim, size in zip(dims, x.type.shape)):
            return call.build.broadcast(x, dims, shape)
    raise Unsupported("indexing by tensors is supported where each counts through its dim")


TABLE: dict[str, Handler] = {"aten.embedding.default": _embedding, "aten.gather.default": _gather, "aten.index.Tensor": _index}
