# SPDX-License-Identifier: Apache-2.0
"""A small language model on packed documents, for `weft-export --module packed:make`: a token sees those before it in its own document."""

import torch
from torch import nn
from torch.nn import functional as F

BATCH, SEQ, VOCAB, WIDTH, HEADS, KV_HEADS = 4, 64, 256, 32, 4, 2


class Packed(nn.Module):
    """One layer of attention with grouped kv heads between an embedding and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(VOCAB, WIDTH), nn.Linear(WIDTH, VOCAB, bias=False)
        self.q, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(WIDTH, WIDTH // HEADS * KV_HEADS, bias=False) for _ in range(2))

    def forward(self, tokens: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        q, k, v = (linear(x).unflatten(-1, (-1, WIDTH // HEADS)).transpose(1, 2) for linear in (self.q, self.k, self.v))
        positions = torch.arange(tokens.shape[1])
        mask = (positions <= positions[:, None]) & (documents[:, None, :, None] == documents[:, None, None, :])
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        return self.head(x + self.out(attended.transpose(1, 2).flatten(2)))


def loss(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())


def make() -> tuple[nn.Module, dict[str, torch.Tensor], object]:
    torch.manual_seed(1)
    return Packed(), {name: torch.zeros(BATCH, SEQ, dtype=torch.long) for name in ("tokens", "labels", "documents")}, loss
