# SPDX-License-Identifier: Apache-2.0
"""Hugging Face causal language models: configuration, module, weights, published plan.

Everything here goes through transformers' Auto classes and its interfaces for attention and masks; no architecture is named.
"""

import inspect
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from weft.errors import COMPILE, INPUT_FILE, WeftError
from weft.initialization import buffer_values, parameter_inits
from weft.model import Batch, Model

ATTENTION = "weft"  # the name our attention is registered under
_seen: Counter[str] = Counter()  # of one forward pass
Mask = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]  # of batch, head, query, key


@dataclass(frozen=True)
class Weights:
    """Where parameters come from: a checkpoint's folder, a seed for the model's own initialisation, or nowhere (shapes only)."""

    directory: Path | None = None
    seed: int | None = 0

    def __post_init__(self) -> None:
        if self.directory is not None and not list(self.directory.glob("*.safetensors")):
            raise WeftError(f'no weights: "{self.directory}" holds no *.safetensors file', exit_code=INPUT_FILE)


def load_config(path: str | Path) -> object:
    """The configuration in a JSON file, or in a folder's config.json."""
    from transformers import AutoConfig

    path = Path(path)
    file = path / "config.json" if path.is_dir() else path
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise WeftError(f'cannot read the configuration "{file}": {error.strerror}', exit_code=INPUT_FILE) from error
    except json.JSONDecodeError as error:
        raise WeftError(f'"{file}" is not JSON: {error}', exit_code=INPUT_FILE) from error
    if not isinstance(found, dict) or "model_type" not in found:
        raise WeftError(f'"{file}" has no "model_type"', exit_code=INPUT_FILE)
    try:
        return AutoConfig.for_model(**found)
    except Exception as error:
        raise WeftError(f'"{file}" is not a configuration transformers accepts: {error}', exit_code=INPUT_FILE) from error


def build_module(config: object, weights: Weights, *, attention: str | None = None) -> torch.nn.Module:
    """The causal language model of a configuration in fp32, in training mode; by default with transformers' own attention."""
    from transformers import AutoModelForCausalLM

    attention = attention or _own_attention(config)
    options = {"attn_implementation": attention, "dtype": torch.float32}
    if weights.directory is not None:
        return _load_module(config, weights.directory, options).train()
    if weights.seed is not None:
        torch.manual_seed(weights.seed)
    with torch.device("meta" if weights.seed is None else "cpu"):
        try:
            return AutoModelForCausalLM.from_config(config, **options).train()
        except Exception as error:
            raise _refused(config, error, attention) from error


def _class_of(config: object) -> type[torch.nn.Module]:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    try:
        found = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    except KeyError:
        raise WeftError(f'transformers has no causal language model for "{config.model_type}"', exit_code=INPUT_FILE) from None
    return found[0] if isinstance(found, tuple) else found


def _own_attention(config: object) -> str:
    """Attention as transformers has it; scaled_dot_product_attention would drop a cap on the scores."""
    return "sdpa" if _class_of(config)._supports_sdpa and not hasattr(config, "attn_logit_softcapping") else "eager"


def _refused(config: object, error: Exception, attention: str) -> WeftError:
    """What to raise where transformers cannot build a model; some look attention up by name in a table of their own (GPT-J, GPT-Neo)."""
    model = getattr(config, "model_type", "the model")
    if not isinstance(error, KeyError) or error.args != (attention,):
        return WeftError(f'transformers cannot build "{model}" from this configuration: {type(error).__name__}: {error}', exit_code=INPUT_FILE)
    return WeftError(f'attention of "{model}" cannot be taken over: it is not an attention function of transformers', exit_code=COMPILE)


def _load_module(config: object, directory: Path, options: dict[str, object]) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM, GenerationConfig

    try:
        module, report = AutoModelForCausalLM.from_pretrained(
            directory, config=config, generation_config=GenerationConfig(), output_loading_info=True, local_files_only=True, **options
        )
    except Exception as error:
        if isinstance(error, KeyError) and error.args == (options["attn_implementation"],):
            raise _refused(config, error, str(options["attn_implementation"])) from error
        raise WeftError(f'the weights in "{directory}" cannot be loaded: {error}', exit_code=INPUT_FILE) from error
    if missing := sorted(report["missing_keys"]):
        raise WeftError(f'"{directory}" lacks {len(missing)} weights: {", ".join(missing[:5])}', exit_code=INPUT_FILE)
    return module


def make_model(config: object, weights: Weights, *, batch: int, seq: int) -> Model:
    """The exportable model: tokens and labels i64 [batch, seq], mean cross-entropy of the logits in fp32."""
    _register_attention()
    # A class that does not look its attention up has its own, with masks as that needs them.
    looks_up = _class_of(config)._supports_attention_backend
    module = build_module(config, weights, attention=ATTENTION if looks_up else None)
    meta = weights.directory is None and weights.seed is None
    shape, device = (batch, seq), "meta" if meta else "cpu"
    example = {name: torch.zeros(shape, dtype=torch.int64, device=device) for name in ("tokens", "labels")}
    return Model(
        module=module, batch=example, loss=_loss, config=_description(config, module, batch, seq), tp_plan=tp_plan(config, module),
        inits=parameter_inits(module) if meta else {}, buffers=buffer_values(module) if meta else {},
    )  # fmt: skip


def _loss(module: torch.nn.Module, batch: Batch) -> torch.Tensor:
    extra: dict[str, object] = {}
    if "attention_mask" in inspect.signature(module.forward).parameters:
        # All positions count, said explicitly: a model given no mask looks for packed sequences in its position ids.
        extra["attention_mask"] = torch.ones_like(batch["tokens"], dtype=torch.bool)
    _seen.clear()
    logits = module(input_ids=batch["tokens"], use_cache=False, **extra).logits
    if _seen["masks left out"] and not _seen["attentions"]:
        raise WeftError(f'attention of "{module.config.model_type}" cannot be taken over: it calls none that is registered', exit_code=COMPILE)
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch["labels"].flatten())


def tp_plan(config: object, module: torch.nn.Module) -> dict[str, str]:
    """The published styles: the base model's under its prefix, and the class's own."""
    prefix = module.base_model_prefix
    base = {f"{prefix}.{pattern}": style for pattern, style in (config.base_model_tp_plan or {}).items()}
    return base | dict(type(module)._tp_plan or {})


def _description(config: object, module: torch.nn.Module, batch: int, seq: int) -> dict[str, object]:
    heads = config.num_attention_heads
    return {
        "batch": batch,
        "seq": seq,
        "vocab": config.vocab_size,
        "num_attention_heads": heads,
        "num_key_value_heads": getattr(config, "num_key_value_heads", None) or heads,
        "base_model_prefix": module.base_model_prefix,
        "base_model_tp_plan": config.base_model_tp_plan or {},
        "class_tp_plan": dict(type(module)._tp_plan or {}),
        "hf": json.loads(config.to_json_string(use_diff=False)),
    }


@cache
def _register_attention() -> None:
    """Registers an attention that keeps kv heads unrepeated and never builds a causal mask tensor."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, _mask)


def _mask(
    *, batch_size: int, q_length: int, kv_length: int, mask_function: Mask, local_size: int | None = None,
    device: torch.device | str = "cpu", allow_is_causal_skip: bool = True, **_: object,
) -> torch.Tensor | None:  # fmt: skip
    """No tensor for a causal mask, nor for a window at least as long as the sequence; others as a comparison of positions.

    A model that computes with its mask forbids that there is none.
    """
    from transformers.masking_utils import causal_mask_function

    is_causal = mask_function is causal_mask_function or (local_size is not None and local_size >= kv_length)
    if is_causal and allow_is_causal_skip:
        _seen["masks left out"] += 1
        return None
    batch, queries, keys = (torch.arange(size, device=device) for size in (batch_size, q_length, kv_length))
    mask = mask_function(batch[:, None, None, None], batch[:1, None, None, None], queries[:, None], keys)
    return mask if allow_is_causal_skip else mask.expand(batch_size, 1, q_length, kv_length)


def _attention(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor | None,
    dropout: float = 0.0, scaling: float | None = None, is_causal: bool | None = None, softcap: float | None = None,
    **extra: object,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    _seen["attentions"] += 1
    for name in ("position_bias", "s_aux"):
        if extra.get(name) is not None:
            raise WeftError(f'attention with "{name}" is not supported', exit_code=COMPILE)
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if softcap is not None:
        if causal and attention_mask is None:
            attention_mask = _mask_of_positions(query.shape[2], key.shape[2], query.device)
        out = _capped(query, key, value, attention_mask, scaling or query.shape[-1] ** -0.5, softcap)
        return torch.nn.functional.dropout(out, dropout).transpose(1, 2).contiguous(), None
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=attention_mask, dropout_p=dropout, scale=scaling,
        is_causal=causal and attention_mask is None, enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip
    return out.transpose(1, 2).contiguous(), None


def _mask_of_positions(queries: int, keys: int, device: torch.device) -> torch.Tensor:
    return torch.arange(keys, device=device) <= torch.arange(queries, device=device)[:, None]


def _capped(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float, softcap: float
) -> torch.Tensor:
    """Attention with capped scores, spelled out as transformers does it: scaled_dot_product_attention has no cap."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x[:, :, None].expand(-1, -1, groups, -1, -1).flatten(1, 2) for x in (key, value))
    scores = torch.tanh(torch.matmul(query, key.transpose(2, 3)) * scale / softcap) * softcap
    if mask is not None:
        scores = scores + torch.where(mask, 0.0, torch.finfo(scores.dtype).min)
    return torch.matmul(torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype), value)
