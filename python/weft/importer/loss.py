# SPDX-License-Identifier: Apache-2.0
"""Loss operators, and the split of a scalar loss into terms (sum, weight, coefficient).

A mean cross-entropy is built as sum / weight, weight being the number of labels that count; `loss_terms` takes such quotients apart,
so that the compiler can add sums and weights over microbatches and ranks before it divides.
"""

from weft.builder import Builder, splat
from weft.importer.call import Call, Composable, Handler
from weft.importer.norm import mean
from weft.ir import Type, Value, producer

_IGNORED = -100


def _class_last(call: Call, logits: Value, labels: Value) -> tuple[Value, Value]:
    """Logits with the classes last and all other dims as the labels have them, looking through merged leading dims."""
    if logits.type.rank > 2:  # [N, C, ...]: classes second
        rank = logits.type.rank
        logits = call.build.transpose(logits, [0, *range(2, rank), 1])
    merged, flat = producer(logits, "reshape"), producer(labels, "reshape")
    if merged and flat:
        whole, ids = merged.operands[0], flat.operands[0]
        if whole.type.shape == (*ids.type.shape, logits.type.shape[-1]):
            return whole, ids
    return logits, labels


def _cross_entropy(call: Call) -> Value:
    build, logits, labels = call.build, call.tensor("self"), call.tensor("target")
    reduction = call.get("reduction", 1)
    is_weighted = call.get("weight") is not None or call.get("label_smoothing", 0.0) != 0 or labels.type.dtype != "i64"
    if is_weighted or call.get("ignore_index", _IGNORED) != _IGNORED or reduction == 0 or logits.type.rank < 2:
        raise Composable
    logits, labels = _class_last(call, logits, labels)
    lse = logits.type.with_shape(labels.type.shape)
    total = build.emit("cross_entropy", [logits, labels], [Type((), logits.type.dtype), lse])[0]
    if reduction == 2:
        return total
    counted = build.compare("ne", labels, build.constant(labels.type, _IGNORED))
    weight = build.reduce("sum", build.cast(counted, logits.type.dtype), list(range(labels.type.rank)))
    return build.binary("div", total, weight)


def _mse(call: Call) -> Value:
    build, reduction = call.build, call.get("reduction", 1)
    x, y = call.tensor("self"), call.tensor("target")
    difference = build.binary("sub", x, y)
    square = build.binary("mul", difference, difference)
    dims = list(range(x.type.rank))
    if reduction == 0:
        return square
    return mean(call, square, dims, False) if reduction == 1 else build.reduce("sum", square, dims)


def loss_terms(build: Builder, loss: Value, coefficient: float = 1.0) -> list[tuple[Value, Value, float]]:
    """(sum, weight, coefficient) of a scalar loss: weighted sums of mean cross-entropies come apart, all else has weight 1."""
    op = loss.op
    if op is not None and op.name == "add":
        return [term for operand in op.operands for term in loss_terms(build, operand, coefficient)]
    if op is not None and op.name == "sub":
        first, second = op.operands
        return loss_terms(build, first, coefficient) + loss_terms(build, second, -coefficient)
    if op is not None and op.name in ("mul", "div") and (factor := splat(op.operands[1])) is not None:
        scaled = coefficient * factor if op.name == "mul" else coefficient / factor
        return loss_terms(build, op.operands[0], scaled)
    if op is not None and op.name == "mul" and (factor := splat(op.operands[0])) is not None:
        return loss_terms(build, op.operands[1], coefficient * factor)
    if op is not None and op.name == "div" and producer(op.operands[0], "cross_entropy"):
        return [(build.cast(op.operands[0], "f32"), build.cast(op.operands[1], "f32"), coefficient)]
    total = build.cast(loss, "f32")
    return [(total, build.constant(total.type, 1.0), coefficient)]


TABLE: dict[str, Handler] = {"aten.cross_entropy_loss.default": _cross_entropy, "aten.mse_loss.default": _mse}
