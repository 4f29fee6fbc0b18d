# SPDX-License-Identifier: Apache-2.0
"""What is exported: a module, an example batch, and how a scalar loss comes from both."""

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from weft.errors import WeftError

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Model:
    """A module with its loss.

    `loss(module, batch)` calls the module. `inits` describes parameters that no file holds (their tensors are on the meta device);
    `buffers` holds the values of buffers whose tensors are; `config` and `tp_plan` travel to the compiler as they are; `criterion` is
    the function that locations of the loss name (`loss` itself where it is None).
    """

    module: torch.nn.Module
    batch: Batch
    loss: Callable[[torch.nn.Module, Batch], torch.Tensor]
    inits: dict[str, dict[str, object]] = field(default_factory=dict)
    buffers: Batch = field(default_factory=dict)
    config: dict[str, object] = field(default_factory=dict)
    tp_plan: dict[str, str] = field(default_factory=dict)
    criterion: Callable[..., object] | None = None

    def __post_init__(self) -> None:
        for name, tensor in self.batch.items():
            if not isinstance(tensor, torch.Tensor):
                raise WeftError(f'batch entry "{name}" is not a tensor: got {type(tensor).__name__}')


def from_function(path: str) -> Model:
    """The model made by a function `pkg.mod:make_model`, which returns (module, example batch, loss function).

    The module is called with the batch entries its `forward` names; the loss function is called as `loss(output, batch)`.
    """
    home, _, name = path.partition(":")
    if not home or not name:
        raise WeftError(f'"--module" is not of the form "pkg.mod:function": got "{path}"')
    sys.path.insert(0, os.getcwd())
    try:
        make = getattr(importlib.import_module(home), name)
    except (ImportError, AttributeError) as error:
        raise WeftError(f'"--module" names nothing that can be imported: got "{path}" ({error})') from error
    finally:
        sys.path.pop(0)
    made = make()
    if not isinstance(made, tuple) or len(made) != 3 or not isinstance(made[0], torch.nn.Module):
        raise WeftError(f'"{path}" does not return (module, example batch, loss function): got {type(made).__name__}')
    module, batch, criterion = made
    accepted = inspect.signature(module.forward).parameters

    def loss(module: torch.nn.Module, batch: Batch) -> torch.Tensor:
        output = module(**{key: value for key, value in batch.items() if key in accepted})
        return criterion(output, batch)

    return Model(module=module, batch=dict(batch), loss=loss, criterion=criterion)
