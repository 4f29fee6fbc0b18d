# SPDX-License-Identifier: Apache-2.0
"""Every benchmark runs with --quick and writes all it promises; statistics are exact. No time is asserted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEFT_BUILD", ROOT / "build/release"))
sys.path.insert(0, str(ROOT / "tools/bench"))

from contest import Contestant, compete  # noqa: E402
from ratios import fit_power, geometric_mean, ratio_of  # noqa: E402
from sizes import SIZES  # noqa: E402

needs_build = pytest.mark.skipif(not (BUILD / "bin/weft-opt").exists(), reason=f"{BUILD}/bin/weft-opt is not built")


def _bench(name: str, folder: Path, *options: object) -> dict[str, object]:
    """The results of a quick run, which must also have drawn its picture, if it has one."""
    result, picture = folder / f"{name}.json", folder / f"{name}.png"
    drawn = [] if name == "compile" and "--scale" not in options else ["--picture", picture]
    command = [sys.executable, ROOT / f"tools/bench/{name}.py", "--quick", "--build", BUILD, "--json", result, *drawn, *options]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0, done.stdout
    assert not drawn or picture.read_bytes().startswith(b"\x89PNG")
    return json.loads(result.read_text())


# Statistics


def test_ratio_is_of_medians_and_its_spread_of_rounds() -> None:
    ratio = ratio_of([[2.0, 4.0, 90.0], [4.0, 4.0, 4.0]], [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    assert (ratio.median, ratio.least, ratio.most) == (4.0 / 1.5, 2.0, 4.0)


def test_exponents_are_found() -> None:
    fit = fit_power([(x, 3.0 * x**1.5) for x in (1.0, 2.0, 4.0, 16.0)])
    assert (fit.factor, fit.exponent) == (pytest.approx(3), pytest.approx(1.5))
    assert fit.worst == pytest.approx(0)
    assert fit_power([(1.0, 1.0), (2.0, 3.0), (4.0, 4.0)]).worst > 0.1
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4)


def test_arithmetic_of_size_m() -> None:
    assert SIZES["m"].gemm_flops() == pytest.approx(29.9e9, rel=0.01)
    assert SIZES["m"].attention_flops() == pytest.approx(2.8e9, rel=0.01)


# Turns

COUNTER = """
import json, sys, time
for step in range(10**6):
    time.sleep(0.002)
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps({"step": step + 1, "loss": step, "step_ms": time.monotonic()}) + "\\n")
"""


def _counter(name: str, folder: Path) -> Contestant:
    """Its "milliseconds" are moments, so that the test sees when it ran."""
    return Contestant(name, [[sys.executable, "-c", COUNTER, folder / f"{name}.jsonl"]], folder / f"{name}.jsonl", [{}])


def test_only_one_contestant_runs_at_a_time(tmp_path: Path) -> None:
    contestants = [_counter(name, tmp_path) for name in ("a", "b")]
    try:
        compete(contestants, rounds=3, steps=4, warmup=2, progress=lambda _: None)
        turns = sorted((min(turn), max(turn)) for contestant in contestants for turn in contestant.rounds)
        assert len(turns) == 6
        assert all(before[1] < after[0] for before, after in zip(turns, turns[1:], strict=False))
        assert all(len(turn) >= 4 for contestant in contestants for turn in contestant.rounds)
        assert all(contestant.losses == list(range(len(contestant.losses))) for contestant in contestants)  # no line was lost
        assert all(contestant.peak_mib() > 1 for contestant in contestants)
    finally:
        for contestant in contestants:
            contestant.end()


def test_a_contestant_that_ends_is_an_error_with_its_output(tmp_path: Path) -> None:
    broken = Contestant("broken", [[sys.executable, "-c", "print('no such mode'); exit(3)"]], tmp_path / "x.jsonl", [{}])
    with pytest.raises(Exception, match="no such mode"):
        broken.start(warmup=1)
    broken.end()


# The benchmarks


@needs_build
def test_kernels_agree_with_pytorch_and_are_all_measured(tmp_path: Path) -> None:
    found = _bench("kernels", tmp_path)["sizes"]["xs"]
    names = [row["name"] for row in found["rows"]]
    assert {"lm_head forward", "lm_head dW", "attention backward", "rms_norm backward", "cross_entropy forward", "adamw"} <= set(names)
    assert all(row["weft_us"] > 0 and row["torch_us"] > 0 for row in found["rows"])
    limit = next(row for row in found["rows"] if row["name"] == "lm_head forward")
    assert found["limit_gflops"] == limit["weft_gflops"] > 0


def _is_run_with(argument: Path) -> bool:
    """True if a process has it on its command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(argument).encode() in file.read_bytes():
                return True
        except OSError:  # it has just ended
            continue
    return False


@needs_build
def test_a_benchmark_told_to_end_ends_its_programs(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "tools/bench/step.py", "--build", BUILD, "--alone", "--size", "xs", "--mode", "ddp", "--rounds", 10**6, "--folder", tmp_path]
    metrics = tmp_path / "xs-ddp-weft.jsonl"
    benchmark = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    while not metrics.exists() and benchmark.poll() is None:
        time.sleep(0.01)
    assert _is_run_with(metrics)
    benchmark.terminate()
    assert benchmark.wait(timeout=60) == 128 + signal.SIGTERM
    assert not _is_run_with(metrics)


@needs_build
def test_step_compares_weft_with_its_peer(tmp_path: Path) -> None:
    found = _bench("step", tmp_path, "--mode", "fsdp2", "--peer", "torch", "--eager-only", "--profile")
    (event,) = found["events"]
    weft, torch = event["rows"]
    assert (weft["name"], torch["name"]) == ("weft", "torch eager")
    assert weft["ratio"]["median"] == 1 and torch["ratio"]["median"] == pytest.approx(torch["median_ms"] / weft["median_ms"])
    assert torch["loss_difference"] < 1e-4
    share = event["share"]
    assert share["median"] == pytest.approx(event["limit_ms"] / weft["median_ms"])
    assert 0 < share["least"] <= share["most"]
    assert event["limit_product"] == "lm_head forward" and event["limit_gflops"] > 0
    assert found["summary"]["torch"]["cells"] == 1
    assert weft["peak_mib"] > 0 and weft["first_step_s"] > 0


@needs_build
@pytest.mark.skipif(not (BUILD / "lib/libweft_gloo.so").exists(), reason="the Gloo provider is not in this build")
def test_collectives_cover_kinds_sizes_and_communicators(tmp_path: Path) -> None:
    rows = _bench("collectives", tmp_path)["rows"]
    assert {(row["kind"], row["communicator"]) for row in rows} == {
        (kind, name) for kind in ("all_reduce", "all_gather", "reduce_scatter") for name in ("shared memory", "gloo (weft)", "gloo (torch)")
    }  # fmt: skip
    assert all([size for size, _ in row["points"]] == [1, 1024] and all(time > 0 for _, time in row["points"]) for row in rows)


@needs_build
@pytest.mark.slow
def test_growth_has_a_point_per_value_and_an_exponent(tmp_path: Path) -> None:
    for quantity in _bench("growth", tmp_path)["quantities"]:
        assert len(quantity["points"]) == 2 and "processors" in quantity["exponents"], quantity


@needs_build
@pytest.mark.slow
def test_compile_scales_over_layers_and_ranks(tmp_path: Path) -> None:
    found = _bench("compile", tmp_path, "--scale")
    assert [row["layers"] for row in found["over_layers"]] == [8, 16]
    assert [row["mesh"] for row in found["over_ranks"]] == [[1, 2, 8], [2, 16, 8], [16, 128, 8]]
    assert found["over_layers"][0]["passes"]["PropagateLayoutsPass"] > 0
    assert "all" in found["exponents"]


@pytest.mark.slow
def test_compile_times_the_whole_command(tmp_path: Path) -> None:
    found = _bench("compile", tmp_path)
    assert [row["dp_replicate"] for row in found["rows"]] == [1, 2048]
