# SPDX-License-Identifier: Apache-2.0
"""Reductions, and normalisations built from them. Softmax and RMS norm are whole ops; the others are spelled out."""

from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Type, Value


def _dims(call: Call, x: Value) -> list[int]:
    dims = call.get("dim")
    if dims is None or dims == []:
        return list(range(x.type.rank))
    return [d % max(x.type.rank, 1) for d in (dims if isinstance(dims, (list, tuple)) else [dims])]


def _reduce(kind: str) -> Handler:
    def handle(call: Call) -> Value:
        x = call.build.cast(call.tensor("self"), call.type.dtype)
        return call.build.reduce(kind, x, _dims(call, x), bool(call.get("keepdim", False)))

    return handle


def mean(call: Call, x: Value, dims: list[int], keep: bool) -> Value:
    """The sum divided by the number of elements."""
    total = call.build.reduce("sum", x, dims, keep)
    count = x.type.size // max(total.type.size, 1)
    return call.build.binary("div", total, call.build.constant(total.type, float(count)))


def _mean(call: Call) -> Value:
    x = call.build.cast(call.tensor("self"), call.type.dtype)
    return mean(call, x, _dims(call, x), bool(call.get("keepdim", False)))


def _last_dims(call: Call, x: Value) -> list[int]:
    return list(range(x.type.rank - len(call.get("normalized_shape")), x.type.rank))


def _layer_norm(call: Call) -> Value:
    build, x = call.build, call.tensor("input")
    dims = _last_dims(call, x)
    centred = build.binary("sub", x, build.stretch(mean(call, x, dims, True), x.type.shape))
    variance = mean(call, build.binary("mul", centred, centred), dims, True)
    eps = build.constant(variance.type, float(call.get("eps", 1e-5)))
    scale = build.unary("rsqrt", build.binary("add", variance, eps))
    result = build.binary("mul", centred, build.stretch(scale, x.type.shape))
    if (weight := call.optional("weight")) is not None:
        result = build.binary("mul", result, build.stretch(weight, x.type.shape))
    if (bias := call.optional("bias")) is not None:
        result = build.binary("add", result, build.stretch(bias, x.type.shape))
    return result


def _rms_norm(call: Call) -> Value:
    x, weight = call.tensor("input"), call.optional("weight")
    if _last_dims(call, x) != [x.type.rank - 1]:
        raise Unsupported("rms_norm over more than the last dim is not supported")
    # PyTorch's default is the machine epsilon of the type it computes in, which is f32 for the half types.
    eps = float(call.get("eps", 2.0**-52 if x.type.dtype == "f64" else 2.0**-23))
    if weight is None:
        weight = call.build.constant(Type(x.type.shape[-1:], x.type.dtype), 1.0)
    rstd = x.type.with_shape(x.type.shape[:-1])
    return call.build.emit("rms_norm", [x, weight], [x.type, rstd], eps=eps)[0]


def _softmax(call: Call) -> Value:
    build, x = call.build, call.build.cast(call.tensor("self"), call.type.dtype)
    dim, last = call.dim("dim", x.type.rank), x.type.rank - 1
    order = list(range(x.type.rank))
    order[dim], order[last] = last, dim
    return build.transpose(build.unary("softmax", build.transpose(x, order)), order)


TABLE: dict[str, Handler] = {
    "aten.sum.default": _reduce("sum"),
    "aten.sum.dim_IntList": _reduce("sum"),
    "aten.amax.default": _reduce("max"),
    "aten.amin.default": _reduce("min"),
    "aten.max.default": _reduce("max"),
    "aten.min.default": _reduce("min"),
    "aten.prod.default": _reduce("product"),
    "aten.prod.dim_int": _reduce("product"),
    "aten.mean.default": _mean,
    "aten.mean.dim": _mean,
    "aten.layer_norm.default": _layer_norm,
    "aten.rms_norm.default": _rms_norm,
    "aten.softmax.int": _softmax,
    "aten._softmax.default": _softmax,
}
