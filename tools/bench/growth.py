# SPDX-License-Identifier: Apache-2.0
"""How the cost of a step grows: over the sequence length, over ranks at fixed total work, over layers.

    tools/bench/growth --json growth.json --picture growth.png

One quantity changes at a time, from the model of `--size`. The exponent is that of y = c * x^e, fitted by least squares of logarithms:
over layers it should be 1, over sequence length between 1 (matrix products) and 2 (attention); over ranks it should be -1 while
there are cores for them, and 0 beyond: what it is above that is the overhead of distribution. For ranks the processor time of all
of them is given besides, whose exponent should be 0 (but a rank that waits for a late one spins a while, and that counts). All points of a quantity are alive at once and take turns, as in
tools/bench/step; `least` is the least of all steps, which is what is fitted: other programs on the machine only ever add.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from commands import add_picture, new_parser, run_benchmark, write_results
from contest import Contestant, compete
from entrants import Event, weft_artefact, weft_contestant
from pictures import Curves, draw
from ratios import Fit, fit_power, median_of
from sizes import SIZES, Size

Point = dict[str, float]
RANK_MODES = {"ddp": "dp_replicate", "fsdp2": "dp_shard", "tp": "tp"}


@dataclass(frozen=True)
class Quantity:
    """What changes, its values, and what a value makes of the size and of the plan."""

    name: str
    values: list[int]
    size: Callable[[Size, int], Size]
    settings: Callable[[int], list[str]]


def quantities(*, quick: bool) -> list[Quantity]:
    """All that are measured."""
    two = ["mesh.dp_shard=2"]
    found = [
        Quantity("sequence length", [128, 256, 512, 1024, 2048], lambda size, n: replace(size, seq=n), lambda _: two),
        Quantity("layers", [2, 4, 8, 16, 32, 48], lambda size, n: replace(size, layers=n), lambda _: two),
    ]
    for mode, axis in RANK_MODES.items():
        found.append(
            Quantity(f"ranks ({mode})", [1, 2, 4, 8], lambda size, _: replace(size, batch=8, kv_heads=8, heads=8), lambda n, axis=axis: [f"mesh.{axis}={n}"])
        )  # fmt: skip
    if not quick:
        return found
    return [replace(quantity, values=quantity.values[:2]) for quantity in (found[0], found[1], found[2])]


@dataclass(frozen=True)
class Setting:
    """How it is measured."""

    size: Size
    rounds: int
    steps: int
    folder: Path
    build: Path


def _contestant(quantity: Quantity, value: int, setting: Setting) -> Contestant:
    size = quantity.size(setting.size, value)
    event = Event(size, f"{quantity.name.replace(' ', '-')}-{value}", "f32", setting.folder, setting.build)
    artefact, _ = weft_artefact(event, *quantity.settings(value))
    return weft_contestant(event, artefact, name=str(value))


def measure(quantity: Quantity, setting: Setting) -> list[Point]:
    """A point per value."""
    contestants = [_contestant(quantity, value, setting) for value in quantity.values]
    try:
        compete(contestants, rounds=setting.rounds, steps=setting.steps, warmup=2, progress=lambda _: None)
        return [_point(value, contestant) for value, contestant in zip(quantity.values, contestants, strict=True)]
    finally:
        for contestant in contestants:
            contestant.end()


def _point(value: int, contestant: Contestant) -> Point:
    return {
        "value": value, "least_ms": min(contestant.times), "median_ms": median_of(contestant.rounds), "peak_mib": contestant.peak_mib(),
        "cpu_ms": contestant.cpu_ms(),
    }  # fmt: skip


def _print(quantity: Quantity, points: list[Point], fits: dict[str, Fit]) -> None:
    print(f"{quantity.name}: " + ", ".join(f"{key} ~ x^{fit.exponent:.2f} (worst point {100 * fit.worst:.0f} % off)" for key, fit in fits.items()))
    for point in points:
        print(
            f"  {point['value']:>6.0f}{point['least_ms']:>10.2f} ms least{point['median_ms']:>10.2f} ms median{point['cpu_ms']:>10.2f} ms of processors"
            f"{point['peak_mib']:>8.0f} MiB", flush=True,
        )  # fmt: skip


def fits_of(quantity: Quantity, points: list[Point]) -> dict[str, Fit]:
    """Exponents of the step's time (over ranks only while there is a core for each) and of the processors' time."""
    has_cores = [point for point in points if not quantity.name.startswith("ranks") or point["value"] <= (os.cpu_count() or 1)]
    series = {"time": [(point["value"], point["least_ms"]) for point in has_cores], "processors": [(point["value"], point["cpu_ms"]) for point in points]}
    return {name: fit_power(values) for name, values in series.items() if len(values) > 1}


def main() -> None:
    """A table per quantity."""
    parser = new_parser(__doc__)
    parser.add_argument("--size", choices=SIZES, default="s", help="what is varied (default: s)")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each point (default: 4)")
    parser.add_argument("--steps", type=int, default=5, help="steps of a turn (default: 5)")
    add_picture(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.rounds, arguments.steps = "xs", 1, 2
    found, charts = [], []
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(SIZES[arguments.size], arguments.rounds, arguments.steps, Path(folder), arguments.build)
        for quantity in quantities(quick=arguments.quick):
            points = measure(quantity, setting)
            fits = fits_of(quantity, points)
            _print(quantity, points, fits)
            exponents = {name: fit.exponent for name, fit in fits.items()}
            found.append({"quantity": quantity.name, "exponents": exponents, "points": points})
            series = {"step, least": "least_ms", "processors, per step": "cpu_ms"}
            curves = {name: [(point["value"], point[key]) for point in points] for name, key in series.items()}
            fitted = {f"x^{fit.exponent:.2f}": [(value, fit.at(value)) for value in quantity.values] for name, fit in fits.items() if name == "time"}
            charts.append(Curves(f"{quantity.name}, size {arguments.size}", quantity.name, "ms", curves, fitted))
    write_results({"size": arguments.size, "quantities": found}, arguments.json)
    if arguments.picture:
        draw(charts, arguments.picture)


if __name__ == "__main__":
    run_benchmark(main)
