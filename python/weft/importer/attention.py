# SPDX-License-Identifier: Apache-2.0
"""Scaled dot-product attention as `nn.attention`; keys and values repeated for grouped heads are passed unrepeated.

With a mask tensor it is spelled out: the compiler's forms find out what the mask means (lib/Transforms/Composites.mlir).
"""

from math import sqrt

from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Value, producer

_LOWEST = -3.4028234663852886e38  # of f32; finite, so that a row without keys is no NaN


def _unrepeated(x: Value) -> Value:
    """Looks through [B, K, S, D] -> broadcast [B, K, R, S, D] -> reshape [B, K * R, S, D]."""
    merge = producer(x, "reshape")
    spread = merge and producer(merge.operands[0], "broadcast")
    if not spread or spread.attributes["dims"] != [0, 1, 3, 4] or x.type.rank != 4:
        return x
    inner, shape = spread.operands[0], spread.results[0].type.shape
    return inner if x.type.shape == (shape[0], shape[1] * shape[2], *shape[3:]) else x


def _spelled_out(call: Call, query: Value, key: Value, value: Value, mask: Value, scale: float) -> Value:
    """softmax(q k^T * scale, masked) v with the query heads of a kv head as a dim of their own."""
    build, (batch, heads, queries, size), (_, groups, keys, _) = call.build, query.type.shape, key.type.shape
    split = [batch, groups, heads // groups]
    scores = build.contract("bkgsd,bktd->bkgst", build.reshape(query, [*split, queries, size]), key)
    scores = build.emit("mul", [scores, build.constant(scores.type, scale)], [scores.type])[0]
    lead = [1] * (4 - mask.type.rank) + list(mask.type.shape)
    lead[1:2] = [groups, heads // groups] if lead[1] == heads > 1 else [1, 1]
    spread = build.stretch(build.reshape(mask, lead), scores.type.shape)
    if mask.type.dtype == "i1":
        scores = build.select(spread, scores, build.constant(scores.type, _LOWEST))
    else:
        scores = build.binary("add", scores, build.cast(spread, scores.type.dtype))
    out = build.contract("bkgst,bktd->bkgsd", build.softmax(scores), value)
    return build.reshape(out, query.type.shape)


def _attention(call: Call) -> Value:
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    if call.get("dropout_p", 0.0) != 0:
        raise Unsupported("attention with dropout is not supported: set it to 0 in the configuration")
    if query.type.rank != 4 or query.type.shape[-1] != value.type.shape[-1]:
        raise Unsupported("attention needs [batch, heads, positions, size] operands of one head size")
    key, value = _unrepeated(key), _unrepeated(value)
    if query.type.shape[1] % key.type.shape[1] or key.type != value.type:
        raise Unsupported(f"kv heads do not divide the query heads: got {key.type} and {value.type} for {query.type}")
    scale = float(call.get("scale", 1 / sqrt(query.type.shape[-1])))
    if (mask := call.optional("attn_mask")) is not None:
        return _spelled_out(call, query, key, value, mask, scale)
    positions = [call.build.iota(x.type.shape[2]) for x in (query, key)]
    attributes: dict[str, object] = {"scale": scale}
    if call.get("is_causal"):
        attributes["causal"] = None
    types = [query.type, query.type.with_shape(query.type.shape[:3])]
    return call.build.emit("attention", [query, key, value, *positions], types, **attributes)[0]


TABLE: dict[str, Handler] = {"aten.scaled_dot_product_attention.default": _attention}
