# SPDX-License-Identifier: Apache-2.0
"""Matrix products as `nn.contract`. A product over one element (K = 1) is a multiplication of broadcasts."""

from weft.importer.call import Call, Handler
from weft.ir import Value

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


TABLE: dict[str, Handler] = {
    "aten.linear.default": _linear,
    "aten.matmul.default": _matmul,
    "aten.mm.default": _matmul,
    "aten.bmm.default": _matmul,
    "aten.addmm.default": _addmm,
    "aten.baddbmm.default": _addmm,
}
