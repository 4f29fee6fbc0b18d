# SPDX-License-Identifier: Apache-2.0
"""Activation functions that are no ops of their own, each with PyTorch's gradient at its kinks; smooth ones PyTorch composes."""

from weft.importer.call import Call, Handler
from weft.importer.elementwise import bounds
from weft.ir import Value


def _gelu(call: Call) -> Value:
    return call.build.unary("gelu_tanh" if call.get("approximate") == "tanh" else "gelu", call.tensor("self"))


def _relu6(call: Call) -> Value:
    build, x = call.build, call.tensor("self")
    six = build.constant(x.type, 6.0)
    return build.select(build.compare("ge", x, six), six, build.unary("relu", x))


def _hard(gate: bool) -> Handler:
    """Hardsigmoid, (x + 3) / 6 between -3 and 3; with `gate` times x, hardswish. At -3 and 3 the gradient is that beyond."""

    def handle(call: Call) -> Value:
        build, x = call.build, call.tensor("self")
        low, high, zero, one = (build.constant(x.type, value) for value in (-3.0, 3.0, 0.0, 1.0))
        inside = build.binary("add", x, high)
        inside = build.binary("div", build.binary("mul", x, inside) if gate else inside, build.constant(x.type, 6.0))
        above = build.select(build.compare("ge", x, high), x if gate else one, inside)
        return build.select(build.compare("le", x, low), zero, above)

    return handle


TABLE: dict[str, Handler] = {
    "aten.gelu.default": _gelu,
    "aten.relu6.default": _relu6,
    "aten.hardsigmoid.default": _hard(gate=False),
    "aten.hardswish.default": _hard(gate=True),
    "aten.hardtanh.default": bounds(("le", "ge"), "min_val", "max_val"),
}
