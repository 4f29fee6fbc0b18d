# SPDX-License-Identifier: Apache-2.0
"""Seconds to compile a Llama, for one replica and for many, with local shapes equal.

    tools/bench/compile --size m --json compile.json
    tools/bench/compile --scale --json scale.json --picture scale.png

The batch grows with the replicas, so each rank's program is the same; what the ratio shows is the cost of ranks. It should be 1.
Seconds are those of the whole of `weft compile`, the best of `--repeat`; the ratio is that of processor time, which other
programs on the machine disturb less. `--scale` compiles a large model to the scheduled phase instead (scale.py).
"""

import argparse
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from commands import BenchmarkFailed, add_picture, execute, find_program, new_parser, run_benchmark, write_results
from pictures import draw
from scale import charts_of, describe_scale, measure_scale
from sizes import SIZES, export


@dataclass(frozen=True)
class Measured:
    """One mesh."""

    dp_replicate: int
    tp: int
    seconds: float
    cpu_seconds: float


def export_replicas(size: str, *, replicas: int, folder: Path) -> Path:
    """A model without weights, its batch scaled to the replicas."""
    chosen = SIZES[size]
    return export(replace(chosen, batch=chosen.batch * replicas), folder=folder, weights=False)


def measure(weft: Path, model: Path, *, replicas: int, tp: int, repeat: int) -> Measured:
    """The best of some compilations."""
    mesh = ["--set", f"mesh.dp_replicate={replicas}", "--set", f"mesh.tp={tp}"]
    runs = [execute(weft, "compile", model, *mesh, "-o", f"{model}-program") for _ in range(repeat)]
    return Measured(replicas, tp, round(min(done.seconds for done in runs), 3), round(min(done.cpu_seconds for done in runs), 3))


def _replicas(arguments: argparse.Namespace, weft: Path, folder: Path) -> dict[str, object]:
    """The whole of a compilation, for several numbers of replicas."""
    rows: list[Measured] = []
    for replicas in arguments.replicas:
        model = export_replicas(arguments.size, replicas=replicas, folder=folder)
        row = measure(weft, model, replicas=replicas, tp=arguments.tp, repeat=arguments.repeat)
        rows.append(row)
        mesh = f"dp_replicate {replicas:>5} x tp {arguments.tp}"
        ratio = row.cpu_seconds / rows[0].cpu_seconds
        print(f"size {arguments.size}, {mesh}: {row.seconds:6.2f} s ({row.cpu_seconds:.2f} s of processor), ratio {ratio:.3f}", flush=True)
    return {"size": arguments.size, "rows": [asdict(row) for row in rows], "ratio": round(ratio, 4)}


def main() -> None:
    """Prints a table, and writes it as JSON if asked."""
    parser = new_parser(__doc__)
    parser.add_argument("--size", choices=SIZES, default="m")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2048])
    parser.add_argument("--tp", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scale", action="store_true", help="a large Llama to the scheduled phase instead: over layers and over ranks")
    parser.add_argument("--models", type=Path, metavar="DIR", help="keep exports here (that of 126 layers takes a minute)")
    add_picture(parser)
    arguments = parser.parse_args()
    if arguments.picture and not arguments.scale:
        raise BenchmarkFailed('"--picture" goes with "--scale"')
    if arguments.quick:
        arguments.size, arguments.repeat = "xs", 1
    weft = find_program(arguments.build, "weft")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.models or Path(temporary)).resolve()
        if not arguments.scale:
            write_results(_replicas(arguments, weft, folder), arguments.json)
            return
        measured = measure_scale(weft, folder, quick=arguments.quick, repeat=arguments.repeat)
    write_results(describe_scale(*measured), arguments.json)
    if arguments.picture:
        draw(charts_of(*measured), arguments.picture)


if __name__ == "__main__":
    run_benchmark(main)
