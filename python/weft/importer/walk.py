# SPDX-License-Identifier: Apache-2.0
"""The walk over an exported graph; see the package's docstring for its steps."""

import operator
from dataclasses import dataclass, field

import torch
from torch.fx import GraphModule, Node

from weft.boundary import boundary_operator
from weft.builder import Builder, splat
from weft.errors import Refusal
from weft.importer import TABLE, complexes
from weft.importer.call import Call, Composable, Handler, Unsupported, type_of
from weft.importer.decompose import decompose
from weft.ir import Location, Type, Value
from weft.locations import Locations

_TRANSPARENT = {"wrap_with_set_grad_enabled": (0, 1), "wrap_with_autocast": (2, 4)}  # region op: (flag, body) arguments


@dataclass
class Walk:
    """The state of an import: the builder, what each node became, and what could not be translated."""

    build: Builder
    locations: Locations
    refusals: list[Refusal] = field(default_factory=list)

    def run(self, module: GraphModule, inputs: list[object], place: Location | None = None) -> list[object]:
        """The values of the graph's outputs, given those of its placeholders; all at `place`, if it is given."""
        values: dict[Node, object] = {}
        live, remaining = _live(module), iter(inputs)
        outputs: object = ()
        for node in module.graph.nodes:
            if node.op == "placeholder":
                values[node] = next(remaining)
            elif node.op == "get_attr":
                values[node] = _attribute(module, str(node.target))
            elif node.op == "output":
                outputs = torch.fx.node.map_arg(node.args[0], lambda n: values[n])
            elif node in live:
                if place is None:
                    self.build.location = self.locations.of(node)
                values[node] = self._translate(node, values)
        return list(outputs)

    def _translate(self, node: Node, values: dict[Node, object]) -> object:
        arguments, named = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: values[n])
        if node.target is operator.getitem:
            return arguments[0][arguments[1]]
        name = _operator_name(node)
        try:
            if name in _TRANSPARENT:
                return self._region(name, arguments)
            if node.target is boundary_operator():
                return self._boundary(node, arguments, named)
            if isinstance(node.target, torch._ops.OpOverload):
                table = _table(name, node)
                if name not in table:
                    return self._composed(node, values)
                results = tuple(type_of(tensor) for tensor in _tensors(node))
                try:
                    found = table[name](Call(self.build, _by_name(node.target, arguments, named), results))
                except Composable:
                    return self._composed(node, values)
                return _checked(name, found, results)
            raise Unsupported("")
        except Unsupported as reason:
            place = self.build.location
            self.refusals.append(Refusal(name, str(reason), f"{place.file}:{place.line}"))
            return _placeholder(node)

    def _region(self, name: str, arguments: tuple[object, ...]) -> list[object]:
        flag, body = _TRANSPARENT[name]
        inputs = list(arguments[body + 1 :])
        if name == "wrap_with_set_grad_enabled" and not arguments[flag]:
            if any(isinstance(value, Value) and value.needs_grad for value in inputs):
                raise Unsupported("values that depend on trainable parameters enter a region without gradients")
        elif arguments[flag] and name == "wrap_with_autocast":
            raise Unsupported("autocast is not supported: the plan sets the precision")
        return self.run(arguments[body], inputs)

    def _composed(self, node: Node, values: dict[Node, object]) -> object:
        """What PyTorch makes of an operator without an entry; if some of that has none either, the operator is refused for it."""
        if not _tensors(node) or (graph := decompose(node, frozenset(TABLE))) is None:
            raise Unsupported("")
        inner = Walk(self.build, self.locations)
        found = inner.run(graph, [values[given] for given in node.all_input_nodes], self.build.location)
        if inner.refusals:
            raise Unsupported("PyTorch composes it of " + ", ".join(dict.fromkeys(map(_part, inner.refusals))))
        return found if isinstance(node.meta["val"], (list, tuple)) else found[0]

    def _boundary(self, node: Node, arguments: tuple[object, ...], named: dict[str, object]) -> Value:
        given = _by_name(node.target, arguments, named)
        value = given.pop("x")
        if splat(value) is not None:  # a mask of ones lies anywhere
            return value
        self.build.location = self.locations.at(str(given["module"]), node)
        return self.build.emit("boundary", [value], [value.type], **given)[0]


def _table(name: str, node: Node) -> dict[str, Handler]:
    """The operators on complex numbers are few, and have no operands of both kinds."""
    complex_inputs = [_is_complex(given) for given in node.all_input_nodes]
    if not any(complex_inputs) and not _is_complex(node):
        return TABLE
    if name not in complexes.TABLE or (name not in complexes.FROM_REAL and not all(complex_inputs)):
        raise Unsupported("complex numbers are supported in products, views and slices, as rotary embeddings use them")
    return complexes.TABLE


def _is_complex(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_complex()


def _part(refusal: Refusal) -> str:
    return refusal.operator + (f" ({refusal.reason})" if refusal.reason else "")


def _operator_name(node: Node) -> str:
    name = str(node.target) if isinstance(node.target, torch._ops.OpOverload) else ""
    return name or getattr(node.target, "__name__", str(node.target))


def _by_name(target: torch._ops.OpOverload, arguments: tuple, named: dict[str, object]) -> dict[str, object]:
    schema = target._schema.arguments
    found = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    found |= {argument.name: value for argument, value in zip(schema, arguments)}
    return found | named


def _results(node: Node) -> list[object]:
    value = node.meta["val"]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _tensors(node: Node) -> list[torch.Tensor]:
    if not all(isinstance(value, torch.Tensor) for value in _results(node)):
        raise Unsupported("its result is no tensor: a number that depends on the values of tensors")
    return _results(node)


def _checked(name: str, found: Value | list[Value], expected: tuple[Type, ...]) -> Value | list[Value]:
    values = found if isinstance(found, list) else [found]
    for value, type in zip(values, expected):
        assert value.type == type, f"{name}: the importer made {value.type}, PyTorch says {type}"
    return found


def _placeholder(node: Node) -> object:
    """Stands for the result of an untranslated node, so that the walk can go on."""
    try:
        values = [Value(type_of(tensor)) for tensor in _tensors(node)]
    except Unsupported:
        values = [Value(Type((), "f32")) for _ in _results(node)]
    return values if isinstance(node.meta["val"], (list, tuple)) else values[0]


def _live(module: GraphModule) -> set[Node]:
    """The nodes that the output depends on."""
    work = [node for node in module.graph.nodes if node.op == "output"]
    live = set(work)
    while work:
        for node in work.pop().all_input_nodes:
            if node not in live:
                live.add(node)
                work.append(node)
    return live


def _attribute(module: torch.nn.Module, name: str) -> object:
    value: object = module
    for part in name.split("."):
        value = getattr(value, part)
    return value
