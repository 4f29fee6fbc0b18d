# SPDX-License-Identifier: Apache-2.0
"""Microseconds of a collective: Weft's communicators against PyTorch's gloo, over sizes, for 2 and 4 ranks of this host.

    tools/bench/collectives --json collectives.json --picture collectives.png

Weft's are measured as programs use them: a compiled program with one collective of each kind and size is trained for some steps,
and the profile tells its call's time (start and wait). PyTorch runs the same list of calls. In every round each takes a turn. A
time is that of rank 0, the best of the calls of a round, and the median of the rounds: what the call costs when nobody is late.

A size counts the fp32 elements of the whole: what all_reduce sums and gives, what all_gather gives, what reduce_scatter takes.
"""

import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from commands import ROOT, add_picture, execute, find_program, new_parser, run_benchmark, write_results
from pictures import Curves, draw
from ranks import run_ranks

KINDS = ("all_reduce", "all_gather", "reduce_scatter")
SIZES = [4**power for power in range(12)]  # 1 to 4 M
Times = dict[tuple[str, int], float]  # (kind, size) -> microseconds


@dataclass(frozen=True)
class Setting:
    """What all who take part run."""

    ranks: int
    sizes: list[int]
    steps: int
    folder: Path
    build: Path

    @property
    def calls(self) -> list[tuple[str, int]]:
        """Kinds and sizes, in the order in which they are called."""
        return [(kind, size) for size in self.sizes for kind in KINDS]

    def elements(self, size: int) -> int:
        """A size that the ranks can share equally."""
        return max(size, self.ranks)


def program_text(setting: Setting) -> str:
    """One function that calls every collective once."""
    slots, arguments, body, results, values = [], [], [], [], []
    for i, (kind, size) in enumerate(setting.calls):
        whole = f"tensor<{setting.elements(size)}xf32>"
        part = f"tensor<{setting.elements(size) // setting.ranks}xf32>"
        source, target = {"all_reduce": (whole, whole), "all_gather": (part, whole), "reduce_scatter": (whole, part)}[kind]
        slots += [f'pipe.slot @{name}{i} : {type} {{kind = "activation", lifetime = "run"}}' for name, type in (("x", source), ("y", target))]
        arguments.append(f"%x{i}: {source} {{pipe.slot = @x{i}}}")
        results.append(f"{target} {{pipe.slot = @y{i}}}")
        operand = f'"sum" %x{i}' if kind != "all_gather" else f"%x{i}"
        dims = "" if kind == "all_reduce" else " dims [0]"
        body.append(f'%y{i} = dist.{kind} {operand} over #mesh ["dp"]{dims} : ({source}) -> {target}')
        values.append((f"%y{i}", target))
    names, types = (", ".join(column) for column in zip(*values, strict=True))
    function = f"func.func @stage0({', '.join(arguments)}) -> ({', '.join(results)}) {{\n" + "\n".join(body) + f"\nreturn {names} : {types}\n}}"
    return f"#mesh = #dist.mesh<dp = {setting.ranks}>\nmodule attributes {{dist.mesh = #mesh}} {{\n" + "\n".join(slots) + f"\n{function}\n}}\n"


def compile_program(setting: Setting) -> Path:
    """The program; its folder has no launcher, `train` of the build runs it."""
    folder = setting.folder / f"{setting.ranks}-ranks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "collectives.mlir").write_text(program_text(setting))
    execute(find_program(setting.build, "weft-opt"), folder / "collectives.mlir", f"--weft-to-program=output={folder}", "-o", "/dev/null")
    return folder / "program.so"


def weft_times(program: Path, setting: Setting, communicator: str) -> Times:
    """From the profile of a short run."""
    profile = setting.folder / "profile.json"
    options = ["--steps", setting.steps, "--log-every", 10**9, "--communicator", communicator, "--profile", profile]
    os.environ["WEFT_PROGRAM"] = str(program)
    execute(find_program(setting.build, "train"), *options, "--spawn", setting.ranks)
    times = dict.fromkeys(setting.calls, 0.0)
    for site in json.loads(profile.read_text())["sites"]:
        if "collective" in site:  # its start or its wait
            times[setting.calls[site["collective"]]] += site["best_ms"] * 1e3
    return times


def torch_times(setting: Setting) -> Times:
    """From the peer's file."""
    found = setting.folder / "torch.json"
    sizes = [setting.elements(size) for size in setting.sizes]
    command = [sys.executable, ROOT / "tools/bench/peers/torch_collectives.py", "--steps", setting.steps, "--json", found, "--sizes", *sizes]
    run_ranks(command, ranks=setting.ranks, log=setting.folder / "torch.log")
    return dict(zip(setting.calls, json.loads(found.read_text()), strict=True))


def measure(setting: Setting, *, rounds: int) -> dict[str, Times]:
    """The median of the rounds, per communicator."""
    program = compile_program(setting)
    sides = {
        "shared memory": lambda: weft_times(program, setting, "shared_memory"),
        "gloo (weft)": lambda: weft_times(program, setting, "gloo"),
        "gloo (torch)": lambda: torch_times(setting),
    }
    turns: dict[str, list[Times]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            turns[name].append(side())
    return {name: {call: statistics.median(times[call] for times in all_times) for call in setting.calls} for name, all_times in turns.items()}


def print_table(setting: Setting, found: dict[str, Times]) -> None:
    print(f"{setting.ranks} ranks, microseconds\n  {'':<16}{'floats':>10}" + "".join(f"{name:>16}" for name in found) + f"{'torch / shared':>18}")
    for kind in KINDS:
        for size in setting.sizes:
            times = [side[kind, size] for side in found.values()]
            print(f"  {kind:<16}{size:>10}" + "".join(f"{time:>16.1f}" for time in times) + f"{times[-1] / times[0]:>17.1f}x", flush=True)


def main() -> None:
    """A table per number of ranks."""
    parser = new_parser(__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4], help="default: 2 4")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default: 3)")
    parser.add_argument("--steps", type=int, default=30, help="calls of each collective in a turn (default: 30)")
    add_picture(parser)
    arguments = parser.parse_args()
    sizes = SIZES
    if arguments.quick:
        sizes, arguments.ranks, arguments.rounds, arguments.steps = [1, 1024], [2], 1, 3
    rows, charts = [], []
    with tempfile.TemporaryDirectory() as folder:
        for ranks in arguments.ranks:
            setting = Setting(ranks, sizes, arguments.steps, Path(folder), arguments.build)
            found = measure(setting, rounds=arguments.rounds)
            print_table(setting, found)
            for kind in KINDS:
                points = {name: [(size, times[kind, size]) for size in sizes] for name, times in found.items()}
                charts.append(Curves(f"{kind}, {ranks} ranks", "fp32 elements", "microseconds", points))
                rows += [{"ranks": ranks, "kind": kind, "communicator": name, "points": values} for name, values in points.items()]
    write_results({"rows": rows}, arguments.json)
    if arguments.picture:
        draw(charts, arguments.picture)


if __name__ == "__main__":
    run_benchmark(main)
