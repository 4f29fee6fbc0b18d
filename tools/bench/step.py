# SPDX-License-Identifier: Apache-2.0
"""Milliseconds of a training step: Weft against PyTorch and XLA, in turns on this machine.

    tools/bench/step --size m --mode ddp fsdp2 --peer torch --peer torch-fast-mkl --peer jax --json step.json --picture step.png

All train the same Llama from the same weights on the same tokens (fp32, AdamW, clipping; two ranks of one thread each), so their
losses must agree; if they do not, the benchmark fails. Weft's ranks are processes on shared memory, PyTorch's are processes on
gloo, XLA's are devices of one process. For every size and mode the programs are started one after the other; in each round each
in turn trains some steps while the others are stopped.

modes: ddp; fsdp2; tp; sp = tp with sequence and loss parallelism (XLA has no counterpart of it here).
peers: torch = eager and torch.compile; torch-fast-mkl = the same with MKL told to use its AVX-512 kernels, which it keeps from
processors that are not Intel's (on Intel's it changes nothing); torch-avx2-mkl = with MKL kept to AVX2, as it keeps itself on
those others, so that an Intel processor can show what stock PyTorch is there; jax = XLA, installed on demand into an environment
of its own.

Columns: median and least ms of a step; processor ms of a rank in it (waiting by spinning counts, waiting asleep does not; other
programs on the machine do not); how many times longer than Weft, with the least and most of the rounds; peak resident MiB of a
process (XLA's one holds all ranks); seconds from the start of the program to the end of its first step (those of `weft compile` are
in the title; torch.compile finds what it has cached). "share" is what part of the step the arithmetic alone would take: matrix
products and causal attention of a rank at the speed of the largest matrix product alone (as in tools/bench/kernels), in fp32; that
product runs by itself at the beginning of every round, and the share is the median of the rounds' (with the least and the most).
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

from commands import BenchmarkFailed, add_picture, machine, new_parser, run_benchmark, write_results
from contest import Contestant, compete
from entrants import MODES, PEERS, RANKS, Event, peer_contestants, peer_variants, weft_artefact, weft_contestant, weft_profile
from kernels import LargestProduct
from pictures import Bars, draw
from ratios import Ratio, geometric_mean, median_of, ratio_of
from sizes import SIZES

COMPARED = 8  # steps whose losses are compared
AGREEMENT = {"f32": 2e-3, "bf16": 2e-2}  # the relative difference that AdamW may make of rounding
Row = dict[str, object]


def parse_arguments() -> argparse.Namespace:
    parser = new_parser(__doc__)
    parser.add_argument("--size", nargs="+", choices=SIZES, default=["m"], help="default: m")
    parser.add_argument("--mode", nargs="+", choices=MODES, default=list(MODES), help="default: all")
    parser.add_argument("--peer", action="append", choices=PEERS, help="may be repeated; default: torch; none: --alone")
    parser.add_argument("--alone", action="store_true", help="no peer")
    parser.add_argument("--eager-only", action="store_true", help="PyTorch without torch.compile, which takes long to start")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="of the computation; PyTorch's bf16 is autocast")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--steps", type=int, default=6, help="steps of a turn (default: 6)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep models, programs and logs there")
    parser.add_argument("--profile", action="store_true", help="then run Weft alone and say where the time of its step goes")
    add_picture(parser)
    arguments = parser.parse_args()
    arguments.peer = [] if arguments.alone else list(dict.fromkeys(arguments.peer or ["torch"]))
    if arguments.quick:
        arguments.size, arguments.mode, arguments.rounds, arguments.steps = ["xs"], arguments.mode[:1], 2, 3
    return arguments


def row_of(contestant: Contestant, weft: Contestant) -> Row:
    """What is known about one contestant, from its own run and Weft's."""
    ratio = ratio_of(contestant.rounds, weft.rounds)
    common = list(zip(contestant.losses, weft.losses, strict=False))[:COMPARED]
    return {
        "name": contestant.name,
        "median_ms": median_of(contestant.rounds),
        "least_ms": min(contestant.times),
        "ratio": asdict(ratio),
        "cpu_ms": contestant.cpu_ms() / RANKS,
        "peak_mib": contestant.peak_mib(),
        "first_step_s": contestant.first_step_s,
        "first_loss": contestant.losses[0],
        "loss_difference": max(abs(a / b - 1) for a, b in common),
        "rounds_ms": contestant.rounds,
    }


def run_event(event: Event, arguments: argparse.Namespace) -> Row:
    """All contestants of one size and mode, and the limit."""
    product = LargestProduct(event.size, build=event.build, folder=event.folder, seconds=0.02 if arguments.quick else 0.5)
    artefact, compile_s = weft_artefact(event)
    weft = weft_contestant(event, artefact)
    contestants = [weft, *peer_contestants(event, arguments.peer, eager_only=arguments.eager_only)]
    try:
        compete(contestants, rounds=arguments.rounds, steps=arguments.steps, warmup=3, begin_round=product.take_turn, progress=_say)
        rows = [row_of(contestant, weft) for contestant in contestants]
    finally:
        for contestant in contestants:
            contestant.end()
    flops = (event.size.gemm_flops() + event.size.attention_flops()) / RANKS
    limit = product.milliseconds_of(flops)
    found = {
        "size": event.size.name, "mode": event.mode, "dtype": event.dtype, "compile_s": compile_s, "limit_product": product.case.name,
        "limit_gflops": product.gflops, "limit_ms": median_of(limit), "share": asdict(ratio_of(limit, weft.rounds)),
        "cpu_share": median_of(limit) / rows[0]["cpu_ms"], "rows": rows,
    }  # fmt: skip
    print(_table(found), flush=True)
    if arguments.profile:
        print(weft_profile(event, artefact, steps=2 * arguments.steps), flush=True)
    for row in rows:
        if not row["loss_difference"] <= AGREEMENT[event.dtype]:
            raise BenchmarkFailed(
                f"{row['name']} trains something else than weft: losses of the first {COMPARED} steps differ by {row['loss_difference']:.1e},"
                f" expected at most {AGREEMENT[event.dtype]:.0e}"
            )
    return found


def _say(text: str) -> None:
    print(f"    {text}", flush=True)


def _table(event: Row) -> str:
    share = event["share"]
    lines = [
        f"size {event['size']}, {event['mode']}, {event['dtype']}, {RANKS} ranks; weft compile {event['compile_s']:.1f} s",
        f"  arithmetic alone {event['limit_ms']:.1f} ms, at the {event['limit_gflops']:.0f} GFLOP/s of the largest matrix product in f32 "
        f"({event['limit_product']}): share {100 * share['median']:.0f} % [{100 * share['least']:.0f} .. {100 * share['most']:.0f}], "
        f"{100 * event['cpu_share']:.0f} % of processor time",
        f"  {'':<26}{'ms':>9}{'least':>9}{'cpu':>9}  {'of weft':<24}{'MiB':>6}{'first s':>9}{'loss 1':>10}{'differs':>9}",
    ]
    for row in event["rows"]:
        lines.append(
            f"  {row['name']:<26}{row['median_ms']:>9.1f}{row['least_ms']:>9.1f}{row['cpu_ms']:>9.1f}  {Ratio(**row['ratio']).text():<24}{row['peak_mib']:>6.0f}"
            f"{row['first_step_s']:>9.1f}{row['first_loss']:>10.5f}{row['loss_difference']:>9.0e}"
        )
    return "\n".join(lines)


def summarise(events: list[Row]) -> Row:
    """Per peer, over the events, the ratios of its best variant: geometric mean and least."""
    summary = {}
    for peer in PEERS:
        variants = [[row["ratio"]["median"] for row in event["rows"] if row["name"] in peer_variants(peer)] for event in events]
        best = [min(ratios) for ratios in variants if ratios]
        if best:
            summary[peer] = {"cells": len(best), "geometric_mean": geometric_mean(best), "least": min(best)}
            print(f"{peer}: {geometric_mean(best):.2f}x of weft's time (geometric mean of {len(best)} cells, its best variant in each), least {min(best):.2f}x")
    return summary


def picture_of(events: list[Row]) -> list[Bars]:
    """Step times, alone and against Weft's, and memory: a group of bars per size and mode."""
    labels = [f"{event['size']} {event['mode']}" for event in events]
    names = dict.fromkeys(row["name"] for event in events for row in event["rows"])

    def values(key: str) -> dict[str, list[float | None]]:
        return {name: [next((row[key] for row in event["rows"] if row["name"] == name), None) for event in events] for name in names}

    arithmetic = {"arithmetic alone": [event["limit_ms"] for event in events]}
    times = Bars(f"a training step, {RANKS} ranks, median", "ms", labels, values("median_ms") | arithmetic, is_logarithmic=True)
    against = {name: [row / weft if row else None for row, weft in zip(own, values("median_ms")["weft"], strict=True)] for name, own in times.values.items()}
    relative = Bars("the same, weft = 1", "times weft", labels, against)
    return [times, relative, Bars("peak resident memory of a process", "MiB", labels, values("peak_mib"))]


def main() -> None:
    """Every size in every mode."""
    arguments = parse_arguments()
    if "torch-fast-mkl" in arguments.peer and "Intel" in str(machine()["cpu"]):
        print("note: this is an Intel processor, where MKL uses its AVX-512 kernels anyway: torch-fast-mkl is torch again")
    events = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for size in (SIZES[name] for name in arguments.size):
            for mode in arguments.mode:
                events.append(run_event(Event(size, mode, arguments.dtype, folder, arguments.build), arguments))
    summary = summarise(events)
    write_results({"ranks": RANKS, "events": events, "summary": summary}, arguments.json)
    if arguments.picture:
        draw(picture_of(events), arguments.picture)


if __name__ == "__main__":
    run_benchmark(main)
