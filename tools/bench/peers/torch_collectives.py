# SPDX-License-Identifier: Apache-2.0
"""PyTorch's collectives on gloo, one process per rank: per kind and size the best of some calls, in microseconds, from rank 0.

    RANK=0 WORLD_SIZE=2 ... python torch_collectives.py --sizes 4 1024 --steps 30 --json times.json
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist


def calls_of(size: int, ranks: int) -> list[Callable[[], object]]:
    """all_reduce, all_gather, reduce_scatter of `size` elements in all."""
    whole, part = torch.zeros(size), torch.zeros(size // ranks)
    return [
        lambda: dist.all_reduce(whole),
        lambda: dist.all_gather_into_tensor(whole, part),
        lambda: dist.reduce_scatter_tensor(part, whole),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    calls = [call for size in arguments.sizes for call in calls_of(size, dist.get_world_size())]
    best = [float("inf")] * len(calls)
    for _ in range(arguments.steps):
        for i, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            best[i] = min(best[i], (time.perf_counter() - begin) * 1e6)
    if dist.get_rank() == 0:
        arguments.json.write_text(json.dumps(best))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
