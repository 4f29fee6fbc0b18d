# SPDX-License-Identifier: Apache-2.0
"""XLA trains the model of a benchmark, one process that holds a device per rank, until it is stopped; it writes a line per step.

    python jax_peer.py --config m.json --weights model/weights --data tokens/ --batch 4 --seq 256 --mode fsdp2 --metrics steps.jsonl

mode: ddp (batch sharded, parameters replicated) | fsdp2 (parameters and optimizer state sharded) | tp (column and row sharded
weights, sharded embedding and head, batch replicated). One jit with donated arguments; XLA's partitioner chooses the collectives,
which are copies inside of the process. Each device gets one thread. Weights, tokens and arithmetic are those of the other peers.

Letters: a linear layer's weight is [inputs, outputs] here, the transpose of the exported one.
"""

import argparse
import json
import os
import time
from pathlib import Path

RANKS = 2
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = str(RANKS)  # the size of XLA's thread pool
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count={RANKS}"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from arguments import peer_parser  # noqa: E402
from jax.sharding import NamedSharding, PartitionSpec  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402
from weft.data import read_tokens  # noqa: E402

Tree = dict[str, object]
MODULES = {
    "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj",
    "up": "mlp.up_proj", "down": "mlp.down_proj", "norm1": "input_layernorm", "norm2": "post_attention_layernorm",
}  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    return peer_parser(__doc__, ("ddp", "fsdp2", "tp")).parse_args()


def load_params(weights: Path, layers: int) -> Tree:
    """The exported weights, linear ones transposed."""
    stored = {name: tensor for file in sorted(weights.glob("*.safetensors")) for name, tensor in load_file(file).items()}

    def linear(name: str) -> np.ndarray:
        tensor = stored[f"{name}.weight"]
        return np.ascontiguousarray(tensor.T) if tensor.ndim == 2 else tensor

    blocks = [{key: linear(f"model.layers.{i}.{module}") for key, module in MODULES.items()} for i in range(layers)]
    return {"embed": stored["model.embed_tokens.weight"], "norm": linear("model.norm"), "head": linear("lm_head"), "blocks": blocks}


class Llama:
    """The loss as a pure function of parameters and tokens, with the mode's wishes on where values lie."""

    def __init__(self, config: Tree, *, mode: str, seq: int) -> None:
        self.mode, self.seq = mode, seq
        self.head = config["hidden_size"] // config["num_attention_heads"]
        self.mesh = jax.make_mesh((RANKS,), ("r",), axis_types=(jax.sharding.AxisType.Auto,))
        self.everywhere = NamedSharding(self.mesh, PartitionSpec())
        self.batch = NamedSharding(self.mesh, PartitionSpec() if mode == "tp" else PartitionSpec("r"))

    def spec(self, path: tuple, x: np.ndarray) -> NamedSharding:
        """Where the ranks split one weight."""
        parts = [None] * x.ndim
        if self.mode == "fsdp2":
            parts[int(np.argmax(x.shape))] = "r"
        elif self.mode == "tp" and x.ndim == 2:
            parts[0 if path[-1].key in ("o", "down", "embed") else 1] = "r"
        return NamedSharding(self.mesh, PartitionSpec(*parts))

    def pin(self, x: jax.Array) -> jax.Array:
        """Keeps the residual stream where the batch is."""
        return jax.lax.with_sharding_constraint(x, self.batch)

    def whole(self, weights: Tree) -> Tree:
        """In fsdp2, gathers weights where they are used; left alone, the partitioner moves activations of the head instead."""
        return jax.lax.with_sharding_constraint(weights, self.everywhere) if self.mode == "fsdp2" else weights

    def rotary(self, x: jax.Array) -> jax.Array:
        angle = jnp.arange(self.seq)[:, None] / 10000 ** (jnp.arange(0, self.head, 2) / self.head)
        cos, sin = (f(jnp.concatenate([angle, angle], -1))[:, None] for f in (jnp.cos, jnp.sin))
        a, b = jnp.split(x, 2, -1)
        return x * cos + jnp.concatenate([-b, a], -1) * sin

    def block(self, x: jax.Array, w: Tree) -> jax.Array:
        w = self.whole(w)
        h = rms_norm(x, w["norm1"])
        q, k, v = ((h @ w[name]).reshape(*h.shape[:2], -1, self.head) for name in "qkv")
        a = jax.nn.dot_product_attention(self.rotary(q), self.rotary(k), v, is_causal=True)
        x = self.pin(x + a.reshape(*h.shape[:2], -1) @ w["o"])
        h = rms_norm(x, w["norm2"])
        return self.pin(x + (jax.nn.silu(h @ w["gate"]) * (h @ w["up"])) @ w["down"])

    def loss(self, params: Tree, tokens: jax.Array) -> jax.Array:
        ends = self.whole({name: params[name] for name in ("embed", "norm", "head")})
        x = self.pin(ends["embed"][tokens[:, :-1]])
        for w in params["blocks"]:
            x = self.block(x, w)
        logits = rms_norm(x, ends["norm"]) @ ends["head"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean()


def rms_norm(x: jax.Array, scale: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * scale


def prepare(model: Llama, params: Tree, example: np.ndarray) -> tuple[object, Tree, object]:
    """The compiled step, and parameters and optimizer state in their places."""
    shardings = jax.tree_util.tree_map_with_path(model.spec, params)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, b1=0.9, b2=0.95, eps=1e-8, weight_decay=0.1))

    def step(params: Tree, state: object, tokens: jax.Array) -> tuple[Tree, object, jax.Array]:
        loss, grads = jax.value_and_grad(model.loss)(params, tokens)
        grads = jax.lax.with_sharding_constraint(grads, shardings)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    state_shardings = optax.tree.map_params(
        optimizer, lambda _, s: s, jax.eval_shape(optimizer.init, params), shardings, transform_non_params=lambda _: model.everywhere
    )  # fmt: skip
    params = jax.tree.map(jax.device_put, params, shardings)
    state = jax.jit(optimizer.init, out_shardings=state_shardings)(params)
    jitted = jax.jit(step, donate_argnums=(0, 1), out_shardings=(shardings, state_shardings, model.everywhere))
    return jitted.lower(params, state, jax.device_put(example, model.batch)).compile(), params, state


def train(arguments: argparse.Namespace) -> None:
    """Trains until the process is killed."""
    config = json.loads(arguments.config.read_text())
    model = Llama(config, mode=arguments.mode, seq=arguments.seq)
    stream = read_tokens(arguments.data).astype(np.int32)
    samples = (len(stream) - 1) // arguments.seq

    def batch_of(step: int) -> np.ndarray:
        starts = [(step * arguments.batch + row) % samples * arguments.seq for row in range(arguments.batch)]
        return np.stack([stream[start : start + arguments.seq + 1] for start in starts])

    compiled, params, state = prepare(model, load_params(arguments.weights, config["num_hidden_layers"]), batch_of(0))
    with arguments.metrics.open("w") as metrics:
        step = 0
        while True:
            tokens = jax.block_until_ready(jax.device_put(batch_of(step), model.batch))
            begin = time.perf_counter()
            params, state, loss = jax.block_until_ready(compiled(params, state, tokens))
            milliseconds = (time.perf_counter() - begin) * 1e3
            step += 1
            metrics.write(json.dumps({"step": step, "loss": float(loss), "step_ms": milliseconds}) + "\n")
            metrics.flush()


if __name__ == "__main__":
    train(parse_arguments())
