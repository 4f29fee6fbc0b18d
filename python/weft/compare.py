# SPDX-License-Identifier: Apache-2.0
"""Compares two dumps: losses, gradients and parameters within the tolerance between layouts.

Per tensor, in norms: |a - b| <= 1e-5 |b| + 1e-7 |all gradients of b|. The floor is for gradients that are zero in theory; after
AdamW, which scales such noise up, their parameters may be out of tolerance (`k_proj.bias`). Run as `python -m weft.compare DUMP REFERENCE`.

Two programs that compute in bf16 agree only to bf16's precision, and how far an exact result is from either depends on the model. With
`--wide WIDE`, the dump w of an f32 reference, the reference b therefore says how large errors are: |a - w| <= 1.5 |b - w| + 2^-12 |w|.
The floor is for single numbers (losses) that b meets by chance: a sixteenth of bf16's rounding.
"""

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weft.errors import INPUT_FILE, WeftError, run_command

RELATIVE, FLOOR = 1e-5, 1e-7
NARROW_RATIO, NARROW_FLOOR = 1.5, 2.0**-12


@dataclass(frozen=True)
class Difference:
    """One tensor: the norm of the difference, the norm allowed, and the reference's norm."""

    name: str
    distance: float
    allowed: float
    norm: float

    @property
    def ratio(self) -> float:
        """Distance over what is allowed: above 1 is a mismatch; NaN counts as one."""
        if math.isnan(self.distance):
            return math.inf
        return self.distance / self.allowed if self.allowed else (math.inf if self.distance else 0.0)


@dataclass(frozen=True)
class Comparison:
    """All differences, the worst first, and names that only one dump has."""

    differences: list[Difference]
    unmatched: list[str]

    @property
    def agree(self) -> bool:
        return not self.unmatched and all(d.ratio <= 1 for d in self.differences)

    def table(self, *, rows: int = 8) -> str:
        """The worst tensors, one line each."""
        lines = [f"{'tensor':<64} {'|a - b|':>11} {'allowed':>11} {'|b|':>11} {'ratio':>8}"]
        for d in self.differences[:rows]:
            lines.append(f"{d.name:<64} {d.distance:>11.3e} {d.allowed:>11.3e} {d.norm:>11.3e} {d.ratio:>8.3f}")
        lines += [f"only in one dump: {name}" for name in self.unmatched]
        failed = sum(d.ratio > 1 for d in self.differences)
        lines.append(f"{len(self.differences) - failed} of {len(self.differences)} agree, {len(self.unmatched)} unmatched")
        return "\n".join(lines)


def compare_dumps(found: str | Path, *, reference: str | Path, wide: str | Path | None = None) -> Comparison:
    """Compares all that two dump folders hold; with `wide`, by their distances from a reference in f32."""
    ours, theirs = _load(Path(found)), _load(Path(reference))
    exact = _load(Path(wide)) if wide else {}
    gradients = [value for name, value in theirs.items() if name.startswith("gradients/")]
    floor = FLOOR * math.sqrt(sum(_norm(value) ** 2 for value in gradients))
    common = ours.keys() & theirs.keys() & (exact.keys() if wide else theirs.keys())
    unmatched = sorted((ours.keys() | theirs.keys() | exact.keys()) - common)
    differences = []
    for name in common:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape:
            unmatched.append(f"{name} (shapes {a.shape} and {b.shape})")
            continue
        if wide:
            differences.append(_narrow_difference(name, a, b, exact[name]))
            continue
        norm = _norm(b)
        differences.append(Difference(name, _norm(a - b), RELATIVE * norm + floor, norm))
    return Comparison(sorted(differences, key=lambda d: (-d.ratio, d.name)), unmatched)


def _narrow_difference(name: str, a: np.ndarray, b: np.ndarray, exact: np.ndarray) -> Difference:
    norm = _norm(exact)
    return Difference(name, _norm(a - exact), NARROW_RATIO * _norm(b - exact) + NARROW_FLOOR * norm, norm)


def _norm(values: np.ndarray) -> float:
    return float(np.linalg.norm(values.reshape(-1)))


def _load(directory: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    try:
        losses = json.loads((directory / "loss.json").read_text())["losses"]
        found = {f"loss/{step}": np.asarray(loss, dtype=np.float64) for step, loss in enumerate(losses, 1)}
        for kind in ("gradients", "parameters"):
            tensors = load_file(directory / f"{kind}.safetensors")
            found |= {f"{kind}/{name}": tensor.astype(np.float64) for name, tensor in tensors.items()}
    except (OSError, KeyError, ValueError) as error:
        raise WeftError(f'"{directory}" is not a dump: {error}', exit_code=INPUT_FILE) from error
    return found


def parser() -> argparse.ArgumentParser:
    """The command line of the comparison."""
    found = argparse.ArgumentParser(prog="python -m weft.compare", description="Compares two dumps; exit code 1 on a mismatch.")
    found.add_argument("dump")
    found.add_argument("reference")
    found.add_argument("--wide", metavar="WIDE", help="an f32 reference: DUMP and REFERENCE compute in bf16")
    found.add_argument("--rows", type=int, default=8, help="lines of the table of worst tensors")
    return found


def main() -> int:
    """Runs the comparison: 0 where the dumps agree, 1 where not, 3 where one cannot be read."""
    arguments = parser().parse_args()
    comparisons: list[Comparison] = []
    code = run_command(lambda: comparisons.append(compare_dumps(arguments.dump, reference=arguments.reference, wide=arguments.wide)))
    if code:
        return code
    print(comparisons[0].table(rows=arguments.rows))
    return 0 if comparisons[0].agree else 1


if __name__ == "__main__":
    sys.exit(main())
