# SPDX-License-Identifier: Apache-2.0
"""Evaluates imported `nn` ops with torch, one line per op: what the importer means, told apart from how it is printed."""

import torch
from weft.export import Imported
from weft.ir import Op

Tensors = dict[str, torch.Tensor]
_DTYPES = {"f32": torch.float32, "i64": torch.int64, "i32": torch.int32, "i1": torch.bool, "f64": torch.float64}
_UNARY = {
    "silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu, "boundary": lambda x: x,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"), "softmax": lambda x: x.softmax(-1),
}  # fmt: skip
_REDUCE = {"sum": torch.sum, "max": torch.amax, "min": torch.amin}


def _broadcast(x: torch.Tensor, op: Op) -> torch.Tensor:
    shape = op.results[0].type.shape
    assert 1 not in x.shape
    return x.reshape([n if i in op.attributes["dims"] else 1 for i, n in enumerate(shape)]).expand(shape)


def _attention(op: Op, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scores = q @ k.mT * op.attributes["scale"]
    if "causal" in op.attributes:
        scores = scores.masked_fill(j[None, :] > i[:, None], -torch.inf)
    return scores.softmax(-1) @ v


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    counted = labels != -100
    picked = logits.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return ((logits.logsumexp(-1) - picked) * counted).sum()


def _slice(x: torch.Tensor, a: dict[str, list[int]]) -> torch.Tensor:
    ends = [o + (n - 1) * s + 1 for o, n, s in zip(a["offsets"], a["sizes"], a["strides"])]
    return x[tuple(slice(o, e, s) for o, e, s in zip(a["offsets"], ends, a["strides"]))]


def _evaluate(op: Op, x: list[torch.Tensor]) -> torch.Tensor:
    a, type = op.attributes, op.results[0].type
    shaped = {
        "constant": lambda: torch.tensor(a["value"], dtype=_DTYPES[type.dtype]).expand(type.shape)
        if not isinstance(a["value"], list)
        else torch.tensor(a["value"], dtype=_DTYPES[type.dtype]).reshape(type.shape),
        "iota": lambda: torch.arange(type.shape[0]),
        "compare": lambda: getattr(torch, a["predicate"])(*x),
        "select": lambda: torch.where(*x),
        "cast": lambda: x[0].to(_DTYPES[type.dtype]),
        "contract": lambda: torch.einsum(a["equation"], *x),
        "reduce": lambda: _REDUCE[a["kind"]](x[0], dim=a["dims"]),
        "broadcast": lambda: _broadcast(x[0], op),
        "reshape": lambda: x[0].reshape(type.shape),
        "transpose": lambda: x[0].permute(a["permutation"]),
        "slice": lambda: _slice(x[0], a),
        "pad": lambda: torch.nn.functional.pad(x[0], [n for pair in zip(reversed(a["low"]), reversed(a["high"])) for n in pair]),
        "pick": lambda: x[0].gather(-1, x[1][..., None])[..., 0],
        "concat": lambda: torch.cat(x, a["dim"]),
        "embedding": lambda: x[1][x[0]],
        "attention": lambda: _attention(op, *x),
        "cross_entropy": lambda: _cross_entropy(*x),
        "rms_norm": lambda: torch.nn.functional.rms_norm(x[0], x[0].shape[-1:], x[1], a["eps"]),
    }
    if op.name in shaped:
        return shaped[op.name]()
    return _UNARY[op.name](*x) if op.name in _UNARY else getattr(torch, op.name)(*x)


def evaluate(imported: Imported, tensors: Tensors) -> torch.Tensor:
    """The loss: the sum over terms of coefficient * sum / weight."""
    values = {argument: tensors[argument.name] for argument in imported.arguments}
    for op in imported.ops:
        found = _evaluate(op, [values[operand] for operand in op.operands])
        assert tuple(found.shape) == op.results[0].type.shape and found.dtype == _DTYPES[op.results[0].type.dtype], op
        values[op.results[0]] = found
    results = {name: values[value] for name, value in imported.results}
    coefficients = [slot.coefficient for slot in imported.slots if slot.coefficient is not None]
    return sum(c * results[f"term{i}.sum"] / results[f"term{i}.weight"] for i, c in enumerate(coefficients))
