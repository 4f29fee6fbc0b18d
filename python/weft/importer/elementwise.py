# SPDX-License-Identifier: Apache-2.0
"""Elementwise operators: arithmetic, functions, comparisons, casts and the no-ops of training graphs.

Operands are cast to the dtype PyTorch computes in (the result's, for arithmetic) and broadcast explicitly; scalars are splats.
"""

import math

from weft.builder import splat
from weft.importer.call import Call, Handler, Unsupported
from weft.ir import Value


_ON_BOOLEANS = {"mul": "logical_and", "add": "logical_or"}


def _unary(name: str) -> Handler:
    def handle(call: Call) -> Value:
        return call.build.unary(name, call.build.cast(call.tensor("self"), call.type.dtype))

    return handle


def _binary(name: str, x: str = "self", y: str = "other") -> Handler:
    def handle(call: Call) -> Value:
        dtype = call.type.dtype
        if name == "div" and call.get("rounding_mode") is not None:
            raise Unsupported("division with a rounding mode is not supported")
        if dtype == "i1":
            if name not in _ON_BOOLEANS:
                raise Unsupported("arithmetic on booleans is not supported")
            return call.build.binary(_ON_BOOLEANS[name], call.operand(x, dtype), call.operand(y, dtype))
        right = call.operand(y, dtype)
        if (alpha := call.get("alpha", 1)) != 1:
            factor = call.build.constant(right.type, float(alpha) if right.type.is_float else alpha)
            right = call.build.binary("mul", right, factor)
        return call.build.binary(name, call.operand(x, dtype), right)

    return handle


def _logical(name: str) -> Handler:
    def handle(call: Call) -> Value:
        if call.type.dtype != "i1":
            raise Unsupported("bitwise operators are supported on booleans only")
        return call.build.binary(name, call.operand("self", "i1"), call.operand("other", "i1"))

    return handle


def _compare(predicate: str) -> Handler:
    def handle(call: Call) -> Value:
        x, y = call.tensor("self"), call.arguments["other"]
        dtype = x.type.dtype
        if isinstance(y, Value) and y.type.dtype != dtype:
            dtype = y.type.dtype if y.type.is_float or dtype == "i1" else dtype
        if isinstance(y, float) and not x.type.is_float:
            dtype = "f32"
        return call.build.compare(predicate, call.operand("self", dtype), call.operand("other", dtype))

    return handle


def _pow(call: Call) -> Value:
    """Small exponents as PyTorch computes them: by multiplication, root and reciprocal."""
    x, exponent = call.operand("self", call.type.dtype), call.arguments["exponent"]
    if isinstance(exponent, Value):
        return call.build.binary("pow", x, call.operand("exponent", call.type.dtype))
    if exponent == 1:
        return x
    if exponent == 2:
        return call.build.binary("mul", x, x)
    if exponent == 3:
        return call.build.binary("mul", call.build.binary("mul", x, x), x)
    if x.type.is_float and exponent in (0.5, -0.5):
        return call.build.unary("sqrt" if exponent > 0 else "rsqrt", x)
    if x.type.is_float and exponent == -1:
        return _reciprocal(call)
    return call.build.binary("pow", x, call.operand("exponent", call.type.dtype))


def _reciprocal(call: Call) -> Value:
    x = call.operand("self", call.type.dtype)
    return call.build.binary("div", call.build.constant(x.type, 1.0), x)


def _square(call: Call) -> Value:
    x = call.tensor("self")
    return call.build.binary("mul", x, x)


def bounds(predicates: tuple[str, str], low: str, high: str) -> Handler:
    """Bounds from below and above; a value for which the predicate is false has PyTorch's gradient of 1, also at the bound."""

    def handle(call: Call) -> Value:
        build, x = call.build, call.operand("self", call.type.dtype)
        for predicate, name in zip(predicates, (low, high)):
            if call.get(name) is not None:
                bound = call.operand(name, call.type.dtype)
                x = build.select(build.compare(predicate, x, bound), bound, x)
        return x

    return handle


def _sign(call: Call) -> Value:
    build, x = call.build, call.tensor("self")
    zero = build.constant(x.type, 0.0 if x.type.is_float else 0)
    above, below = (build.cast(build.compare(predicate, x, zero), x.type.dtype) for predicate in ("gt", "lt"))
    return build.binary("sub", above, below)


def _exp2(call: Call) -> Value:
    x = call.build.cast(call.tensor("self"), call.type.dtype)
    return call.build.binary("pow", call.build.constant(x.type, 2.0), x)


def _log(base: float) -> Handler:
    def handle(call: Call) -> Value:
        x = call.build.unary("log", call.build.cast(call.tensor("self"), call.type.dtype))
        return call.build.binary("div", x, call.build.constant(x.type, math.log(base)))

    return handle


def _where(call: Call) -> Value:
    dtype = call.type.dtype
    return call.build.select(call.operand("condition", "i1"), call.operand("self", dtype), call.operand("other", dtype))


def _masked_fill(call: Call) -> Value:
    dtype = call.type.dtype
    return call.build.select(call.operand("mask", "i1"), call.operand("value", dtype), call.operand("self", dtype))


def _cast(call: Call) -> Value:
    return call.build.cast(call.tensor("self" if "self" in call.arguments else "x"), call.type.dtype)


def _identity(call: Call) -> Value:
    return call.tensor("self")


def _detach(call: Call) -> Value:
    if call.tensor("self").needs_grad:
        raise Unsupported("a value that depends on trainable parameters is detached")
    return call.tensor("self")


def _dropout(call: Call) -> Value:
    """The identity outside training and at probability 0; otherwise it needs random numbers, which are not supported."""
    if call.get("train", True) and call.get("p", 0.5) != 0:
        raise Unsupported(f"dropout with probability {call.get('p')} is not supported: set it to 0 in the configuration")
    return call.tensor("input")


def _full(call: Call) -> Value:
    value = call.get("fill_value", call.get("s"))
    if isinstance(value, Value):
        value = splat(value)
    if not isinstance(value, (bool, int, float)):
        raise Unsupported("the filled value is not a static number")
    return call.build.constant(call.type, float(value) if call.type.is_float else value)


def _filled(value: int) -> Handler:
    return lambda call: call.build.constant(call.type, float(value) if call.type.is_float else value)


_FUNCTIONS = "neg abs exp log expm1 log1p sqrt rsqrt sin cos tanh erf sigmoid silu relu"
_OVERLOADS = ("Tensor", "Scalar")
TABLE: dict[str, Handler] = {f"aten.{name}.default": _unary(name) for name in _FUNCTIONS.split()}
for _name, _nn in {"add": "add", "sub": "sub", "mul": "mul", "div": "div"}.items():
    TABLE |= {f"aten.{_name}.{overload}": _binary(_nn) for overload in _OVERLOADS}
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    TABLE |= {f"aten.{_name}.{overload}": _compare(_name) for overload in _OVERLOADS}
TABLE |= {f"aten.{_name}": bounds(("lt", "gt"), "min", "max") for _name in ("clamp.default", "clamp.Tensor", "clamp_min.default", "clamp_max.default")}
# What PyTorch composes operators of, beside aten's own.
TABLE |= {f"prims.{_name}.default": _unary(_name) for _name in _FUNCTIONS.split() if f"aten.{_name}.default" in TABLE}
TABLE |= {f"prims.{_name}.default": _binary(_name) for _name in ("add", "sub", "mul", "div", "maximum", "minimum")}
TABLE |= {f"prims.{_name}.default": _compare(_name) for _name in ("eq", "ne", "lt", "le", "gt", "ge")}
for _name in ("pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar"):
    TABLE[f"aten.{_name}"] = _pow
for _name in ("to.dtype", "to.dtype_layout", "to.device", "to.other", "_to_copy.default", "type_as.default"):
    TABLE[f"aten.{_name}"] = _cast
for _name in ("contiguous", "alias", "clone", "lift_fresh_copy"):
    TABLE[f"aten.{_name}.default"] = _identity
# Memory that holds anything may hold zeros.
for _name in ("zeros.default", "new_zeros.default", "zeros_like.default", "empty.memory_format", "empty_like.default", "empty_permuted.default"):
    TABLE[f"aten.{_name}"] = _filled(0)
for _name in ("ones", "new_ones", "ones_like"):
    TABLE[f"aten.{_name}.default"] = _filled(1)
for _name in ("full", "new_full", "full_like", "scalar_tensor"):
    TABLE[f"aten.{_name}.default"] = _full
TABLE |= {
    "aten.rsub.Scalar": _binary("sub", "other", "self"),
    "aten.rsub.Tensor": _binary("sub", "other", "self"),
    "aten.maximum.default": _binary("maximum"),
    "aten.minimum.default": _binary("minimum"),
    "aten.div.Tensor_mode": _binary("div"),
    "aten.logical_and.default": _logical("logical_and"),
    "aten.logical_or.default": _logical("logical_or"),
    "aten.logical_not.default": _unary("logical_not"),
    "aten.bitwise_not.default": _unary("logical_not"),
    "aten.bitwise_and.Tensor": _logical("logical_and"),
    "aten.bitwise_or.Tensor": _logical("logical_or"),
    "aten.__and__.Tensor": _logical("logical_and"),
    "aten.__or__.Tensor": _logical("logical_or"),
    "aten.reciprocal.default": _reciprocal,
    "aten.square.default": _square,
    "aten.exp2.default": _exp2,
    "aten.log2.default": _log(2),
    "aten.log10.default": _log(10),
    "aten.sign.default": _sign,
    "aten.copy.default": lambda call: call.operand("src", call.type.dtype),
    "aten.where.self": _where,
    "aten.where.ScalarOther": _where,
    "aten.where.ScalarSelf": _where,
    "aten.where.Scalar": _where,
    "aten.masked_fill.Scalar": _masked_fill,
    "aten.masked_fill.Tensor": _masked_fill,
    "aten.detach.default": _detach,
    "aten.dropout.default": _dropout,
}
