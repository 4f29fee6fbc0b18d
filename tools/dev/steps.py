# SPDX-License-Identifier: Apache-2.0
"""Steps of the commands in tools/: run a program, say what it does, how far it is and how long it still takes."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLVM = "/usr/lib/llvm-22/bin"
PRESET = "release"
EVERY = 10.0  # seconds between progress lines where the output is no terminal


class StepFailed(Exception):
    """A program of a step ended with an error; the message is for the user."""


def environment() -> dict[str, str]:
    """The environment of all programs: LLVM's tools first, the virtual environment next."""
    path = os.pathsep.join([LLVM, str(ROOT / ".venv/bin"), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(ROOT / ".venv")}


@dataclass
class Progress:
    """Prints lines of progress: rewritten in place on a terminal, every few seconds elsewhere."""

    start: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def show(self, text: str, *, fraction: float = 0.0) -> None:
        """Says `text`, the time passed, and the time left if `fraction` of the work is done."""
        terminal = sys.stdout.isatty()
        if time.monotonic() - self.shown < (0.2 if terminal else EVERY):
            return
        self.shown = time.monotonic()
        left = f", about {duration(self.elapsed * (1 - fraction) / fraction)} left" if fraction > 0 else ""
        line = f"    {text} ({duration(self.elapsed)}{left})"
        print(f"\r\033[K{line[:119]}" if terminal else line, end="" if terminal else "\n", flush=True)

    def done(self, text: str = "done") -> None:
        clear = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{clear}    {text} ({duration(self.elapsed)})", flush=True)


def duration(seconds: float) -> str:
    """A time as people say it: 8 s, 2 min 05 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def title(text: str) -> Progress:
    """Begins a step."""
    print(f"==> {text}", flush=True)
    return Progress()


def run(command: list[object], *, watch: Callable[[str], None] | None = None, log: Path | None = None) -> str:
    """Runs a program in the project's root and returns its output; `watch` sees each line. Raises StepFailed."""
    words = [str(word) for word in command]
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )  # fmt: skip
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if watch:
                watch(line.rstrip())
    except BaseException:
        process.terminate()
        raise
    finally:
        if log:
            log.write_text("".join(lines))
    if code := process.wait():
        end = "".join(lines[-40:])
        raise StepFailed(f"{end}error: exit code {code} of: {' '.join(words)}")
    return "".join(lines)


def build(folder: Path, *, targets: list[str]) -> None:
    """Configures the release preset if that was not done, and builds what is out of date."""
    if not (folder / "build.ninja").exists():
        progress = title(f"configure {_shown(folder)}")
        run(["cmake", "--preset", PRESET, "-B", folder])
        progress.done()
    progress = title(f"build {_shown(folder)}")
    steps: list[tuple[float, int]] = []

    def watch(line: str) -> None:
        if found := re.match(r"\[(\d+)/(\d+)\] (.*)", line):
            count, total = int(found[1]), int(found[2])
            steps.append((progress.elapsed, total))
            progress.show(f"[{count}/{total}] {found[3].split('/')[-1][:50]}", fraction=count / total)

    run(["ninja", "-C", folder, *targets], watch=watch)
    progress.done(f"built, {len(steps)} steps")


def _shown(folder: Path) -> str:
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)
