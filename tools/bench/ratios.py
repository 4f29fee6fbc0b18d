# SPDX-License-Identifier: Apache-2.0
"""Statistics of benchmarks: medians, ratios with their spread over rounds, geometric means, fitted exponents."""

import math
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How many times longer one takes than another: of all steps' medians, and the least and most of the rounds' medians."""

    median: float
    least: float
    most: float

    def text(self) -> str:
        return f"{self.median:.2f}x [{self.least:.2f} .. {self.most:.2f}]"


def ratio_of(slow: list[list[float]], fast: list[list[float]]) -> Ratio:
    """From the times of rounds in which both took a turn."""
    rounds = [statistics.median(a) / statistics.median(b) for a, b in zip(slow, fast, strict=True)]
    return Ratio(median_of(slow) / median_of(fast), min(rounds), max(rounds))


def median_of(rounds: list[list[float]]) -> float:
    return statistics.median(time for turn in rounds for time in turn)


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))


@dataclass(frozen=True)
class Fit:
    """y = factor * x ** exponent, by least squares of logarithms; `worst` is the largest relative distance of a point."""

    factor: float
    exponent: float
    worst: float

    def at(self, x: float) -> float:
        return self.factor * x**self.exponent


def fit_power(points: list[tuple[float, float]]) -> Fit:
    """At least two points with different x."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    slope, intercept = statistics.linear_regression(*zip(*logs, strict=True))
    fit = Fit(math.exp(intercept), slope, 0.0)
    return Fit(fit.factor, slope, max(abs(y / fit.at(x) - 1) for x, y in points))
