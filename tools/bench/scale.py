# SPDX-License-Identifier: Apache-2.0
"""How compilation grows: over layers on 16,384 ranks, and over ranks. Part of tools/bench/compile (`--scale`).

The model is a Llama of hidden 16384, exported as shapes only, compiled to the scheduled phase. The exponent of seconds over layers is
that of y = c * x^e; passes whose exponent is well above 1 are not linear. Over ranks the model is one and the same, so only sizes in
its types differ, and the seconds should not.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from commands import execute
from pictures import Curves
from ratios import fit_power
from sizes import Size, export

_LLAMA = Size("llama", 16384, 53248, 126, 128, 8, 128256, 2048, 8192)
_SMALL = Size("llama", 256, 688, 6, 8, 8, 512, 2048, 64)
LAYERS = (8, 16, 32, 64, 126)
MESHES = ((1, 2, 8), (2, 16, 8), (16, 128, 8))  # dp_replicate, dp_shard, tp
_PASS = re.compile(r"^\s+(\d+\.\d+) \(\s*\d+\.\d+%\)\s+(\S.*)$", re.MULTILINE)
_NOTICED = 0.01  # seconds on the largest model, below which a pass has no exponent worth printing


@dataclass(frozen=True)
class Compiled:
    """One compilation: what of, for which mesh, and where the seconds went; the best of a few."""

    layers: int
    mesh: tuple[int, int, int]
    seconds: float
    cpu_seconds: float
    passes: dict[str, float]

    @property
    def ranks(self) -> int:
        return self.mesh[0] * self.mesh[1] * self.mesh[2]


def _compile(weft: Path, model: Path, layers: int, mesh: tuple[int, int, int], repeat: int) -> Compiled:
    settings = [f"mesh.{axis}={size}" for axis, size in zip(("dp_replicate", "dp_shard", "tp"), mesh, strict=True)]
    words = [word for setting in settings for word in ("--set", setting)]
    runs = [execute(weft, "compile", model, *words, "--to", "scheduled", "--timing", "-o", f"{model}-program") for _ in range(repeat)]
    best = min(runs, key=lambda done: done.cpu_seconds)
    passes = {name: float(seconds) for seconds, name in _PASS.findall(best.output) if name.endswith("Pass")}
    return Compiled(layers, mesh, round(min(done.seconds for done in runs), 3), round(best.cpu_seconds, 3), passes)


def measure_scale(weft: Path, folder: Path, *, quick: bool, repeat: int) -> tuple[list[Compiled], list[Compiled]]:
    """Compilations over layers, for the largest mesh, and over ranks, of the largest model; printed as they end."""
    size, counts = (_SMALL, LAYERS[:2]) if quick else (_LLAMA, LAYERS)
    models = {layers: export(replace(size, layers=layers), folder=folder, weights=False) for layers in counts}
    over_layers, over_ranks = [], []
    for layers, model in models.items():
        over_layers.append(_compile(weft, model, layers, MESHES[-1], repeat))
        _print(over_layers[-1])
    for mesh in MESHES:
        over_ranks.append(_compile(weft, models[counts[-1]], counts[-1], mesh, repeat))
        _print(over_ranks[-1])
    return over_layers, over_ranks


def _print(found: Compiled) -> None:
    print(f"{found.layers:>4} layers, {found.ranks:>6} ranks: {found.seconds:7.2f} s ({found.cpu_seconds:.2f} s of processor)", flush=True)


def exponents_of(points: list[Compiled]) -> dict[str, float]:
    """Exponents over layers: of all seconds of the processor, and of each pass that takes some."""
    found = {"all": fit_power([(point.layers, point.cpu_seconds) for point in points]).exponent}
    for name, seconds in points[-1].passes.items():
        series = [(point.layers, point.passes[name]) for point in points if point.passes.get(name)]
        if seconds >= _NOTICED and len(series) == len(points):
            found[name] = fit_power(series).exponent
    return {name: round(exponent, 2) for name, exponent in found.items()}


def describe_scale(over_layers: list[Compiled], over_ranks: list[Compiled]) -> dict[str, object]:
    """What goes into the JSON file; the exponents and the ratio are printed too."""
    exponents = exponents_of(over_layers)
    ratio = round(max(p.cpu_seconds for p in over_ranks) / min(p.cpu_seconds for p in over_ranks), 3)
    print("seconds ~ layers^e: " + ", ".join(f"{name} {exponent:.2f}" for name, exponent in exponents.items()))
    print(f"from {over_ranks[0].ranks} to {over_ranks[-1].ranks} ranks: processor time within a factor of {ratio:.3f}")
    return {"over_layers": [vars(p) for p in over_layers], "over_ranks": [vars(p) for p in over_ranks], "exponents": exponents, "ratio": ratio}


def charts_of(over_layers: list[Compiled], over_ranks: list[Compiled]) -> list[Curves]:
    """Seconds over layers, with the longest passes, and over ranks."""
    fit = fit_power([(p.layers, p.cpu_seconds) for p in over_layers])
    longest = sorted(over_layers[-1].passes, key=over_layers[-1].passes.__getitem__)[-5:]
    points = {"all": [(p.layers, p.cpu_seconds) for p in over_layers]}
    points |= {name: [(p.layers, p.passes[name]) for p in over_layers if p.passes.get(name)] for name in longest}
    ranks = over_layers[-1].ranks
    title = f"weft compile --to scheduled, hidden 16384, {ranks} ranks"
    fitted = {f"x^{fit.exponent:.2f}": [(p.layers, fit.at(p.layers)) for p in over_layers]}
    return [
        Curves(title, "layers", "s of processor", points, fitted),
        Curves(f"the same, {over_ranks[-1].layers} layers", "ranks", "s of processor", {"all": [(p.ranks, p.cpu_seconds) for p in over_ranks]}),
    ]
