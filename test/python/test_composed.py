# SPDX-License-Identifier: Apache-2.0
"""Operators that the importer takes apart or folds: what it makes of each has PyTorch's value, and its gradients also where functions have kinks."""

from collections.abc import Callable

import pytest
import torch
from evaluate import evaluate
from torch import nn
from torch.nn import functional as F
from weft.errors import UnsupportedOperators, WeftError
from weft.export import import_model
from weft.model import Model

Tensors = dict[str, torch.Tensor]
LABELS = 16

# x [2, 6, 8]; w [8, 8].
OPERATORS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "einsum": lambda x, w: torch.einsum("bsd,od->bso", x, w),
    "outer": lambda x, w: x * torch.outer(torch.arange(6).float(), w[0]),
    "mT": lambda x, w: x @ w.mT,
    "movedim": lambda x, w: x.movedim(0, 1).sin().movedim(1, 0),
    "roll": lambda x, w: x.roll((1, -2), (1, 2)),
    "roll all": lambda x, w: x.roll(-5),
    "repeat": lambda x, w: x.repeat(1, 2, 1)[:, 3:9],
    "repeat_interleave": lambda x, w: x.repeat_interleave(2, 1)[:, 3:9],
    "pad": lambda x, w: F.pad(x, (1, -1, 2, 0))[:, :6],
    "pad by a value": lambda x, w: F.pad(x, (0, 0, 2, 0), value=-1.5)[:, :6],
    "eye": lambda x, w: x @ (w + torch.eye(8)),
    "meshgrid": lambda x, w: x + torch.meshgrid(torch.arange(6), torch.arange(8), indexing="ij")[1] * 0.1,
    "one_hot": lambda x, w: x + F.one_hot(torch.arange(6), 8) * 0.1,
    "rows": lambda x, w: x[:, [0, 0, 5, -1, 2, 3]],
    "index_select": lambda x, w: x.index_select(1, torch.arange(6) + 0) + w.index_select(0, torch.arange(6) + 2),
    "counted rows": lambda x, w: x + w[torch.arange(6)[None] + 1] * w[:, torch.arange(6) + 2].mT[None, :, :1],
    "gather": lambda x, w: x[:, :3].gather(1, torch.arange(3)[None, :, None].repeat(2, 1, 8)).repeat(1, 2, 1),
    "glu": lambda x, w: F.glu(torch.cat([x, x @ w], -1), -1),
    "softplus": lambda x, w: F.softplus(x * 30),
    "mish": lambda x, w: F.mish(x),
    "elu": lambda x, w: F.elu(x),
    "hardswish": lambda x, w: F.hardswish(x * 3),
    "hardsigmoid": lambda x, w: F.hardsigmoid(x * 3),
    "hardtanh": lambda x, w: F.hardtanh(x),
    "leaky_relu": lambda x, w: F.leaky_relu(x),
    "relu6": lambda x, w: F.relu6(x * 6),
    "clamp": lambda x, w: x.clamp(-0.5, 1),
    "clamp by tensors": lambda x, w: x.clamp(w[0] - 1, w[1] + 0.5),
    "sign": lambda x, w: x * (x.sign() + 2),
    "exp2": lambda x, w: torch.exp2(x),
    "log2": lambda x, w: torch.log2(x.square() + 1),
    "log1p": lambda x, w: torch.log1p(x.square() * 1e-4),
    "expm1": lambda x, w: torch.expm1(x * 1e-4),
    "cumsum": lambda x, w: x.cumsum(1) * torch.ones(2, 6, dtype=torch.int64).cumsum(1)[..., None],
    "lerp": lambda x, w: torch.lerp(x, w[0].expand_as(x), 0.3),
    "var": lambda x, w: x * x.var(-1, keepdim=True),
    "std": lambda x, w: x * (x - x[:, :1]).std((0, 2), correction=0)[:, None],
    "var_mean": lambda x, w: x * torch.var_mean(x, 1, keepdim=True)[0] + torch.var_mean(x, 1)[1][:, None],
    "norm": lambda x, w: x * x.norm(dim=-1, keepdim=True),
    "normalize": lambda x, w: F.normalize(x, dim=-1),
    "cosine_similarity": lambda x, w: x * F.cosine_similarity(x + 2, w[0], dim=-1)[..., None],
    "group_norm": lambda x, w: F.group_norm(x.transpose(1, 2), 2, w[0], w[1]).transpose(1, 2),
    "softmax of one": lambda x, w: x * torch.softmax(x.amin(-1, keepdim=True), -1),
    "softmax": lambda x, w: torch.softmax(x, 1),
    "log_softmax": lambda x, w: F.log_softmax(x, 1),
    "logsumexp": lambda x, w: x - torch.logsumexp(x, -1, keepdim=True),
    "complex": lambda x, w: _rotate(x),
    "in place": lambda x, w: _in_place(x, w),
    "set": lambda x, w: _set(x),
}
LOSSES: dict[str, Callable[[torch.Tensor, Tensors], torch.Tensor]] = {
    "nll_loss": lambda x, batch: F.nll_loss(F.log_softmax(x.flatten(0, 1), -1), batch["labels"].flatten()),
    "label smoothing": lambda x, batch: F.cross_entropy(x.flatten(0, 1), batch["labels"].flatten(), label_smoothing=0.1),
    "class weights": lambda x, batch: F.cross_entropy(x.transpose(1, 2), batch["labels"], weight=torch.arange(LABELS) + 0.5),
    "of tokens": lambda x, batch: (F.cross_entropy(x.transpose(1, 2), batch["labels"], reduction="none") * torch.arange(6)).sum() / 15,
    "ignored": lambda x, batch: F.cross_entropy(x.transpose(1, 2), batch["labels"].clamp_min(3), ignore_index=3),
    "binary": lambda x, batch: F.binary_cross_entropy_with_logits(x, torch.full_like(x, 0.3)),
    "huber": lambda x, batch: F.huber_loss(x, torch.full_like(x, 0.3)),
    "z-loss": lambda x, batch: F.cross_entropy(x.transpose(1, 2), batch["labels"]) + 0.1 * torch.logsumexp(x, -1).square().mean(),
}  # fmt: skip


def _rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotary embedding as Llama's own code has it, with a turn of its own for each head."""
    angles = torch.outer(torch.arange(12).float(), 1 / torch.arange(1, 3))
    turns = torch.polar(torch.ones_like(angles), angles)[:6].view(1, 6, 1, 2)
    heads = torch.view_as_complex(x.float().reshape(2, 6, 2, 2, 2))
    heads = heads * turns * torch.view_as_complex(torch.tensor([[0.6, 0.8], [1.0, 0.0]]))[:, None].conj()
    return torch.view_as_real(heads[:, :, -2:]).flatten(2)


def _in_place(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.mul_(2).add_(w[0])
    return y


def _set(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, 1] = x[:, 0] * 2
    y[:, 2] = 0.5
    return y


class _Module(nn.Module):
    """An operator between an embedding, whose values are multiples of 1/2, and a linear layer."""

    def __init__(self, operator: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.operator = operator
        self.embed, self.head = nn.Embedding(LABELS, 8), nn.Linear(8, LABELS)
        self.weight = nn.Parameter(torch.randn(8, 8))
        with torch.no_grad():
            self.embed.weight.mul_(2).round_().div_(2)
            self.embed.weight[:2] = 0

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.operator(self.embed(tokens), self.weight))


def _check(operator: Callable, loss: Callable) -> None:
    torch.manual_seed(8)
    batch = {name: torch.randint(0, LABELS, (2, 6)) for name in ("tokens", "labels")}
    batch["tokens"][:, :2], batch["labels"][0, :2] = torch.tensor([0, 1]), -100
    module = _Module(operator)
    model = Model(module, batch, lambda module, batch: loss(module(batch["tokens"]), batch), criterion=loss)
    found = evaluate(import_model(model), dict(module.named_parameters()) | batch)
    expected = loss(module(batch["tokens"]), batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    parameters = list(module.parameters())
    ours, theirs = (torch.autograd.grad(value, parameters, allow_unused=True) for value in (found, expected))
    for (name, _), a, b in zip(module.named_parameters(), ours, theirs):
        assert (a is None) == (b is None), name
        assert a is None or torch.allclose(a, b, rtol=1e-4, atol=1e-6), name


def _cross_entropy(output: torch.Tensor, batch: Tensors) -> torch.Tensor:
    return F.cross_entropy(output.flatten(0, 1), batch["labels"].flatten())


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name: str) -> None:
    _check(OPERATORS[name], _cross_entropy)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    _check(lambda x, w: x @ w, LOSSES[name])


def test_what_an_operator_is_composed_of_is_named() -> None:
    with pytest.raises(UnsupportedOperators, match=r"aten\.cumprod\.default x1: PyTorch composes it of prims\.prod\.default\n    at test_composed\.py:"):
        _check(lambda x, w: x.cumprod(1), _cross_entropy)


def test_complex_numbers_elsewhere_are_refused() -> None:
    with pytest.raises(UnsupportedOperators, match=r"aten\.abs\.default x1: complex numbers are supported in products"):
        _check(lambda x, w: x * torch.view_as_complex(x.reshape(2, 6, 4, 2)).abs().repeat(1, 1, 2), _cross_entropy)


def test_complex_parameters_are_refused() -> None:
    module = nn.Linear(4, 4)
    module.turn = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(WeftError, match='"turn" is complex: parameters and inputs are real'):
        import_model(Model(module, {"x": torch.zeros(2, 4)}, lambda module, batch: module(batch["x"]).sum()))


def test_a_composition_does_not_hide_a_detached_value() -> None:
    with pytest.raises(UnsupportedOperators, match="is detached"):
        _check(lambda x, w: F.softplus(x.detach() * w[0]) + x, _cross_entropy)
