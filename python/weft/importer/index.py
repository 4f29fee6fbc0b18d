# SPDX-License-Identifier: Apache-2.0
"""Operators that address a dim by another tensor."""

from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Value


def _embedding(call: Call) -> Value:
    table, ids = call.tensor("weight"), call.build.cast(call.tensor("indices"), "i64")
    if (padding := call.get("padding_idx", -1)) >= 0 and table.needs_grad:
        raise Unsupported(f"a padding index ({padding}) is not supported: set the configuration's pad_token_id to null")
    if call.get("scale_grad_by_freq") or call.get("sparse"):
        raise Unsupported("gradients scaled by frequency, or sparse, are not supported")
    return call.build.emit("embedding", [ids, table], [call.type])[0]


def _gather(call: Call) -> Value:
    """One index per row of the last dim."""
    x, index = call.tensor("self"), call.tensor("index")
    lead = x.type.shape[:-1]
    if call.dim("dim", x.type.rank) != x.type.rank - 1 or index.type.shape != (*lead, 1):
        raise Unsupported("gather is supported along the last dim, with one index per row")
    picked = call.build.emit("pick", [x, call.build.reshape(index, lead)], [x.type.with_shape(lead)])[0]
    return call.build.reshape(picked, call.type.shape)


TABLE: dict[str, Handler] = {"aten.embedding.default": _embedding, "aten.gather.default": _gather}
