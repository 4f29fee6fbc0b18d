# SPDX-License-Identifier: Apache-2.0
"""The single-device reference: trains a Hugging Face model eagerly in PyTorch and writes the dump that `train --dump` writes.

The loss of a step is the sum of all token losses of all microbatches over the number of labels that count (0 where none does);
microbatches only bound memory. Data are taken in sequential order. Run as `python -m weft.reference`.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from weft.data import Samples, open_samples
from weft.errors import INPUT_FILE, WeftError, run_command
from weft.hf import Weights, build_module, load_config


@dataclass(frozen=True)
class Training:
    """What a reference run does; names and defaults follow the plan file's."""

    batch: int
    seq: int
    steps: int = 3
    microbatches: int = 1
    optimizer: str = "sgd"
    lr: float = 8e-4
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.optimizer not in ("sgd", "adamw"):
            raise WeftError(f'unknown optimizer: got "{self.optimizer}", expected "sgd" or "adamw"')
        for name in ("batch", "seq", "steps", "microbatches"):
            if getattr(self, name) < 1:
                raise WeftError(f'"{name}" is not positive: got {getattr(self, name)}')


def run_reference(module: torch.nn.Module, *, samples: Samples, training: Training, dump: str | Path) -> list[float]:
    """Trains the module in place and writes loss.json, gradients.safetensors and parameters.safetensors."""
    optimizer = _optimizer(module, training)
    losses: list[float] = []
    gradients: dict[str, torch.Tensor] = {}
    for step in range(training.steps):
        module.zero_grad(set_to_none=True)
        losses.append(_accumulate(module, samples, training, step))
        named = [(name, p.grad) for name, p in module.named_parameters() if p.grad is not None]
        gradients = {name: gradient.detach().clone().contiguous() for name, gradient in named}
        if training.clip > 0:
            torch.nn.utils.clip_grad_norm_(module.parameters(), training.clip)
        optimizer.step()
    directory = Path(dump)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "loss.json").write_text(json.dumps({"losses": losses}) + "\n")
    save_file(gradients, directory / "gradients.safetensors")
    parameters = {name: p.detach().clone().contiguous() for name, p in module.named_parameters()}
    save_file(parameters, directory / "parameters.safetensors")
    return losses


def _optimizer(module: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    parameters = [p for p in module.parameters() if p.requires_grad]
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay)
    return torch.optim.AdamW(
        parameters, lr=training.lr, betas=training.betas, eps=training.eps, weight_decay=training.weight_decay
    )  # fmt: skip


def _accumulate(module: torch.nn.Module, samples: Samples, training: Training, step: int) -> float:
    """Adds the gradients of one step's mean loss to the parameters; the loss."""
    batches = []
    for i in range(training.microbatches):
        taken = samples.take((step * training.microbatches + i) * training.batch, training.batch)
        batches.append({name: torch.from_numpy(array).long() for name, array in taken.items()})
        _check_range(batches[-1], module)
    count = sum(int((batch["labels"] != -100).sum()) for batch in batches)
    total = 0.0
    for batch in batches:
        logits = module(input_ids=batch["tokens"], use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum")
        loss = loss / count if count else loss * 0.0
        loss.backward()
        total += loss.item()
    return total


def _check_range(batch: dict[str, torch.Tensor], module: torch.nn.Module) -> None:
    """Refuses token ids that the model's vocabulary lacks."""
    vocab = module.get_input_embeddings().num_embeddings
    for name in ("tokens", "labels"):
        if (most := int(batch[name].max())) >= vocab:
            raise WeftError(f'"{name}" do not fit the model: got id {most}, expected less than {vocab}', exit_code=INPUT_FILE)


def parser() -> argparse.ArgumentParser:
    """The command line of the reference runner."""
    found = argparse.ArgumentParser(prog="python -m weft.reference", description="Trains in eager PyTorch on one device.")
    found.add_argument("--hf", required=True, metavar="CONFIG", help="a transformers configuration")
    found.add_argument("--weights", metavar="DIR", help="a folder of safetensors, such as an exported model's weights")
    found.add_argument("--seed", type=int, default=0, help="without --weights: the model's own initialisation under this seed")
    found.add_argument("--data", required=True, help="token files or safetensors")
    found.add_argument("--dump", required=True, metavar="DIR", help="the folder to write")
    for name, kind in (("batch", int), ("seq", int)):
        found.add_argument(f"--{name}", type=kind, required=True)
    for name in ("steps", "microbatches", "optimizer", "lr", "momentum", "eps", "weight_decay", "clip"):
        default = getattr(Training, name)
        found.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    found.add_argument("--betas", type=float, nargs=2, default=Training.betas)
    return found


def main() -> int:
    """Runs the reference; the return value is the exit code."""
    arguments = parser().parse_args()
    return run_command(lambda: _run(arguments), output=arguments.dump)


def _run(arguments: argparse.Namespace) -> None:
    fields = {name: getattr(arguments, name) for name in Training.__dataclass_fields__}
    training = Training(**{**fields, "betas": tuple(arguments.betas)})
    weights = Weights(directory=Path(arguments.weights)) if arguments.weights else Weights(seed=arguments.seed)
    module = build_module(load_config(arguments.hf), weights)
    samples = open_samples(arguments.data, seq=training.seq)
    for step, loss in enumerate(run_reference(module, samples=samples, training=training, dump=arguments.dump), 1):
        print(f"step {step} loss {loss:.6f}")


if __name__ == "__main__":
    sys.exit(main())
