# SPDX-License-Identifier: Apache-2.0
"""Complex numbers as pairs, the real and the imaginary part in a last dim of size 2: what rotary embeddings do with them.

`type_of` gives a complex tensor that dim. Reshapes and expansions then mean what their results' shapes say.
"""

from weft.importer.call import Call, Handler, Unsupported
from weft.importer.elementwise import TABLE as ELEMENTWISE
from weft.importer.shape import TABLE as SHAPE
from weft.ir import Value


def _parts(call: Call, name: str) -> tuple[Value, Value]:
    """The real and the imaginary part of an operand, of the result's shape."""
    build, x = call.build, call.build.stretch(call.tensor(name), call.type.shape)
    shape, last = call.type.shape[:-1], call.type.rank - 1
    return build.reshape(build.slice(x, last, 0, 1), shape), build.reshape(build.slice(x, last, 1, 2), shape)


def _pairs(call: Call, real: Value, imaginary: Value) -> Value:
    parts = [call.build.reshape(part, [*part.type.shape, 1]) for part in (real, imaginary)]
    return call.build.concat(parts, call.type.rank - 1)


def _mul(call: Call) -> Value:
    if call.optional("other") is None:
        raise Unsupported("complex numbers are multiplied by complex numbers only")
    (a, b), (c, d), binary = _parts(call, "self"), _parts(call, "other"), call.build.binary
    real = binary("sub", binary("mul", a, c), binary("mul", b, d))
    return _pairs(call, real, binary("add", binary("mul", a, d), binary("mul", b, c)))


def _conj(call: Call) -> Value:
    real, imaginary = _parts(call, "self")
    return _pairs(call, real, call.build.unary("neg", imaginary))


def _polar(call: Call) -> Value:
    build, size, angle = call.build, call.tensor("abs"), call.tensor("angle")
    return _pairs(call, *(build.binary("mul", size, build.unary(name, angle)) for name in ("cos", "sin")))


def _along(handler: Handler) -> Handler:
    """An operator along one dim: dims counted from the back don't count that of the pairs."""

    def handle(call: Call) -> Value:
        rank = call.tensor("self").type.rank - 1
        return handler(Call(call.build, {**call.arguments, "dim": call.dim("dim", rank)}, call.results))

    return handle


def _identity(call: Call) -> Value:
    if call.tensor("self").type != call.type:
        raise Unsupported("complex numbers are not cast")
    return call.tensor("self")


TABLE: dict[str, Handler] = {name: SHAPE[name] for name in SHAPE if SHAPE[name] in (SHAPE["aten.view.default"], SHAPE["aten.expand.default"])}
TABLE |= {f"aten.{name}": _along(SHAPE[f"aten.{name}"]) for name in ("slice.Tensor", "select.int", "narrow.default")}
TABLE |= {f"aten.{name}": _identity for name in ("clone.default", "contiguous.default", "alias.default", "to.dtype", "to.device", "_to_copy.default")}
TABLE |= {
    "aten.detach.default": ELEMENTWISE["aten.detach.default"],
    "aten.view_as_complex.default": _identity,
    "aten.view_as_real.default": _identity,
    "aten.mul.Tensor": _mul,
    "aten._conj.default": _conj,
    "aten.conj.default": _conj,
    "aten.polar.default": _polar,
}
FROM_REAL = ("aten.view_as_complex.default", "aten.polar.default")
