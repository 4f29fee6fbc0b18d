# SPDX-License-Identifier: Apache-2.0
"""What peers need beside .venv: XLA in a virtual environment of its own, and the library that shows MKL's AVX-512 path.

Both are made on demand under build/bench and kept.
"""

import subprocess
import sys
from pathlib import Path

from commands import ROOT, BenchmarkFailed, execute

sys.path.insert(0, str(ROOT / "tools/dev"))

from steps import StepFailed, run, title  # noqa: E402

KEPT = ROOT / "build/bench"
REQUIREMENTS = ROOT / "tools/dependencies/bench.txt"
# MKL asks this function whether it may use its best kernels; on other processors than Intel's its own answer is no.
FAST_MKL = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"


def fast_mkl_library() -> Path:
    """The library to preload into PyTorch."""
    source, library = KEPT / "fast_mkl.c", KEPT / "libfast_mkl.so"
    if not library.exists() or source.read_text() != FAST_MKL:
        KEPT.mkdir(parents=True, exist_ok=True)
        source.write_text(FAST_MKL)
        execute("cc", "-O2", "-shared", "-fPIC", source, "-o", library)
    return library


def jax_python() -> Path:
    """The interpreter of the environment with the pinned XLA, installed if it is not there."""
    folder = KEPT / "jax"
    python, mark = folder / "bin/python", folder / "requirements.txt"
    if mark.exists() and mark.read_text() == REQUIREMENTS.read_text():
        return python
    progress = title("install the XLA peer (about 1 min, 400 MB)")
    try:
        run([sys.executable, "-m", "venv", folder])
        options = ["--disable-pip-version-check", "--progress-bar", "off"]
        run([python, "-m", "pip", "install", *options, "-r", REQUIREMENTS], watch=lambda line: progress.show(line[:90]))
    except (StepFailed, subprocess.SubprocessError) as failure:
        raise BenchmarkFailed(f"the XLA peer cannot be installed:\n{failure}") from failure
    mark.write_text(REQUIREMENTS.read_text())
    progress.done(str(folder))
    return python
