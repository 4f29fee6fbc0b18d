# SPDX-License-Identifier: Apache-2.0
"""A small Llama as its authors wrote it, for `weft-export --module turned:make`: rotary embeddings as products of complex numbers, blocks
in a dict, kv heads repeated by hand."""

import torch
from torch import nn
from torch.nn import functional as F

BATCH, SEQ, VOCAB, WIDTH, HEADS, KV_HEADS, HIDDEN = 4, 64, 256, 32, 4, 2, 48


def _turns(*, clockwise: bool) -> torch.Tensor:
    """e^(i position / 10000^(j / n)) for each pair j of n; backwards if `clockwise`."""
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, WIDTH // HEADS, 2).float() / (WIDTH // HEADS)))
    angles = torch.outer(torch.arange(2 * SEQ), -frequencies if clockwise else frequencies)
    return torch.polar(torch.ones_like(angles), angles)


def _turned(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    turns = turns[0 : x.shape[1]].view(1, x.shape[1], 1, -1)
    return torch.view_as_real(pairs * turns).flatten(3).type_as(x)


class Norm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wq, self.wo = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.wk, self.wv = (nn.Linear(WIDTH, WIDTH // HEADS * KV_HEADS, bias=False) for _ in range(2))

    def forward(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        q, k, v = (linear(x).view(*x.shape[:2], -1, WIDTH // HEADS) for linear in (self.wq, self.wk, self.wv))
        q, k = _turned(q, turns), _turned(k, turns)
        k, v = (torch.repeat_interleave(kv, HEADS // KV_HEADS, dim=2) for kv in (k, v))
        out = F.scaled_dot_product_attention(*(heads.transpose(1, 2) for heads in (q, k, v)), is_causal=True)
        return self.wo(out.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.attention_norm, self.ffn_norm = Attention(), Norm(), Norm()
        self.w1, self.w3, self.w2 = nn.Linear(WIDTH, HIDDEN, bias=False), nn.Linear(WIDTH, HIDDEN, bias=False), nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.attention_norm(x), turns)
        y = self.ffn_norm(x)
        return x + self.w2(F.silu(self.w1(y)) * self.w3(y))


class Turned(nn.Module):
    def __init__(self, *, clockwise: bool = False) -> None:
        super().__init__()
        self.embed, self.norm, self.output = nn.Embedding(VOCAB, WIDTH), Norm(), nn.Linear(WIDTH, VOCAB, bias=False)
        self.register_buffer("turns", _turns(clockwise=clockwise), persistent=False)
        self.layers = nn.ModuleDict({str(i): Block() for i in range(2)})

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        for layer in self.layers.values():
            x = layer(x, self.turns)
        return self.output(self.norm(x))


def loss(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return F.nll_loss(F.log_softmax(logits.flatten(0, 1), -1), batch["labels"].flatten())


def make() -> tuple[nn.Module, dict[str, torch.Tensor], object]:
    torch.manual_seed(1)
    return Turned(), {name: torch.zeros(BATCH, SEQ, dtype=torch.long) for name in ("tokens", "labels")}, loss
