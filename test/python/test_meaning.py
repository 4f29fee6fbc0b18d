# SPDX-License-Identifier: Apache-2.0
"""The imported ops compute the model's loss and gradients, for several kinds of model."""

import json
from pathlib import Path

import pytest
import torch
from conftest import EXAMPLES
from evaluate import Tensors, evaluate
from weft.export import import_model
from weft.hf import Weights, build_module, load_config, make_model
from weft.model import Model, from_function

SMALL = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 64, "max_position_embeddings": 32, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32, "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
KINDS = {
    "qwen2": {}, "qwen3": {"head_dim": 8}, "gemma": {"head_dim": 8}, "olmo2": {}, "phi3": {}, "gpt_neox": {}, "gpt2": _GPT2,
    "mistral": {"sliding_window": 5}, "doge": {}, "opt": {"dropout": 0.0}, "bloom": {"n_layer": 2, "n_head": 4, "hidden_dropout": 0.0, "attention_dropout": 0.0},
    "gptj": {**_GPT2, "rotary_dim": 4}, "falcon": {"hidden_dropout": 0.0, "attention_dropout": 0.0},
    "gemma2": {"head_dim": 8, "sliding_window": 5, "attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 8},
}  # fmt: skip


def _check(model: Model, batch: Tensors, expected: torch.Tensor, reference: torch.nn.Module) -> None:
    """Loss and all gradients, against those PyTorch gives the reference module."""
    tensors = dict(model.module.named_parameters()) | dict(model.module.named_buffers()) | batch
    found = evaluate(import_model(model), tensors)
    assert torch.allclose(found, expected, rtol=1e-5)
    names = [name for name, p in model.module.named_parameters() if p.requires_grad]
    ours, theirs = (
        torch.autograd.grad(loss, [dict(module.named_parameters())[name] for name in names], allow_unused=True)
        for loss, module in ((found, model.module), (expected, reference))
    )
    scale = max(float(gradient.norm()) for gradient in theirs if gradient is not None)
    for name, a, b in zip(names, ours, theirs):
        assert (a is None) == (b is None), name
        assert a is None or float((a - b).norm()) <= 1e-5 * float(b.norm()) + 1e-6 * scale, name


def _check_config(config: Path) -> None:
    model = make_model(load_config(config), Weights(seed=3), batch=2, seq=16)
    eager = build_module(load_config(config), Weights(seed=3))  # with transformers' own attention
    torch.manual_seed(4)
    batch = {name: torch.randint(0, 64, (2, 16)) for name in ("tokens", "labels")}
    batch["labels"][0, :5] = -100
    logits = eager(input_ids=batch["tokens"]).logits
    _check(model, batch, torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten()), eager)


@pytest.mark.parametrize("config", ["tiny.json", "tiny-tied.json"])
def test_examples(config: str) -> None:
    _check_config(EXAMPLES / config)


def test_a_model_without_its_cap(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SMALL | KINDS["gemma2"] | {"model_type": "gemma2", "attn_logit_softcapping": None}))
    _check_config(config)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_models(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**SMALL, **KINDS[kind], "model_type": kind}))
    _check_config(tmp_path)


@pytest.mark.parametrize("name", ["regression", "classifier", "masked"])
def test_modules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    torch.manual_seed(5)
    model = from_function(f"models:{name}")
    batch = {
        key: torch.randn(x.shape) if x.is_floating_point() else torch.randint(0, 3 if key == "documents" else 32, x.shape) for key, x in model.batch.items()
    }  # fmt: skip
    _check(model, batch, model.loss(model.module, batch), model.module)
