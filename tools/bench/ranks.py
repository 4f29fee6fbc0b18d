# SPDX-License-Identifier: Apache-2.0
"""Programs of PyTorch as ranks of this host: the launcher variables of each, and a run to the end."""

import os
import socket
import subprocess
from pathlib import Path

from commands import ROOT, BenchmarkFailed


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def rank_environments(ranks: int) -> list[dict[str, str]]:
    """What each rank finds in its environment: its place, a common address, one thread."""
    port = str(free_port())
    common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "python")}
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]


def run_ranks(command: list[object], *, ranks: int, log: Path) -> None:
    """Runs one process per rank and waits for all."""
    words = [str(word) for word in command]
    with log.open("w") as output:
        processes = [
            subprocess.Popen(words, env={**os.environ, **environment}, stdout=output, stderr=output) for environment in rank_environments(ranks)
        ]  # fmt: skip
        codes = [process.wait() for process in processes]
    if any(codes):
        raise BenchmarkFailed(f"{log.read_text(errors='replace')[-4000:]}exit codes {codes} of: {' '.join(words)}")
