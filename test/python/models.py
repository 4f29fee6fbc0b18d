# SPDX-License-Identifier: Apache-2.0
"""Small modules for `weft-export --module models:...`."""

import torch
from torch import nn
from torch.nn import functional as F

Made = tuple[nn.Module, dict[str, torch.Tensor], object]


class Regression(nn.Module):
    """Two linear layers with biases; one parameter, one buffer and one large constant nobody trains."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 4)
        self.unused = nn.Parameter(torch.zeros(3))
        self.frozen = nn.Parameter(torch.ones(16), requires_grad=False)
        self.shift = nn.Buffer(torch.arange(4.0), persistent=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.gelu(self.first(x)) * self.frozen
        return self.second(F.layer_norm(hidden, (16,))) + self.shift


def regression() -> Made:
    """A mean squared error: one term of weight 1."""
    batch = {"x": torch.zeros(6, 8), "y": torch.zeros(6, 4)}
    return Regression(), batch, lambda output, batch: F.mse_loss(output, batch["y"])


class Classifier(nn.Module):
    """Repeats kv heads by hand and attends causally."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(32, 16), nn.Linear(16, 32, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        query = x.view(2, 5, 4, 4).transpose(1, 2)
        key = query[:, ::2]
        repeated = key[:, :, None].expand(2, 2, 2, 5, 4).reshape(2, 4, 5, 4)
        out = F.scaled_dot_product_attention(query, repeated, repeated, is_causal=True)
        return self.head(out.transpose(1, 2).reshape(2, 5, 16))


def classifier() -> Made:
    """Two weighted cross-entropies: two terms with coefficients."""
    batch = {name: torch.zeros(2, 5, dtype=torch.long) for name in ("tokens", "labels", "more")}

    def loss(output: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        first = F.cross_entropy(output.flatten(0, 1), batch["labels"].flatten())
        second = F.cross_entropy(output.transpose(1, 2), batch["more"])
        return first + 0.25 * second

    return Classifier(), batch, loss


class Masked(nn.Module):
    """Attends within a window and a document, by a mask that is made as transformers makes its own."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(32, 16), nn.Linear(16, 32, bias=False)

    def forward(self, tokens: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        query = self.embed(tokens).view(2, 5, 4, 4).transpose(1, 2)
        sample, q, k = torch.arange(2)[:, None, None, None], torch.arange(5)[None, None, :, None], torch.arange(5)
        mask = (k <= q) & (k > q - 3) & (documents[sample, q] == documents[sample, k]) & torch.ones_like(tokens, dtype=torch.bool)[sample, k]
        out = F.scaled_dot_product_attention(query, query[:, ::2], query[:, ::2], attn_mask=mask, enable_gqa=True)
        return self.head(out.transpose(1, 2).reshape(2, 5, 16))


def masked() -> Made:
    batch = {name: torch.zeros(2, 5, dtype=torch.long) for name in ("tokens", "labels", "documents")}
    return Masked(), batch, lambda output, batch: F.cross_entropy(output.flatten(0, 1), batch["labels"].flatten())


class Untranslatable(nn.Module):
    """Operators without a translation, one of them used twice, one of them dead."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.linalg.qr(x)
        y = torch.cumprod(x * self.weight, 0) + torch.cumprod(x, 1)
        return self.drop(y)[3 - torch.arange(4)].sort(dim=0).values


def untranslatable() -> Made:
    return Untranslatable(), {"x": torch.zeros(4, 4)}, lambda output, batch: output.sum()


def not_a_model() -> int:
    return 3


class Detached(nn.Module):
    """Computes with a parameter where gradients are off."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            scale = self.linear.weight.sum() * 2
        return self.linear(x) * scale + self.linear(x).detach()


def detached() -> Made:
    return Detached(), {"x": torch.zeros(4, 4)}, lambda output, batch: output.sum()


class Counting(nn.Module):
    """Takes a number out of a tensor, which no program can."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight * x.sum().item()


def counting() -> Made:
    return Counting(), {"x": torch.zeros(4, 4)}, lambda output, batch: output.sum()
