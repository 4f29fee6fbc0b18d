# SPDX-License-Identifier: Apache-2.0
"""Hand-written modules (models/*.py): what eager PyTorch makes of them on one device."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from lab import STEPS
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]


def module_reference(module: torch.nn.Module, criterion: Callable, *, weights: Path, data: Tensors, dump: Path) -> Path:
    """The dump of some steps of SGD with momentum; `criterion(module, batch)` is the loss."""
    held, losses = load_file(weights), []
    module.load_state_dict({name: held[name] for name in module.state_dict()})
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    size = len(next(iter(data.values()))) // STEPS
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = criterion(module, {name: tensor[step * size : (step + 1) * size] for name, tensor in data.items()})
        loss.backward()
        losses.append(loss.item())
        gradients = {name: p.grad.clone() for name, p in module.named_parameters()}
        optimizer.step()
    dump.mkdir()
    (dump / "loss.json").write_text(json.dumps({"losses": losses}))
    save_file(gradients, dump / "gradients.safetensors")
    save_file(dict(module.named_parameters()), dump / "parameters.safetensors")
    return dump
