# SPDX-License-Identifier: Apache-2.0
"""PyTorch trains the model of a benchmark, one process per rank, until it is stopped; rank 0 writes a line per step.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 python torch_peer.py --config m.json --weights model/weights \\
        --data tokens/ --batch 4 --seq 256 --mode fsdp2 --compile --metrics steps.jsonl

mode: ddp | fsdp2 (fully_shard per block) | tp (DTensor plan) | sp (plan, sequence parallel, loss parallel)
Every rank uses one thread, gloo connects them, AdamW is the foreach one. Sample i of the data is its tokens from i * seq on, as
Weft's `--order sequential` takes them.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from arguments import peer_parser
from safetensors.torch import load_file
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from transformers import AutoConfig, AutoModelForCausalLM
from weft.data import read_tokens


def parse_arguments() -> argparse.Namespace:
    parser = peer_parser(__doc__, ("ddp", "fsdp2", "tp", "sp"))
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="bf16: autocast")
    return parser.parse_args()


def load_model(config_file: Path, weights: Path) -> torch.nn.Module:
    """The model with exactly the exported weights."""
    config = AutoConfig.for_model(**json.loads(config_file.read_text()))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    tensors = {name: tensor for file in sorted(weights.glob("*.safetensors")) for name, tensor in load_file(file).items()}
    missing = model.load_state_dict(tensors, strict=False).missing_keys
    if missing:
        raise SystemExit(f"{weights} lacks {missing}")
    return model.train()


def tensor_parallel(model: torch.nn.Module, mesh: DeviceMesh, *, sequence: bool) -> torch.nn.Module:
    """PyTorch's plan for the model's blocks; with `sequence` activations between them are sharded, and the loss is parallel."""
    from torch.distributed.tensor.parallel import (
        ColwiseParallel, PrepareModuleInput, RowwiseParallel, SequenceParallel, parallelize_module,
    )  # fmt: skip

    between = Shard(1) if sequence else Replicate()
    logits = Shard(-1) if sequence else Replicate()
    plan = {
        "model.embed_tokens": RowwiseParallel(input_layouts=Replicate(), output_layouts=between, use_local_output=True),
        "lm_head": ColwiseParallel(input_layouts=between, output_layouts=logits, use_local_output=not sequence),
    }
    block = {name: ColwiseParallel() for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj")}
    block |= {name: RowwiseParallel(output_layouts=between) for name in ("self_attn.o_proj", "mlp.down_proj")}
    if sequence:
        plan["model.norm"] = SequenceParallel(use_local_output=True)
        block |= {name: SequenceParallel(use_local_output=True) for name in ("input_layernorm", "post_attention_layernorm")}
        block["self_attn"] = PrepareModuleInput(
            input_kwarg_layouts={"hidden_states": Shard(1)}, desired_input_kwarg_layouts={"hidden_states": Replicate()}
        )  # fmt: skip
        block["mlp"] = PrepareModuleInput(input_layouts=(Shard(1),), desired_input_layouts=(Replicate(),))
    for layer in range(len(model.model.layers)):
        plan |= {f"model.layers.{layer}.{name}": style for name, style in block.items()}
    return parallelize_module(model, mesh, plan)


def distribute(model: torch.nn.Module, mesh: DeviceMesh, *, mode: str, compiled: bool) -> torch.nn.Module:
    """The model as the mode distributes it, compiled as PyTorch's own examples of that mode do."""
    blocks = model.model.layers
    if mode == "ddp":
        return torch.nn.parallel.DistributedDataParallel(torch.compile(model) if compiled else model)
    if mode == "fsdp2":
        from torch.distributed.fsdp import fully_shard

        for block in blocks:
            if compiled:
                block.compile()
            fully_shard(block, mesh=mesh)
        return fully_shard(model, mesh=mesh)
    model = tensor_parallel(model, mesh, sequence=mode == "sp")
    for block in model.model.layers if compiled else []:
        block.compile()
    return model


def train_step(model: torch.nn.Module, tokens: torch.Tensor, *, mode: str, dtype: str) -> torch.Tensor:
    """Forward and backward; the loss of this rank's sequences."""
    ids, labels = tokens[:, :-1], tokens[:, 1:]
    options = {}
    if mode == "sp":  # the embedding's output is a sequence shard: say where it starts
        options["position_ids"] = torch.arange(ids.shape[1]).unsqueeze(0)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
        logits = model(input_ids=ids, **options).logits
    loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
    loss.backward()
    return loss.detach()


def clip(params: list[torch.Tensor], max_norm: float) -> None:
    """Clips to the norm over all parameters; PyTorch's own function refuses a mix of DTensor and plain tensors."""
    grads = [param.grad for param in params if param.grad is not None]
    kinds = [[g for g in grads if isinstance(g, DTensor)], [g for g in grads if not isinstance(g, DTensor)]]
    norms = [torch.nn.utils.get_total_norm(group) for group in kinds if group]
    norms = [norm.full_tensor() if isinstance(norm, DTensor) else norm for norm in norms]
    factor = torch.clamp(max_norm / (torch.stack(norms).norm() + 1e-6), max=1.0).item()
    for group in kinds:
        if group:
            torch._foreach_mul_(group, factor)


def make_optimizers(params: list[torch.Tensor]) -> list[torch.optim.Optimizer]:
    """One for DTensors, one for plain tensors: AdamW refuses the mix too."""
    kinds = [[p for p in params if isinstance(p, DTensor)], [p for p in params if not isinstance(p, DTensor)]]
    return [torch.optim.AdamW(kind, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, foreach=True) for kind in kinds if kind]


def train(arguments: argparse.Namespace) -> None:
    """Trains until the process is killed."""
    rank, world = dist.get_rank(), dist.get_world_size()
    mesh = init_device_mesh("cpu", (world,))
    model = distribute(load_model(arguments.config, arguments.weights), mesh, mode=arguments.mode, compiled=arguments.compile)
    params = list(model.parameters())
    optimizers = make_optimizers(params)
    tokens = torch.from_numpy(read_tokens(arguments.data))
    samples = (len(tokens) - 1) // arguments.seq
    data_parallel = arguments.mode in ("ddp", "fsdp2")
    share = arguments.batch // world if data_parallel else arguments.batch
    metrics = arguments.metrics.open("w") if rank == 0 else None
    step = 0
    while True:
        first = step * arguments.batch + (rank * share if data_parallel else 0)
        starts = [(first + row) % samples * arguments.seq for row in range(share)]
        batch = torch.stack([tokens[start : start + arguments.seq + 1] for start in starts])
        dist.barrier()
        begin = time.perf_counter()
        if arguments.mode == "sp":
            from torch.distributed.tensor.parallel import loss_parallel

            with loss_parallel():
                loss = train_step(model, batch, mode=arguments.mode, dtype=arguments.dtype)
        else:
            loss = train_step(model, batch, mode=arguments.mode, dtype=arguments.dtype)
        clip(params, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        dist.barrier()
        milliseconds = (time.perf_counter() - begin) * 1e3
        loss = loss.full_tensor() if isinstance(loss, DTensor) else loss
        if data_parallel:  # outside of what is timed
            dist.all_reduce(loss)
            loss /= world
        step += 1
        if metrics:
            metrics.write(json.dumps({"step": step, "loss": float(loss), "step_ms": milliseconds}) + "\n")
            metrics.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    train(parse_arguments())
