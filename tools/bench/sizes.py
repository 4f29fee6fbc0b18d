# SPDX-License-Identifier: Apache-2.0
"""The models that benchmarks train: Llamas of a few sizes, their exports, and the arithmetic in a step."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from commands import execute


@dataclass(frozen=True)
class Size:
    """One model and the batch of a step, over all ranks."""

    name: str
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    batch: int
    seq: int

    @property
    def head(self) -> int:
        """Elements of one attention head."""
        return self.hidden // self.heads

    @property
    def tokens(self) -> int:
        return self.batch * self.seq

    def config(self) -> dict[str, object]:
        """The Hugging Face configuration."""
        return {
            "model_type": "llama", "hidden_size": self.hidden, "intermediate_size": self.ffn, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "vocab_size": self.vocab,
            "max_position_embeddings": self.seq, "use_cache": False, "pad_token_id": None, "bos_token_id": 1, "eos_token_id": 2,
        }  # fmt: skip

    def gemm_flops(self) -> float:
        """Multiplications and additions of the matrix products of a step: forward, and twice that in backward."""
        kv = self.kv_heads * self.head
        weights = self.layers * (2 * self.hidden * self.hidden + 2 * self.hidden * kv + 3 * self.hidden * self.ffn) + self.hidden * self.vocab
        return 6.0 * weights * self.tokens

    def attention_flops(self) -> float:
        """Those of causal attention: two products forward, five in backward, half of the scores."""
        return 7.0 * self.layers * self.batch * self.heads * self.seq * self.seq * self.head


SIZES = {
    size.name: size
    for size in (  # hidden, ffn, layers, heads, kv heads, vocab, sequences of a step, sequence length
        Size("xs", 64, 176, 2, 4, 2, 256, 4, 64),
        Size("s", 128, 352, 4, 4, 2, 1024, 4, 128),
        Size("m", 256, 688, 6, 8, 4, 2048, 4, 256),
        Size("l", 512, 1376, 8, 8, 4, 8192, 4, 512),
        Size("xl", 768, 2048, 12, 12, 12, 32000, 2, 512),
    )
}


def export(size: Size, *, folder: Path, weights: bool) -> Path:
    """The exported model, with the weights of seed 0 or with none; kept if the folder has it."""
    name = f"{size.name}-{size.layers}x{size.hidden}-{size.batch}x{size.seq}{'' if weights else '-shapes'}"
    config, model = folder / f"{name}.json", folder / name
    if (model / "model.mlir").exists():
        return model
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps(size.config()))
    chosen = ["--seed", 0] if weights else ["--weights", "none"]
    shape = ["--batch", size.batch, "--seq", size.seq]
    execute(sys.executable, "-m", "weft.export_command", "--hf", config, *chosen, *shape, "-o", model)
    return model
