# SPDX-License-Identifier: Apache-2.0
"""Seconds to compile a Llama, for one replica and for many, with local shapes equal.

    .venv/bin/python tools/bench/compile.py --size m --json compile.json

The batch grows with the replicas, so each rank's program is the same; what the ratio shows is the cost of ranks. It should be 1.
Seconds are those of the whole of `weft compile`, the best of `--repeat`; the ratio is that of processor time, which other
programs on the machine disturb less.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES = {  # hidden, ffn, layers, heads, kv heads, vocab, sequences of a replica, sequence length
    "xs": (64, 176, 2, 4, 2, 256, 4, 64),
    "s": (128, 352, 4, 4, 2, 1024, 4, 128),
    "m": (256, 688, 6, 8, 4, 2048, 4, 256),
    "l": (512, 1376, 8, 8, 4, 8192, 4, 512),
    "xl": (768, 2048, 12, 12, 12, 32000, 2, 512),
}


@dataclass(frozen=True)
class Measured:
    """One mesh."""

    dp_replicate: int
    tp: int
    seconds: float
    cpu_seconds: float


def _config(size: str) -> dict[str, object]:
    """The Hugging Face configuration of a size."""
    names = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size"]
    sizes = dict(zip(names, SIZES[size], strict=False))
    return {"model_type": "llama", "max_position_embeddings": SIZES[size][7], "use_cache": False, **sizes}


def _run(*command: object) -> tuple[float, float]:
    """Runs a program; returns its seconds and those of the processor, and ends the benchmark if it fails."""
    begin, cpu = time.perf_counter(), _cpu_seconds()
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return time.perf_counter() - begin, _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def export(size: str, *, replicas: int, folder: Path) -> Path:
    """A model without weights, its batch scaled to the replicas."""
    config, model = folder / f"{size}.json", folder / f"{size}-{replicas}"
    config.write_text(json.dumps(_config(size)))
    batch, seq = SIZES[size][6] * replicas, SIZES[size][7]
    _run(sys.executable, "-m", "weft.export_command", "--hf", config, "--weights", "none", "--batch", batch, "--seq", seq, "-o", model)
    return model


def measure(weft: Path, model: Path, *, replicas: int, tp: int, repeat: int) -> Measured:
    """The best of some compilations."""
    mesh = ["--set", f"mesh.dp_replicate={replicas}", "--set", f"mesh.tp={tp}"]
    runs = [_run(weft, "compile", model, *mesh, "-o", f"{model}-program") for _ in range(repeat)]
    wall, cpu = (min(column) for column in zip(*runs, strict=True))
    return Measured(replicas, tp, round(wall, 3), round(cpu, 3))


def main() -> None:
    """Prints a table, and writes it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="m")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2048])
    parser.add_argument("--tp", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--weft", type=Path, default=ROOT / "build/release/bin/weft")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    rows: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        for replicas in arguments.replicas:
            model = export(arguments.size, replicas=replicas, folder=Path(folder))
            row = measure(arguments.weft, model, replicas=replicas, tp=arguments.tp, repeat=arguments.repeat)
            rows.append(row)
            mesh = f"dp_replicate {replicas:>5} x tp {arguments.tp}"
            ratio = row.cpu_seconds / rows[0].cpu_seconds
            print(f"size {arguments.size}, {mesh}: {row.seconds:6.2f} s ({row.cpu_seconds:.2f} s of processor), ratio {ratio:.3f}", flush=True)
    if arguments.json:
        found = {"size": arguments.size, "rows": [asdict(row) for row in rows], "ratio": round(ratio, 4)}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
