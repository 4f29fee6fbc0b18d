# SPDX-License-Identifier: Apache-2.0
"""Programs that take turns on one machine, so that what disturbs one disturbs all.

A contestant is some processes that train without end and write one JSON line per step: {"step", "loss", "step_ms"}. It is started
alone, until its first steps are done; then its process group is stopped (SIGSTOP). In every round each contestant in turn goes on
(SIGCONT) for some steps. The first step of a turn began before the pause and does not count.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from commands import BenchmarkFailed

POLL = 0.02  # seconds; looking takes processor time from those who take part


@dataclass
class Contestant:
    """One program: its commands (one per process of it), its environment, and the file of its steps."""

    name: str
    commands: list[list[object]]
    steps_file: Path
    environments: list[dict[str, str]]
    limit: float = 600.0  # seconds for what is waited for
    processes: list[subprocess.Popen] = field(default_factory=list)
    begin: float = 0.0
    first_step_s: float = 0.0
    losses: list[float] = field(default_factory=list)
    rounds: list[list[float]] = field(default_factory=list)
    _offset: int = 0
    _before: tuple[float, int] = (0.0, 0)  # processor seconds and steps when the rounds began

    @property
    def log(self) -> Path:
        return self.steps_file.with_suffix(".log")

    @property
    def times(self) -> list[float]:
        """Milliseconds of the steps of all rounds."""
        return [ms for turn in self.rounds for ms in turn]

    def start(self, *, warmup: int) -> None:
        """Starts it, waits for the end of its first steps, and stops it."""
        self.steps_file.unlink(missing_ok=True)
        self.begin = time.perf_counter()
        with self.log.open("w") as log:
            for command, environment in zip(self.commands, self.environments, strict=True):
                group = self.processes[0].pid if self.processes else 0
                words = [str(word) for word in command]
                process = subprocess.Popen(
                    words, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=group
                )  # fmt: skip
                self.processes.append(process)
        done = len(self._await(1))
        self.first_step_s = time.perf_counter() - self.begin
        if done < warmup:
            self._await(warmup - done)
        self._pause()
        self._before = self._used()

    def take_turn(self, *, steps: int) -> None:
        """Goes on for some whole steps, then stops again."""
        self._signal(signal.SIGCONT)
        found = self._await(1 + steps)
        self._pause()
        self.rounds.append(found[1:])

    def peak_mib(self) -> float:
        """The most memory a process of it had resident, in MiB."""
        return max(_peak_kib(pid) for pid in self._members()) / 1024

    def cpu_ms(self) -> float:
        """Processor time of a step, of all its processes together; time spent spinning for a peer counts."""
        seconds, steps = self._used()
        return (seconds - self._before[0]) * 1e3 / max(1, steps - self._before[1])

    def _used(self) -> tuple[float, int]:
        return sum(_cpu_seconds(pid) for pid in self._members()), len(self.losses)

    def end(self) -> None:
        """Ends all processes of its group."""
        if not self.processes:
            return
        try:
            os.killpg(self.processes[0].pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for process in self.processes:
            process.wait()
        self.processes = []

    def _members(self) -> list[int]:
        group = self.processes[0].pid
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(folder.name)) == group:
                    found.append(int(folder.name))
            except ProcessLookupError:
                continue
        return found

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.processes[0].pid, number)
        except ProcessLookupError as error:
            raise self._failure() from error

    def _pause(self) -> None:
        """Stops all processes; steps that ended before that are no part of a later turn."""
        self._signal(signal.SIGSTOP)
        deadline = time.perf_counter() + self.limit
        while any(_state(pid) not in "TtZX" for pid in self._members()) and time.perf_counter() < deadline:
            time.sleep(POLL)
        self._new_steps()

    def _failure(self) -> BenchmarkFailed:
        end = "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-20:])
        return BenchmarkFailed(f"{end}{self.name} ended, or took longer than {self.limit:.0f} s; its whole output is in {self.log}")

    def _await(self, count: int) -> list[float]:
        """Waits for `count` more steps; returns the milliseconds of those, and of what else was done by then."""
        deadline = time.perf_counter() + self.limit
        found: list[float] = []
        while len(found) < count:
            found += self._new_steps()
            if len(found) >= count:
                break
            if any(process.poll() is not None for process in self.processes) or time.perf_counter() > deadline:
                raise self._failure()
            time.sleep(POLL)
        return found

    def _new_steps(self) -> list[float]:
        """Milliseconds of the steps whose lines are whole and not read yet."""
        if not self.steps_file.exists():
            return []
        with self.steps_file.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        steps = [json.loads(line) for line in whole.splitlines()]
        self.losses += [step["loss"] for step in steps]
        return [step["step_ms"] for step in steps]


def _peak_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _cpu_seconds(pid: int) -> float:
    """Of all threads, to the nanosecond."""
    try:
        return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    except OSError:
        return 0.0


def _state(pid: int) -> str:
    """The letter Linux gives the state of a process; X if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


def compete(
    contestants: list[Contestant],
    *,
    rounds: int,
    steps: int,
    warmup: int,
    progress: Callable[[str], None],
    begin_round: Callable[[], None] = lambda: None,
) -> None:
    """Runs all in turn; what was measured is in the contestants, which are stopped and must be ended."""
    for contestant in contestants:
        progress(f"start {contestant.name}")
        contestant.start(warmup=warmup)
    for turn in range(rounds):
        begin_round()
        for contestant in contestants:
            progress(f"round {turn + 1} of {rounds}: {contestant.name}")
            contestant.take_turn(steps=steps)
