# SPDX-License-Identifier: Apache-2.0
"""Matrix products as `nn.contract`. A product over one element (K = 1) is a multiplication of broadcasts."""

from weft.builder import splat
from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Type, Value

_LEAD = "btshuvw"  # leading dims of activations: batch, tokens, ...


def _linear(call: Call) -> Value:
    x, weight, bias = call.tensor("input"), call.tensor("weight"), call.optional("bias")
    lead = _LEAD[: x.type.rank - 1]
    result = call.build.contract(f"{lead}d,od->{lead}o", x, weight)
    if bias is None:
        return result
    return call.build.binary("add", result, call.build.stretch(bias, result.type.shape))


def _product(call: Call, x: Value, y: Value, shape: tuple[int, ...]) -> Value:
    """x [..., M, K] times y [..., K, N]; leading dims broadcast."""
    build = call.build
    if x.type.shape[-1] == 1 and x.type.rank > 1 and y.type.rank > 1:
        return build.binary("mul", build.stretch(x, shape), build.stretch(y, shape))
    lead = max(x.type.rank, y.type.rank) - 2
    letters = _LEAD[:lead]
    terms, values = [], []
    for value, tail in ((x, "md"), (y, "dn")):
        own = letters[lead - (value.type.rank - 2) :] if value.type.rank > 2 else ""
        # A leading dim of size 1 only broadcasts: the product does not carry its letter.
        kept = [i for i in range(len(own)) if value.type.shape[i] != 1 or shape[lead - len(own) + i] == 1]
        values.append(build.reshape(value, [value.type.shape[i] for i in kept] + list(value.type.shape[len(own) :])))
        terms.append("".join(own[i] for i in kept) + tail)
    return build.reshape(build.contract(f"{terms[0]},{terms[1]}->{_order(letters, terms)}mn", *values), shape)


def _order(letters: str, terms: list[str]) -> str:
    return "".join(letter for letter in letters if letter in terms[0] + terms[1])


def _matmul(call: Call) -> Value:
    x, y = call.tensor("self"), call.tensor("other" if "other" in call.arguments else "mat2")
    left, right = x.type.rank == 1, y.type.rank == 1
    shape = list(call.type.shape)
    if right:
        y, shape = call.build.reshape(y, [y.type.size, 1]), shape + [1]
    if left:
        x = call.build.reshape(x, [1, x.type.size])
        shape.insert(len(shape) - 1, 1)
    return call.build.reshape(_product(call, x, y, tuple(shape)), call.type.shape)


def _addmm(call: Call) -> Value:
    names = ("mat1", "mat2") if "mat1" in call.arguments else ("batch1", "batch2")
    build, product = call.build, _product(call, call.tensor(names[0]), call.tensor(names[1]), call.type.shape)
    added = call.operand("self", call.type.dtype)
    product = build.binary("mul", product, build.constant(product.type, float(call.get("alpha", 1))))
    added = build.binary("mul", added, build.constant(added.type, float(call.get("beta", 1))))
    return build.binary("add", added, product)


def _cumsum(call: Call) -> Value:
    """A product of finite numbers with a triangle of ones, which adds in the order of the dim."""
    build, x = call.build, call.build.cast(call.tensor("self"), call.type.dtype)
    dim, rank = call.dim("dim", x.type.rank), x.type.rank
    size = x.type.shape[dim] if rank else 1
    if (value := splat(x)) is not None:
        count = build.binary("add", build.iota(size), build.constant(Type((size,), "i64"), 1))
        sums = build.binary("mul", build.cast(count, x.type.dtype), build.constant(Type((size,), x.type.dtype), value))
        return build.reshape(build.broadcast(sums, [dim] if rank else [], x.type.shape), x.type.shape) if size > 1 else x
    if not x.type.is_float:
        raise Unsupported("sums of whole numbers along a dim are supported of constants only")
    rows, columns = (build.broadcast(build.iota(size), [d], (size, size)) for d in (0, 1))
    triangle = build.cast(build.compare("le", rows, columns), x.type.dtype)
    letters = _LEAD[:rank]
    return build.contract(f"{letters},{letters[dim]}o->{letters.replace(letters[dim], 'o')}", x, triangle)


TABLE: dict[str, Handler] = {
    "aten.linear.default": _linear,
    "aten.matmul.default": _matmul,
    "aten.mm.default": _matmul,
    "aten.cumsum.default": _cumsum,
    "aten.bmm.default": _matmul,
    "aten.addmm.default": _addmm,
    "aten.baddbmm.default": _addmm,
}
