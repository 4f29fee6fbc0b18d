# SPDX-License-Identifier: Apache-2.0
"""Errors a user can act on, each with the exit code of the command that meets it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

USAGE, INPUT_FILE, COMPILE, STORAGE = 2, 3, 4, 13


class WeftError(ValueError):
    """An error of the user's input: a message, and the exit code of the command."""

    def __init__(self, message: str, *, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Refusal:
    """One operator the importer could not translate: its name, why, and where the model calls it."""

    operator: str
    reason: str
    place: str


class UnsupportedOperators(WeftError):
    """Every operator of a graph that has no translation, reported at once."""

    def __init__(self, refusals: list[Refusal]) -> None:
        self.refusals = refusals
        groups: dict[tuple[str, str], list[str]] = {}
        for refusal in refusals:
            groups.setdefault((refusal.operator, refusal.reason), []).append(refusal.place)
        lines = [f"the graph has {_counted(len(groups), 'unsupported operator')} in {_counted(len(refusals), 'call')}"]
        for (operator, reason), places in sorted(groups.items()):
            distinct = list(dict.fromkeys(places))
            shown = ", ".join(distinct[:4]) + (f" and {len(distinct) - 4} more places" if len(distinct) > 4 else "")
            lines.append(f"  {operator} x{len(places)}" + (f": {reason}" if reason else "") + f"\n    at {shown}")
        super().__init__("\n".join(lines), exit_code=COMPILE)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def run_command(command: Callable[[], None], *, output: str | None = None) -> int:
    """Runs a command line's body; an error of the user's becomes one message and its exit code.

    `output` is what the command writes: an operating system's error there, or one that names no file, ends it with 13.
    """
    try:
        command()
    except WeftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        return _report(error, output)
    return 0


def _report(error: OSError, output: str | None) -> int:
    """The message of an operating system's error: what is the matter with which file."""
    file = error.filename if error.filename is not None else output
    is_output = output is not None and (Path(file) == Path(output) or Path(output) in Path(file).parents)
    verb = "write" if is_output else "read"
    print(f'error: cannot {verb} "{file}": {error.strerror or error}', file=sys.stderr)
    return STORAGE if is_output else INPUT_FILE
