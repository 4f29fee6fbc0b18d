# SPDX-License-Identifier: Apache-2.0
"""Operators without an entry in the table, as PyTorch itself composes them of others.

A call is traced alone, on the shapes and types that torch.export found for its operands, down to operators of the table wherever
PyTorch's registry of compositions leads there.
"""

import torch
from torch._decomp import decomposition_table
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree


def decompose(node: Node, known: frozenset[str]) -> GraphModule | None:
    """The call as a graph over `node.all_input_nodes` whose results are a list; none where PyTorch has no composition of it.

    An operator that changes its operands is none of its results alone, so it has none.
    """
    inputs = node.all_input_nodes
    values = [given.meta.get("val") for given in inputs]
    if node.target._schema.is_mutable or not all(isinstance(value, FakeTensor) for value in values):
        return None
    leaves, structure = pytree.tree_flatten((node.args, node.kwargs))

    def call(*tensors: torch.Tensor) -> list[torch.Tensor]:
        given = dict(zip(inputs, tensors))
        args, kwargs = pytree.tree_unflatten([given[leaf] if isinstance(leaf, Node) else leaf for leaf in leaves], structure)
        found = node.target(*args, **kwargs)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    table = {operator: how for operator, how in decomposition_table.items() if str(operator) not in known}
    with torch.no_grad():
        graph = make_fx(call, decomposition_table=table)(*values)
        if changes_values(graph):
            graph = make_fx(torch.func.functionalize(graph), decomposition_table=table)(*values)
    return None if any(each.target is node.target for each in graph.graph.nodes) else graph


def changes_values(graph: GraphModule) -> bool:
    """Whether operators write to their operands; results of others may depend on that without an edge of the graph."""
    targets = [node.target for node in graph.graph.nodes]
    return any(isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable for target in targets)
