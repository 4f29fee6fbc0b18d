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


def _variance(call: Call) -> tuple[Value, Value]:
    """Variance and mean; with `correction` c, of which `unbiased` is 1, the squares are divided by n - c."""
    build, x = call.build, call.tensor("self")
    dims, keep = _dims(call, x), bool(call.get("keepdim", False))
    average = mean(call, x, dims, True)
    centred = build.binary("sub", x, build.stretch(average, x.type.shape))
    squares = build.reduce("sum", build.binary("mul", centred, centred), dims, keep)
    count = x.type.size // max(squares.type.size, 1)
    free = max(count - call.get("correction", 1 if call.get("unbiased", True) else 0), 0)
    return build.binary("div", squares, build.constant(squares.type, float(free))), build.reshape(average, squares.type.shape)


def _root(call: Call, x: Value) -> Value:
    """A square root whose gradient at 0 is 0, which is PyTorch's choice where it is that of a sum of squares."""
    build, zero = call.build, call.build.constant(x.type, 0.0)
    is_zero = build.compare("eq", x, zero)
    return build.select(is_zero, zero, build.unary("sqrt", build.select(is_zero, build.constant(x.type, 1.0), x)))


def _vector_norm(call: Call) -> Value:
    build, x, order = call.build, call.build.cast(call.tensor("self"), call.type.dtype), call.get("ord", 2)
    dims, keep = _dims(call, x), bool(call.get("keepdim", False))
    if order not in (1, 2):
        raise Unsupported(f"norms of order 1 and 2 are supported: got {order}")
    if order == 1:
        return build.reduce("sum", build.unary("abs", x), dims, keep)
    return _root(call, build.reduce("sum", build.binary("mul", x, x), dims, keep))


def _last_dims(call: Call, x: Value) -> list[int]:
    return list(range(x.type.rank - len(call.get("normalized_shape")), x.type.rank))


def _normalised(call: Call, x: Value, dims: list[int]) -> Value:
    """Less the mean, divided by the root of the variance."""
    build = call.build
    centred = build.binary("sub", x, build.stretch(mean(call, x, dims, True), x.type.shape))
    variance = mean(call, build.binary("mul", centred, centred), dims, True)
    eps = build.constant(variance.type, float(call.get("eps", 1e-5)))
    scale = build.unary("rsqrt", build.binary("add", variance, eps))
    return build.binary("mul", centred, build.stretch(scale, x.type.shape))


def _layer_norm(call: Call) -> Value:
    build, x = call.build, call.tensor("input")
    result = _normalised(call, x, _last_dims(call, x))
    if (weight := call.optional("weight")) is not None:
        result = build.binary("mul", result, build.stretch(weight, x.type.shape))
    if (bias := call.optional("bias")) is not None:
        result = build.binary("add", result, build.stretch(bias, x.type.shape))
    return result


def _group_norm(call: Call) -> Value:
    """Channels are the second dim; a group of them and all dims behind are normalised together."""
    build, x = call.build, call.tensor("input")
    shape, groups = x.type.shape, call.integer("num_groups")
    grouped = build.reshape(x, [shape[0], groups, x.type.size // max(shape[0] * groups, 1)])
    result = build.reshape(_normalised(call, grouped, [2]), shape)
    for name, kind in (("weight", "mul"), ("bias", "add")):
        if (factor := call.optional(name)) is not None:
            channels = build.reshape(factor, [shape[1], *[1] * (len(shape) - 2)])
            result = build.binary(kind, result, build.stretch(channels, shape))
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
    return build.transpose(build.softmax(build.transpose(x, order)), order)


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
    "aten.group_norm.default": _group_norm,
    "aten.linalg_vector_norm.default": _vector_norm,
    "aten.softmax.int": _softmax,
    "aten._softmax.default": _softmax,
}
for _overload in ("default", "dim", "correction"):
    TABLE[f"aten.var.{_overload}"] = lambda call: _variance(call)[0]
    TABLE[f"aten.std.{_overload}"] = lambda call: _root(call, _variance(call)[0])
    TABLE[f"aten.var_mean.{_overload}"] = lambda call: list(_variance(call))
