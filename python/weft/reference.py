# SPDX-License-Identifier: Apache-2.0
"""The single-device reference: trains a Hugging Face model eagerly in PyTorch and writes the dump that `train --dump` writes.

The loss of a step is the sum of all token losses of all microbatches over the number of labels that count (0 where none does);
microbatches only bound memory. Data are taken in sequential order. Run as `python -m weft.reference`.

With `--compute bf16` the semantics are those of FSDP2's `MixedPrecisionPolicy(param_dtype=bfloat16, reduce_dtype=float32)`: forward and
backward run on bf16 copies of the parameters (buffers keep their type, modules upcast inside as they do), each microbatch's gradients
are cast to f32 and summed there, and the optimizer works on f32 parameters.
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
    compute: str = "f32"

    def __post_init__(self) -> None:
        if self.optimizer not in ("sgd", "adamw"):
            raise WeftError(f'unknown optimizer: got "{self.optimizer}", expected "sgd" or "adamw"')
        if self.compute not in ("f32", "bf16"):
            raise WeftError(f'unknown type: got "{self.compute}", expected "f32" or "bf16"')
        for name in ("batch", "seq", "steps", "microbatches"):
            if getattr(self, name) < 1:
                raise WeftError(f'"{name}" is not positive: got {getattr(self, name)}')


def run_reference(module: torch.nn.Module, *, samples: Samples, training: Training, dump: str | Path) -> list[float]:
    """Trains the module in place and writes loss.json, gradients.safetensors and parameters.safetensors."""
    masters = Masters(module, narrow=torch.bfloat16 if training.compute == "bf16" else None)
    optimizer = _optimizer(masters.trainable(), training)
    losses: list[float] = []
    gradients: dict[str, torch.Tensor] = {}
    for step in range(training.steps):
        optimizer.zero_grad(set_to_none=True)
        losses.append(_accumulate(masters, samples, training, step))
        named = [(name, p.grad) for name, p in masters.named.items() if p.grad is not None]
        gradients = {name: gradient.detach().clone().contiguous() for name, gradient in named}
        if training.clip > 0:
            torch.nn.utils.clip_grad_norm_(masters.trainable(), training.clip)
        optimizer.step()
        masters.copy_to_module()
    directory = Path(dump)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "loss.json").write_text(json.dumps({"losses": losses}) + "\n")
    save_file(gradients, directory / "gradients.safetensors")
    parameters = {name: p.detach().clone().contiguous() for name, p in masters.named.items()}
    save_file(parameters, directory / "parameters.safetensors")
    return losses


class Masters:
    """The parameters that are trained: the module's own, or f32 ones of which the module holds narrow copies."""

    def __init__(self, module: torch.nn.Module, *, narrow: torch.dtype | None) -> None:
        self.module = module
        self.named: dict[str, torch.nn.Parameter] = dict(module.named_parameters())
        if narrow is None:
            return
        self.named = {name: torch.nn.Parameter(p.detach().clone(), p.requires_grad) for name, p in self.named.items()}
        for parameter in module.parameters():
            parameter.data = parameter.data.to(narrow)

    def trainable(self) -> list[torch.nn.Parameter]:
        """What the optimizer changes."""
        return [p for p in self.named.values() if p.requires_grad]

    def take_gradients(self) -> None:
        """Moves a microbatch's gradients from narrow copies to the f32 sums."""
        for name, copy in self.module.named_parameters():
            master = self.named[name]
            if copy is master or copy.grad is None:
                continue
            gradient = copy.grad.to(master.dtype)
            master.grad = gradient if master.grad is None else master.grad + gradient
            copy.grad = None

    def copy_to_module(self) -> None:
        """Rounds what the optimizer changed."""
        for name, copy in self.module.named_parameters():
            if copy is not self.named[name]:
                copy.data.copy_(self.named[name].data)


def _optimizer(parameters: list[torch.nn.Parameter], training: Training) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay)
    return torch.optim.AdamW(
        parameters, lr=training.lr, betas=training.betas, eps=training.eps, weight_decay=training.weight_decay
    )  # fmt: skip


def _accumulate(masters: Masters, samples: Samples, training: Training, step: int) -> float:
    """Adds the gradients of one step's mean loss to the parameters; the loss."""
    batches = []
    for i in range(training.microbatches):
        taken = samples.take((step * training.microbatches + i) * training.batch, training.batch)
        batches.append({name: torch.from_numpy(array).long() for name, array in taken.items()})
        _check_range(batches[-1], masters.module)
    count = sum(int((batch["labels"] != -100).sum()) for batch in batches)
    total = 0.0
    for batch in batches:
        logits = masters.module(input_ids=batch["tokens"], use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum")
        loss = loss / count if count else loss * 0.0
        loss.backward()
        masters.take_gradients()
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
    for name in ("steps", "microbatches", "optimizer", "lr", "momentum", "eps", "weight_decay", "clip", "compute"):
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
