# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks do: run programs, take options, write results; and where things are."""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class BenchmarkFailed(Exception):
    """A program failed, or something it needs is not there; the message is for the user."""


class Done(NamedTuple):
    """A program that has ended well."""

    seconds: float
    cpu_seconds: float
    output: str


def execute(*command: object) -> Done:
    """Runs a program to its end. Raises BenchmarkFailed."""
    begin, cpu = time.perf_counter(), _cpu_seconds()
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BenchmarkFailed(f"{done.stdout[-4000:]}exit code {done.returncode} of: {' '.join(words)}")
    return Done(time.perf_counter() - begin, _cpu_seconds() - cpu, done.stdout)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def new_parser(description: str) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smallest run that exercises everything; its times mean nothing")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", metavar="DIR", help="the build (default: build/release)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results")
    return parser


def add_picture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the results: .png, .svg or .pdf")


def find_program(build: Path, name: str) -> Path:
    """A program of the build."""
    program = build.resolve() / "bin" / name
    if not program.exists():
        raise BenchmarkFailed(f'"{program}" is missing\nnote: build it (tools/check, or ninja -C {build}), or name another build by --build')
    return program


def write_results(found: dict[str, object], file: Path | None) -> None:
    """Adds what the numbers depend on, and writes them if asked."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**found, "machine": machine()}, indent=1) + "\n")


def machine() -> dict[str, object]:
    """The processor, as Linux names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "load": [round(load, 2) for load in os.getloadavg()]}


def run_benchmark(main: object) -> None:
    """Runs a benchmark's main function and turns what fails into a message. Who is told to end ends the programs it has started."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except BenchmarkFailed as failure:
        sys.exit(f"error: {failure}")
