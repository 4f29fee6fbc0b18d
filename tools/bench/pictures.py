# SPDX-License-Identifier: Apache-2.0
"""Pictures of results: groups of bars, and curves with fitted lines. matplotlib is loaded when one is drawn."""

from dataclasses import dataclass, field
from pathlib import Path

COLORS = ("#1b6ca8", "#e07b39", "#c4432b", "#8a8f98", "#5b6068", "#6aa84f")


@dataclass(frozen=True)
class Bars:
    """A group of bars per label: a value per name, None where there is none."""

    title: str
    unit: str
    labels: list[str]
    values: dict[str, list[float | None]]
    is_logarithmic: bool = False


@dataclass(frozen=True)
class Curves:
    """Points per name over a quantity, both axes logarithmic; fitted lines are dashed."""

    title: str
    quantity: str
    unit: str
    points: dict[str, list[tuple[float, float]]]
    fitted: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def draw(charts: list[Bars | Curves], file: Path) -> None:
    """One picture, a row per chart."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(charts), 1, figsize=(11, 4.2 * len(charts)), squeeze=False, layout="constrained")
    for axis, chart in zip(axes[:, 0], charts, strict=True):
        (_draw_bars if isinstance(chart, Bars) else _draw_curves)(axis, chart)
        axis.set_title(chart.title)
        axis.set_ylabel(chart.unit)
        axis.grid(axis="y", alpha=0.3)
        axis.legend(fontsize="small")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def _draw_bars(axis: object, chart: Bars) -> None:
    width = 0.85 / len(chart.values)
    for i, (name, values) in enumerate(chart.values.items()):
        places = [group + (i - (len(chart.values) - 1) / 2) * width for group, value in enumerate(values) if value is not None]
        heights = [value for value in values if value is not None]
        bars = axis.bar(places, heights, width * 0.95, label=name, color=COLORS[i % len(COLORS)])
        axis.bar_label(bars, fmt="%.3g", fontsize=6, rotation=90, padding=2)
    axis.set_xticks(range(len(chart.labels)), chart.labels, fontsize="x-small" if len(chart.labels) > 10 else "small")
    axis.margins(y=0.15)
    if chart.is_logarithmic:
        axis.set_yscale("log")


def _draw_curves(axis: object, chart: Curves) -> None:
    for i, (name, points) in enumerate(chart.points.items()):
        axis.plot(*zip(*points, strict=True), marker="o", label=name, color=COLORS[i % len(COLORS)])
    for name, points in chart.fitted.items():
        axis.plot(*zip(*points, strict=True), linestyle="--", label=name, color="black", linewidth=1)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel(chart.quantity)
    places = sorted({x for points in chart.points.values() for x, _ in points})
    axis.set_xticks(places, [f"{place:g}" for place in places])
