# SPDX-License-Identifier: Apache-2.0
"""Who takes part in the step benchmark: Weft, and each peer, as contestants that train one model in one mode on one stream of tokens."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from commands import ROOT, execute, find_program
from contest import Contestant
from peer_setup import fast_mkl_library, jax_python
from ranks import rank_environments
from sizes import Size, export
from weft.data import Shards, write_tokens

RANKS = 2
# PyTorch by the kernels that its MKL may use: what is added to the names, and the environment that brings it about.
TORCH = {
    "torch": ("", dict),
    "torch-fast-mkl": (", fast MKL", lambda: {"LD_PRELOAD": str(fast_mkl_library())}),
    "torch-avx2-mkl": (", AVX2 MKL", lambda: {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
}
PEERS = (*TORCH, "jax")
# Mode -> what `weft compile` is told. The names are the peers'.
MODES = {
    "ddp": [f"mesh.dp_replicate={RANKS}"],
    "fsdp2": [f"mesh.dp_shard={RANKS}"],
    "tp": [f"mesh.tp={RANKS}"],
    "sp": [f"mesh.tp={RANKS}", "plan.sequence_parallel=true", "plan.loss_parallel=true"],
}
JAX_MODES = ("ddp", "fsdp2", "tp")
STREAM_STEPS = 64  # of tokens; then the stream starts over
# The optimizer of the peers.
PLAN = """\
[optimizer]
name = "adamw"
lr = 1e-3
betas = [0.9, 0.95]
eps = 1e-8
weight_decay = 0.1
clip = 1.0
"""


@dataclass(frozen=True)
class Event:
    """One size in one mode, and where its files go."""

    size: Size
    mode: str
    dtype: str
    folder: Path
    build: Path

    @property
    def model(self) -> Path:
        return export(self.size, folder=self.folder, weights=True)

    @property
    def data(self) -> Path:
        """Random tokens, the same for all who take part."""
        folder = self.folder / f"{self.size.name}-data"
        if not folder.exists():
            tokens = np.random.default_rng(1).integers(0, self.size.vocab, self.size.tokens * STREAM_STEPS + 1)
            write_tokens([tokens], shards=Shards(folder, self.size.vocab))
        return folder

    def steps_file(self, name: str) -> Path:
        return self.folder / f"{self.size.name}-{self.mode}-{name.replace(' ', '-')}.jsonl"


def weft_artefact(event: Event, *settings: str, name: str = "") -> tuple[Path, float]:
    """The program, and the seconds it took to compile."""
    plan = event.folder / "plan.toml"
    plan.write_text(PLAN)
    target = event.folder / f"{event.model.name}-{name or event.mode}-{event.dtype}"
    chosen = list(settings or MODES[event.mode])
    if event.dtype != "f32":
        chosen.append(f"precision.compute={event.dtype}")
    sets = [word for setting in chosen for word in ("--set", setting)]
    return target, execute(find_program(event.build, "weft"), "compile", event.model, "-c", plan, *sets, "-o", target).seconds


def weft_contestant(event: Event, artefact: Path, *, name: str = "weft") -> Contestant:
    """One process per rank, over shared memory."""
    steps = event.steps_file(name)
    options = ["--data", event.data, "--order", "sequential", "--steps", 10**9, "--log-every", 10**9, "--metrics", steps]
    command = [find_program(event.build, "weft"), "run", artefact, *options]
    return Contestant(name, [command], steps, [{}])


def weft_profile(event: Event, artefact: Path, *, steps: int) -> str:
    """Where the time of a step goes, as a table; the profile is kept beside the steps."""
    options = ["--data", event.data, "--order", "sequential", "--steps", steps, "--profile", event.steps_file("profile").with_suffix(".json")]
    output = execute(find_program(event.build, "weft"), "run", artefact, *options).output
    return output[output.index("profile of rank") :]


def _training(event: Event, name: str) -> list[object]:
    """The arguments all peers take."""
    return [
        "--config", event.model.with_suffix(".json"), "--weights", event.model / "weights", "--data", event.data, "--batch", event.size.batch,
        "--seq", event.size.seq, "--mode", event.mode, "--metrics", event.steps_file(name),
    ]  # fmt: skip


def peer_variants(peer: str) -> tuple[str, ...]:
    """The names under which a peer's variants are shown."""
    return tuple(f"torch {kind}{TORCH[peer][0]}" for kind in ("eager", "compiled")) if peer in TORCH else (peer,)


def torch_contestant(event: Event, name: str, *, peer: str, is_compiled: bool) -> Contestant:
    """One process per rank, over gloo."""
    options = ["--dtype", event.dtype, *(["--compile"] if is_compiled else [])]
    command = [sys.executable, ROOT / "tools/bench/peers/torch_peer.py", *_training(event, name), *options]
    environments = [environment | TORCH[peer][1]() for environment in rank_environments(RANKS)]
    return Contestant(name, [command] * RANKS, event.steps_file(name), environments)


def jax_contestant(event: Event) -> Contestant:
    """One process with a device per rank."""
    command = [jax_python(), ROOT / "tools/bench/peers/jax_peer.py", *_training(event, "jax")]
    return Contestant("jax", [command], event.steps_file("jax"), [{"PYTHONPATH": str(ROOT / "python")}])


def peer_contestants(event: Event, peers: list[str], *, eager_only: bool) -> list[Contestant]:
    """Those of the chosen peers that have the event's mode and type."""
    found = []
    for peer in peers:
        if peer == "jax":
            if event.mode in JAX_MODES and event.dtype == "f32":
                found.append(jax_contestant(event))
            continue
        variants = zip(peer_variants(peer), (False, True), strict=True)
        found += [torch_contestant(event, name, peer=peer, is_compiled=compiled) for name, compiled in variants if not (compiled and eager_only)]
    return found
