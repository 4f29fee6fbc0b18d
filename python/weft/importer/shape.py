# SPDX-License-Identifier: Apache-2.0
"""Operators that move elements: views, permutations, expansion, slices, concatenation, and ranges."""

from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Type, Value


def _reshape(call: Call) -> Value:
    """Every view whose meaning is its result's shape."""
    return call.build.reshape(call.tensor("self"), call.type.shape)


def _transpose(call: Call) -> Value:
    x = call.tensor("self")
    order = list(range(x.type.rank))
    first, second = call.dim("dim0", x.type.rank), call.dim("dim1", x.type.rank)
    order[first], order[second] = second, first
    return call.build.transpose(x, order)


def _permute(call: Call) -> Value:
    x = call.tensor("self")
    return call.build.transpose(x, [d % x.type.rank for d in call.get("dims")])


def _transpose_matrix(call: Call) -> Value:
    x = call.tensor("self")
    return call.build.transpose(x, list(reversed(range(x.type.rank))))


def _expand(call: Call) -> Value:
    return call.build.stretch(call.tensor("self"), call.type.shape)


def _broadcast_tensors(call: Call) -> list[Value]:
    return [call.build.stretch(x, type.shape) for x, type in zip(call.tensors("tensors"), call.results)]


def _slice(call: Call) -> Value:
    x = call.tensor("self")
    dim = call.dim("dim", x.type.rank)
    size, stride = x.type.shape[dim], call.get("step", 1)
    start, stop = call.get("start", 0), call.get("end", size)
    start, stop = (min(max(i + size if i < 0 else i, 0), size) for i in (start, stop))
    return call.build.slice(x, dim, start, max(start, stop), stride)


def _select(call: Call) -> Value:
    x = call.tensor("self")
    dim = call.dim("dim", x.type.rank)
    index = call.integer("index") % x.type.shape[dim]
    return call.build.reshape(call.build.slice(x, dim, index, index + 1), call.type.shape)


def _narrow(call: Call) -> Value:
    x, start = call.tensor("self"), call.integer("start")
    return call.build.slice(x, call.dim("dim", x.type.rank), start, start + call.integer("length"))


def _pieces(call: Call) -> list[Value]:
    """Split and chunk: the result types already say how long each piece is."""
    x, start, pieces = call.tensor("self"), 0, []
    dim = call.dim("dim", x.type.rank)
    for type in call.results:
        pieces.append(call.build.slice(x, dim, start, start + type.shape[dim]))
        start += type.shape[dim]
    return pieces


def _unbind(call: Call) -> list[Value]:
    x = call.tensor("self")
    dim = call.dim("dim", x.type.rank)
    parts = [call.build.slice(x, dim, i, i + 1) for i in range(x.type.shape[dim])]
    return [call.build.reshape(part, type.shape) for part, type in zip(parts, call.results)]


def _concat(call: Call) -> Value:
    values = [v for v in call.tensors("tensors") if v.type.shape != (0,)]
    values = [call.build.cast(value, call.type.dtype) for value in values]
    return call.build.concat(values, call.dim("dim", call.type.rank))


def _stack(call: Call) -> Value:
    dim = call.dim("dim", call.type.rank)
    shape = [1 if i == dim else n for i, n in enumerate(call.type.shape)]
    values = [call.build.reshape(call.build.cast(v, call.type.dtype), shape) for v in call.tensors("tensors")]
    return call.build.concat(values, dim)


def _pad(call: Call) -> Value:
    """Padding by less than nothing cuts; by other than zeros, it is chosen where ones end."""
    build, x, pads = call.build, call.tensor("self"), list(call.get("pad"))
    if call.get("mode", "constant") != "constant":
        raise Unsupported(f'padding of mode "{call.get("mode")}" is not supported')
    low, high = [0] * x.type.rank, [0] * x.type.rank
    for i in range(len(pads) // 2):
        low[-1 - i], high[-1 - i] = pads[2 * i], pads[2 * i + 1]
    for dim, (before, behind) in enumerate(zip(low, high)):
        if before < 0 or behind < 0:
            x = build.slice(x, dim, max(-before, 0), x.type.shape[dim] + min(behind, 0))

    def padded(value: Value) -> Value:
        amounts = {"low": [max(n, 0) for n in low], "high": [max(n, 0) for n in high]}
        return build.emit("pad", [value], [value.type.with_shape(call.type.shape)], **amounts, interior=[0] * value.type.rank)[0]

    if (value := call.get("value", 0)) == 0:
        return padded(x)
    ones = padded(build.constant(Type(x.type.shape, "f32"), 1.0))
    filler = build.constant(call.type, float(value) if call.type.is_float else value)
    return build.select(build.compare("ne", ones, build.constant(ones.type, 0.0)), padded(x), filler)


def _roll(call: Call) -> Value:
    x, shifts, dims = call.tensor("self"), call.get("shifts"), call.get("dims")
    shifts = shifts if isinstance(shifts, (list, tuple)) else [shifts]
    shape, dims = x.type.shape, dims if isinstance(dims, (list, tuple)) else [dims]
    if not dims:
        x, dims = call.build.reshape(x, [x.type.size]), [0]
    for shift, dim in zip(shifts, (dim % x.type.rank for dim in dims)):
        size = x.type.shape[dim]
        if start := -shift % max(size, 1):
            x = call.build.concat([call.build.slice(x, dim, start, size), call.build.slice(x, dim, 0, start)], dim)
    return call.build.reshape(x, shape)


def _repeat_interleave(call: Call) -> Value:
    """Each element along the dim `repeats` times, side by side; without a dim, of all elements in order."""
    x, repeats = call.tensor("self"), call.integer("repeats")
    if call.get("dim") is None:
        x, dim = call.build.reshape(x, [x.type.size]), 0
    else:
        dim = call.dim("dim", x.type.rank)
    before, behind = x.type.shape[: dim + 1], x.type.shape[dim + 1 :]
    apart = call.build.reshape(x, [*before, 1, *behind])
    return call.build.reshape(call.build.stretch(apart, (*before, repeats, *behind)), call.type.shape)


def _eye(call: Call) -> Value:
    build, shape = call.build, call.type.shape
    rows, columns = (build.broadcast(build.iota(size), [dim], shape) for dim, size in enumerate(shape))
    return build.cast(build.compare("eq", rows, columns), call.type.dtype)


def _arange(call: Call) -> Value:
    build, start, step = call.build, call.get("start", 0), call.get("step", 1)
    wide = call.type.dtype if call.type.is_float else "i64"
    if wide in ("bf16", "f16"):
        raise Unsupported(f"arange of {wide} is not supported")
    if call.type.size == 1:
        return build.constant(call.type, float(start) if call.type.is_float else start)
    values = build.cast(build.iota(call.type.size), wide)
    as_splat = float if call.type.is_float else int
    values = build.binary("mul", values, build.constant(values.type, as_splat(step)))
    values = build.binary("add", values, build.constant(values.type, as_splat(start)))
    return build.cast(values, call.type.dtype)


def _triangle(predicate: str) -> Handler:
    """tril and triu: zero where the column is beyond the row plus the diagonal."""

    def handle(call: Call) -> Value:
        build, x = call.build, call.tensor("self")
        shape, rank = x.type.shape, x.type.rank
        rows = build.broadcast(build.iota(shape[-2]), [rank - 2], shape)
        columns = build.broadcast(build.iota(shape[-1]), [rank - 1], shape)
        rows = build.binary("add", rows, build.constant(Type(shape, "i64"), call.get("diagonal", 0)))
        zero = build.constant(x.type, 0.0 if x.type.is_float else 0)
        return build.select(build.compare(predicate, columns, rows), x, zero)

    return handle


TABLE: dict[str, Handler] = {
    f"aten.{name}": _reshape
    for name in (
        "view.default", "reshape.default", "_unsafe_view.default", "view_as.default", "reshape_as.default", "unsqueeze.default",
        "squeeze.default", "squeeze.dim", "squeeze.dims", "flatten.using_ints", "unflatten.int", "_reshape_alias.default",
    )  # fmt: skip
}
TABLE |= {f"aten.{name}": _pieces for name in ("split.Tensor", "split_with_sizes.default", "split.sizes", "chunk.default")}
TABLE |= {f"aten.arange.{name}": _arange for name in ("default", "start", "start_step")}
TABLE |= {
    "aten.transpose.int": _transpose,
    "aten.permute.default": _permute,
    "aten.t.default": _transpose_matrix,
    "aten.numpy_T.default": _transpose_matrix,
    "aten.expand.default": _expand,
    "aten.expand_as.default": _expand,
    "aten.broadcast_to.default": _expand,
    "aten.broadcast_tensors.default": _broadcast_tensors,
    "aten.slice.Tensor": _slice,
    "aten.select.int": _select,
    "aten.narrow.default": _narrow,
    "aten.unbind.int": _unbind,
    "aten.cat.default": _concat,
    "aten.stack.default": _stack,
    "aten.constant_pad_nd.default": _pad,
    "aten.pad.default": _pad,
    "aten.roll.default": _roll,
    "aten.repeat_interleave.self_int": _repeat_interleave,
    "aten.eye.default": _eye,
    "aten.eye.m": _eye,
    "aten.tril.default": _triangle("le"),
    "aten.triu.default": _triangle("ge"),
}
