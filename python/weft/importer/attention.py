# SPDX-License-Identifier: Apache-2.0
"""Scaled dot-product attention as `nn.attention`; keys and values repeated for grouped heads are passed unrepeated."""

from math import sqrt

from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Value, producer


def _unrepeated(x: Value) -> Value:
    """Looks through [B, K, S, D] -> broadcast [B, K, R, S, D] -> reshape [B, K * R, S, D]."""
    merge = producer(x, "reshape")
    spread = merge and producer(merge.operands[0], "broadcast")
    if not spread or spread.attributes["dims"] != [0, 1, 3, 4] or x.type.rank != 4:
        return x
    inner, shape = spread.operands[0], spread.results[0].type.shape
    return inner if x.type.shape == (shape[0], shape[1] * shape[2], *shape[3:]) else x


def _attention(call: Call) -> Value:
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    if call.get("attn_mask") is not None:
        raise Unsupported("attention with a mask tensor is not supported: only full and causal attention are")
    if call.get("dropout_p", 0.0) != 0:
        raise Unsupported("attention with dropout is not supported: set it to 0 in the configuration")
    if query.type.rank != 4 or query.type.shape[-1] != value.type.shape[-1]:
        raise Unsupported("attention needs [batch, heads, positions, size] operands of one head size")
    key, value = _unrepeated(key), _unrepeated(value)
    if query.type.shape[1] % key.type.shape[1] or key.type != value.type:
        raise Unsupported(f"kv heads do not divide the query heads: got {key.type} and {value.type} for {query.type}")
    positions = [call.build.iota(x.type.shape[2]) for x in (query, key)]
    attributes: dict[str, object] = {"scale": float(call.get("scale", 1 / sqrt(query.type.shape[-1])))}
    if call.get("is_causal"):
        attributes["causal"] = None
    types = [query.type, query.type.with_shape(query.type.shape[:3])]
    return call.build.emit("attention", [query, key, value, *positions], types, **attributes)[0]


TABLE: dict[str, Handler] = {"aten.scaled_dot_product_attention.default": _attention}
