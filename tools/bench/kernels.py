# SPDX-License-Identifier: Apache-2.0
"""Kernels of a training step: what Weft generates against PyTorch's operators, one thread, in turns.

    tools/bench/kernels --size m l --json kernels.json --picture kernels.png

Each case is one function that Weft compiles (tools/bench/kernel_cases.py) and the operators PyTorch would call for it; both run in
this process on the same operands, their results must agree. Times are those of the processor, so that programs beside this one
disturb little; in every round each side runs for its part of `--seconds`. A time is the median of the rounds, the spread of the
ratio is that of the rounds. Contractions and attention are in GFLOP/s (causal attention counts half of
its scores), the others in GB/s of what they read and write. The speed of the largest forward product is the "arithmetic limit"
that tools/bench/step relates steps to.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from commands import BenchmarkFailed, add_picture, new_parser, run_benchmark, write_results
from kernel_cases import Case, Tensors, all_cases, largest_product
from native import NativeProgram
from pictures import Bars, draw
from ratios import Ratio, median_of, ratio_of
from sizes import SIZES, Size

ROUNDS = 5
TOLERANCE = 1e-3  # of the largest element; both sum in fp32, in other orders


def _load(case: Case, *, build: Path, folder: Path) -> tuple[NativeProgram, Tensors]:
    """The compiled case with its operands in place."""
    operands = case.make()
    name = case.name.replace(" ", "-")
    program = NativeProgram(case.text(operands), folder=folder / f"{name}-{'x'.join(map(str, next(iter(operands.values())).shape))}", build=build)
    for slot, tensor in operands.items():
        program.slot(slot)[...] = tensor.numpy()
    return program, operands


def _require_agreement(case: Case, program: NativeProgram, operands: Tensors) -> None:
    program.call()
    for name, expected in zip(case.results, case.torch(operands), strict=True):
        if expected is None:
            continue
        found, expected = program.slot(case.in_place.get(name, name)), expected.detach().numpy()
        worst = float(np.abs(found - expected).max())
        if not worst <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise BenchmarkFailed(f'{case.name}: result "{name}" differs from PyTorch\'s by {worst:.2e}')


def _seconds_per_call(call: Callable[[], object], *, seconds: float) -> float:
    """The mean over as many calls as fit."""
    begin, count, batch = time.thread_time(), 0, 1
    while True:
        for _ in range(batch):
            call()
        count += batch
        passed = time.thread_time() - begin
        if passed >= seconds:
            return passed / count
        batch = max(1, min(batch * 2, int(count * (seconds - passed) / passed)))


def measure_case(case: Case, *, build: Path, folder: Path, seconds: float) -> dict[str, object]:
    """Both sides of one case, in turns."""
    torch.set_num_threads(1)
    program, operands = _load(case, build=build, folder=folder)
    _require_agreement(case, program, operands)
    calls = {"weft": program.call, "torch": lambda: case.torch(operands)}
    rounds: dict[str, list[list[float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            rounds[name].append([_seconds_per_call(call, seconds=seconds / ROUNDS)])
    found: dict[str, object] = {"name": case.name, "kind": case.kind, "flops": case.flops, "bytes": case.bytes(operands)}
    for name, turns in rounds.items():
        times = [turn[0] for turn in turns]
        found[f"{name}_us"] = statistics.median(times) * 1e6
        found[f"{name}_rounds_us"] = [time * 1e6 for time in times]
        # The speed that others are related to is that of an undisturbed round.
        found[f"{name}_gflops"] = case.flops / min(times) / 1e9
        found[f"{name}_gbps"] = found["bytes"] / min(times) / 1e9
    ratio = ratio_of(rounds["torch"], rounds["weft"])
    return found | {"ratio": ratio.median, "ratio_least": ratio.least, "ratio_most": ratio.most}


class LargestProduct:
    """The speed that a training step is related to: that of its largest matrix product alone, measured in turns with the step."""

    def __init__(self, size: Size, *, build: Path, folder: Path, seconds: float) -> None:
        torch.set_num_threads(1)
        self.case = largest_product(size)
        self.rounds: list[list[float]] = []  # milliseconds of a call
        self._seconds = seconds
        self._program, operands = _load(self.case, build=build, folder=folder)
        _require_agreement(self.case, self._program, operands)

    @property
    def gflops(self) -> float:
        return self.case.flops / median_of(self.rounds) / 1e6

    def milliseconds_of(self, flops: float) -> list[list[float]]:
        """What so much arithmetic would have taken in each round."""
        return [[ms * flops / self.case.flops for ms in turn] for turn in self.rounds]

    def take_turn(self) -> None:
        self.rounds.append([_seconds_per_call(self._program.call, seconds=self._seconds) * 1e3])


def _line(found: dict[str, object]) -> str:
    speed = "gflops" if found["flops"] else "gbps"
    unit = "GFLOP/s" if found["flops"] else "GB/s"
    ratio = Ratio(found["ratio"], found["ratio_least"], found["ratio_most"])
    return (
        f"  {found['name']:<24}{found['weft_us']:>10.1f}{found['torch_us']:>10.1f}{found[f'weft_{speed}']:>9.1f}{found[f'torch_{speed}']:>9.1f} "
        f"{unit:<8} {ratio.text()}"
    )


def _picture(size: str, rows: list[dict[str, object]]) -> list[Bars]:
    charts = []
    for title, unit, speed, chosen in (
        ("matrix products and attention", "GFLOP/s", "gflops", [row for row in rows if row["flops"]]),
        ("rows, elementwise, optimizer", "GB/s", "gbps", [row for row in rows if not row["flops"]]),
    ):
        labels = [row["name"].replace(" ", "\n", 1) for row in chosen]
        values = {name: [row[f"{name}_{speed}"] for row in chosen] for name in ("weft", "torch")}
        charts.append(Bars(f"size {size}: {title}, one thread", unit, labels, values))
    return charts


def main() -> None:
    """Prints a table per size."""
    parser = new_parser(__doc__)
    parser.add_argument("--size", nargs="+", choices=SIZES, default=["m", "l"], help="default: m l")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side of a case (default: 1)")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose name contains it")
    add_picture(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.seconds = ["xs"], 0.02
    sizes, charts = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for size in (SIZES[name] for name in arguments.size):
            print(f"size {size.name}, one thread\n  {'':<24}{'weft us':>10}{'torch us':>10}{'weft':>9}{'torch':>9} {'':<8} torch / weft", flush=True)
            rows = []
            for case in all_cases(size):
                if arguments.only in case.name:
                    rows.append(measure_case(case, build=arguments.build, folder=Path(folder) / size.name, seconds=arguments.seconds))
                    print(_line(rows[-1]), flush=True)
            limit = next((row["weft_gflops"] for row in rows if row["name"] == largest_product(size).name), None)
            if limit:
                print(f"  arithmetic limit: {limit:.0f} GFLOP/s, the largest product ({largest_product(size).name})")
            sizes[size.name] = {"rows": rows, "limit_gflops": limit}
            charts += _picture(size.name, rows)
    write_results({"sizes": sizes}, arguments.json)
    if arguments.picture:
        draw(charts, arguments.picture)


if __name__ == "__main__":
    run_benchmark(main)
