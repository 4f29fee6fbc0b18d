# SPDX-License-Identifier: Apache-2.0
"""`tools/quickstart`: a transformers model becomes a distributed program that trains on real text, step by step, on this machine.

1. Build the compiler and the runtime. 2. Export a small Llama from its configuration. 3. Make token files of the King James Bible.
4. Compile for two data-parallel shards by two tensor-parallel ranks, and for one rank. 5. Train ten steps on one rank and all steps on
four. 6. Compare the first losses, draw the curve, say where everything is.

What is up to date is kept, so that a second call only trains.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from steps import ROOT, StepFailed, build, duration, environment, run, title

CONFIG = ROOT / "python/examples/quickstart.json"
BATCH, SEQ, COMPARED, AGREEMENT, LEARNED = 8, 256, 10, 1e-4, 2.5
PLAN = """\
[mesh]
dp_shard = 2                # parameters, gradients and optimizer state are sharded
tp = 2                      # and so is every matrix product
[plan]
sequence_parallel = true
loss_parallel = true
[optimizer]
name = "adamw"
lr = 2e-3
warmup_steps = 20
"""


class Quickstart:
    """The files of a quick start, and the commands that make them."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder, self.tools = folder, tools
        self.model, self.data, self.plan = folder / "model", folder / "data", folder / "weft.toml"
        self.artefacts = {4: folder / "dp2-tp2", 1: folder / "one-rank"}

    def export(self) -> None:
        """The model, with random weights."""
        if self._is_fresh(self.model / "model.mlir", CONFIG):
            return
        progress = title(f"export {_shown(CONFIG)} (PyTorch starts: about 10 s)")
        run(["weft-export", "--hf", CONFIG, "--seed", 0, "--batch", BATCH, "--seq", SEQ, "-o", self.model])
        progress.done(_shown(self.model))

    def prepare(self) -> None:
        """Token files of the whole text, one token per byte."""
        if self._is_fresh(self.data / "tokens_000000.bin"):
            return
        progress = title("make token files of the King James Bible")
        text = self.folder / "bible.txt"
        with text.open("wb") as file:
            subprocess.run(["bible", "-f", "Genesis1:1-Revelation22:21"], stdout=file, check=True)
        shutil.rmtree(self.data, ignore_errors=True)
        told = run([self.tools / "weft", "data", "prepare", text, "--tokenizer", "byte", "-o", self.data])
        progress.done(told.strip().splitlines()[-1])

    def compile(self) -> None:
        """One program for the mesh of the plan, one for a single rank."""
        if not self.plan.exists() or self.plan.read_text() != PLAN:
            self.plan.write_text(PLAN)
        one = ["mesh.dp_shard=1", "mesh.tp=1", "plan.sequence_parallel=false", "plan.loss_parallel=false"]
        for ranks, artefact in self.artefacts.items():
            if self._is_fresh(artefact / "train", self.plan, self.model / "model.mlir", self.tools / "weft", self.tools / "train"):
                continue
            progress = title(f"compile {_shown(self.plan)} for {ranks} rank{'s' if ranks > 1 else ''}")
            sets = [word for setting in one for word in ("--set", setting)] if ranks == 1 else []
            run([self.tools / "weft", "compile", self.model, "-c", self.plan, *sets, "-o", artefact])
            progress.done(_shown(artefact))

    def train(self, ranks: int, steps: int) -> list[dict[str, float]]:
        """Trains and returns the metrics of each step; the program's own lines say how far it is."""
        artefact = self.artefacts[ranks]
        metrics = artefact / "metrics.jsonl"
        done = _read(metrics) if ranks == 1 and self._is_fresh(metrics, artefact / "train", self.data) else []
        if len(done) == steps:
            return done
        progress = title(f"train {steps} steps on {ranks} rank{'s' if ranks > 1 else ''}")
        metrics.unlink(missing_ok=True)
        options = ["--data", self.data, "--steps", steps, "--metrics", metrics, "--log-every", 5]
        words = [str(word) for word in (self.tools / "weft", "run", artefact, *options)]
        if code := subprocess.run(words, cwd=ROOT, env=environment()).returncode:
            raise StepFailed(f"error: exit code {code} of: {' '.join(words)}")
        progress.done()
        return _read(metrics)

    def _is_fresh(self, target: Path, *sources: Path) -> bool:
        made = target.stat().st_mtime if target.exists() else 0
        return made > 0 and all(source.stat().st_mtime <= made for source in sources)


def _read(metrics: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def draw(losses: list[float], picture: Path) -> None:
    """The loss of each step, and its mean over the last ten."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    means = [sum(losses[max(0, i - 9) : i + 1]) / min(10, i + 1) for i in range(len(losses))]
    axes.plot(range(1, len(losses) + 1), losses, linewidth=0.8, alpha=0.5, label="each step")
    axes.plot(range(1, len(losses) + 1), means, linewidth=2, label="mean of ten steps")
    axes.set(xlabel="step", ylabel="loss (nats per byte)", title="4 ranks: dp_shard = 2, tp = 2")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=120)


def report(start: Quickstart, four: list[dict[str, float]], one: list[dict[str, float]]) -> int:
    """Prints what came out; 1 if the programs disagree or nothing was learned."""
    losses = [line["loss"] for line in four]
    picture = start.folder / "loss.png"
    draw(losses, picture)
    pairs = list(zip(losses, (line["loss"] for line in one), strict=False))
    worst = max(abs(a - b) for a, b in pairs)
    end = sum(losses[-10:]) / len(losses[-10:])
    print("\nstep    4 ranks     1 rank   difference")
    for step, (a, b) in enumerate(pairs, 1):
        print(f"{step:4d}  {a:9.6f}  {b:9.6f}     {abs(a - b):.1e}")
    times = sorted(line["step_ms"] for line in four)
    weft = _shown(start.tools / "weft")
    print(f"""
loss      {losses[0]:.3f} at the start, {end:.3f} at the end (mean of the last ten of {len(losses)} steps), nats per byte
one rank  first {len(pairs)} steps differ by {worst:.1e} at most (allowed: {AGREEMENT:.0e})
speed     {times[len(times) // 2]:.0f} ms a step of {BATCH * SEQ} tokens, on {len(os.sched_getaffinity(0))} cores
picture   {_shown(picture)}
program   {_shown(start.artefacts[4])}
next      {weft} plan {_shown(start.model)} -c {_shown(start.plan)}
          {weft} compile {_shown(start.model)} --set mesh.dp_replicate=2 -o {_shown(start.folder)}/other
          {weft} run {_shown(start.folder)}/other --data {_shown(start.data)} --steps 100
          tools/check quick""")
    problems = []
    if not worst <= AGREEMENT:
        problems.append(f"error: the programs disagree: got {worst:.1e}, expected at most {AGREEMENT:.0e}")
    if not end < LEARNED:
        problems.append(f"error: the loss did not fall: got {end:.3f}, expected less than {LEARNED}")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


def main() -> int:
    """Runs the steps; 0 if the model learned and the programs agree."""
    parser = argparse.ArgumentParser(prog="tools/quickstart", description="Builds Weft, compiles a small Llama, trains it on 4 local ranks.")
    parser.add_argument("--steps", type=int, default=200, help="steps on four ranks (default: 200)")
    parser.add_argument("--out", type=Path, default=ROOT / "quickstart-out", help="folder of all that is made")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="the build folder")
    arguments = parser.parse_args()
    if arguments.steps < COMPARED:
        parser.error(f"--steps is too small: got {arguments.steps}, expected at least {COMPARED}")
    start = Quickstart(arguments.out.resolve(), arguments.build.resolve() / "bin")
    start.folder.mkdir(parents=True, exist_ok=True)
    whole = title(f"quick start in {_shown(start.folder)}")
    try:
        build(arguments.build.resolve(), targets=["weft", "weft-train"])
        start.export()
        start.prepare()
        start.compile()
        one = start.train(1, COMPARED)
        four = start.train(4, arguments.steps)
    except StepFailed as failure:
        print(failure)
        return 1
    code = report(start, four, one)
    print(f"\ndone in {duration(whole.elapsed)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
