# SPDX-License-Identifier: Apache-2.0
"""Makes the mutants of compiled programs, and asks which check rejects each; test/Mutants says what is altered.

    tools/dev/mutants.py --json mutants.json     # all meshes of the parity tests; a quarter of an hour on two cores
    tools/dev/mutants.py --quick                 # a sample on one mesh

A mutant that no check rejects is a survivor: it must be equivalent, for a reason given here. Programs that pass the static checks are
trained by real ranks and compared with the unaltered program. The exit code is 1 if a survivor has no reason.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from steps import ROOT

sys.path.insert(0, str(ROOT / "test/Execution"))

from cases import MESHES, QUICK, Case  # noqa: E402
from weft.compare import compare_dumps  # noqa: E402
from weft.errors import WeftError  # noqa: E402

_CONFIG = {
    "model_type": "llama", "max_position_embeddings": 16, "use_cache": False, "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64,
}  # fmt: skip
_BATCH, _SEQ, _STEPS = 4, 8, 2

# Why a survivor computes the same: phase, kind, and a pattern of what was altered. Programs have also been run: their numbers, and
# metrics, are those of the unaltered one.
_MASK = "drop mask|wrong offset"
_CLEAN = "the residual's gradient comes from norms whose operands are masked"
REASONS = [
    ("program", "wrong offset", "", "the bytes are free while the value lives, which prog-verify proves"),
    ("program", "swap operands", r"fused_\w*(add|mul)", "the kernel is symmetric in the two operands"),
    ("program", "drop (copy|launch)", r"to slot @term\d+\.\w+ at root/update", "sets a slot to zero that the runtime clears as every step begins"),
    ("program", "wrong coordinate", r"coordinate at .*(root/update|/norm)$", "make_partial compares the coordinate with 0 only"),
    ("scheduled", _MASK, "operand 0 of reduce at .*/norm$", "padding of a gradient is the zeros that went into its reduce_scatter"),
    ("scheduled", _MASK, r"operand 0 of contract at .*\.(o_proj|down_proj)/grad$", _CLEAN),
    ("scheduled", _MASK, r"operand 0 of embedding_grad at ", _CLEAN),
    ("scheduled", _MASK, r"operand 1 of embedding_grad at ", "the rows that would be added are masked themselves"),
    ("scheduled", _MASK, r"operand 0 of cross_entropy at ", "the labels of these rows are masked"),
    ("scheduled", "swap results", r"term0\.\w+ and (term0\.\w+|skipped) of @stage0_update", "both are the constant 0"),
    ("typed", "wrong layout", "^embedding_grad, tp -> shard", "the rule allows it, and the redistribute that reads it starts from there"),
]
_KILLERS = ("verifier", "check", "numbers", "run")


@dataclass(frozen=True)
class Mutant:
    """One altered program: who rejects it, or why it is equivalent."""

    mesh: str
    phase: str
    kind: str
    what: str
    killed_by: str
    message: str
    program: str = ""

    @property
    def reason(self) -> str:
        """Why it survives; empty if nobody knows."""
        if self.message.startswith("equivalent: "):
            return self.message.removeprefix("equivalent: ")
        for phase, kind, what, reason in REASONS:
            if self.phase == phase and re.fullmatch(kind, self.kind) and re.search(what, self.what):
                return reason
        return ""


@dataclass(frozen=True)
class Workshop:
    """Where programs are made, of which model, on which data; how much is taken."""

    folder: Path
    build: Path
    every: int
    builds: int

    def program(self, name: str) -> Path:
        return self.build / "bin" / name

    def run(self, *command: object, timeout: int = 900) -> str:
        """Runs a program; raises CalledProcessError or TimeoutExpired."""
        words = [str(word) for word in command]
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True, timeout=timeout).stdout

    def prepare(self) -> None:
        """Exports the model and writes the data."""
        config = self.folder / "model.json"
        config.write_text(json.dumps(_CONFIG))
        shape = ["--batch", _BATCH, "--seq", _SEQ]
        self.run(sys.executable, "-m", "weft.export_command", "--hf", config, "--seed", 1, *shape, "-o", self.folder / "model")
        random = np.random.default_rng(0)
        tokens, labels = (random.integers(0, _CONFIG["vocab_size"], (3 * _BATCH, _SEQ)) for _ in range(2))
        labels[1, : _SEQ // 2] = -100
        (self.folder / "data").mkdir()
        save_file({"tokens": tokens, "labels": labels}, self.folder / "data/samples.safetensors")

    def train(self, artefact: Path) -> Path:
        """The dump of a short training, with its metrics."""
        dump, metrics = artefact / "dump", artefact / "metrics.jsonl"
        common = ["--data", self.folder / "data", "--steps", _STEPS, "--order", "sequential", "--dump", dump, "--metrics", metrics]
        self.run(self.program("weft"), "run", artefact, *common, timeout=60)
        return dump


def _differing_metric(dump: Path, reference: Path) -> str:
    """A metric of which two trainings tell different values; empty if none."""
    found, expected = ([json.loads(line) for line in (d.parent / "metrics.jsonl").read_text().splitlines()] for d in (dump, reference))
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("loss", "grad_norm", "tokens", "skipped"):
            if not abs(ours[name] - theirs[name]) <= 1e-4 * abs(theirs[name]):
                return name
    return ""


def mutants_of(case: Case, shop: Workshop) -> list[Mutant]:
    """All mutants of one mesh, judged."""
    artefact, programs = (shop.folder / f"{name}-{MESHES.index(case)}" for name in ("artefact", "programs"))
    settings = [word for setting in case.settings for word in ("--set", setting)]
    shop.run(shop.program("weft"), "compile", shop.folder / "model", *settings, "-o", artefact)
    reference = shop.train(artefact)
    printed = shop.run(
        shop.program("weft-mutants"), artefact, "--data", shop.folder / "data", "--weights", shop.folder / "model/weights",
        "--programs", programs, "--every", shop.every, "--builds", shop.builds,
    )  # fmt: skip
    found = [Mutant(mesh=case.name, **json.loads(line)) for line in printed.splitlines()]
    judged = [_judged_by_run(mutant, shop, artefact, reference) if mutant.program else mutant for mutant in found]
    shutil.rmtree(programs, ignore_errors=True)
    return judged


def _judged_by_run(mutant: Mutant, shop: Workshop, artefact: Path, reference: Path) -> Mutant:
    """Trains a mutated program on its ranks; a run that fails or hangs is a rejection too."""
    folder, mutant = Path(mutant.program), replace(mutant, program="")
    shutil.copy(artefact / "train", folder / "train")
    try:
        dump = shop.train(folder)
        comparison, metric = compare_dumps(dump, reference=reference), _differing_metric(dump, reference)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, WeftError) as failure:
        return replace(mutant, killed_by="run", message=f"does not train: {type(failure).__name__}")
    if metric:
        return replace(mutant, killed_by="run", message=f"differs: {metric}")
    if comparison.agree:
        return mutant
    return replace(mutant, killed_by="run", message=f"differs: {comparison.differences[0].name}")


def table(mutants: list[Mutant]) -> str:
    """Counts by phase and kind, then the survivors with their reasons."""
    counts = Counter((m.phase, m.kind, m.killed_by) for m in mutants)
    lines = [f"{'phase':<10} {'mutation':<26} {'made':>6} " + " ".join(f"{killer:>9}" for killer in (*_KILLERS, "survive"))]
    for phase, kind in dict.fromkeys((m.phase, m.kind) for m in mutants):
        row = [counts[phase, kind, killer] for killer in (*_KILLERS, "")]
        lines.append(f"{phase:<10} {kind:<26} {sum(row):>6} " + " ".join(f"{count or '-':>9}" for count in row))
    total = Counter(m.killed_by for m in mutants)
    lines.append(f"{'all':<37} {len(mutants):>6} " + " ".join(f"{total[killer]:>9}" for killer in (*_KILLERS, "")))
    survivors = Counter((m.phase, m.kind, m.reason) for m in mutants if not m.killed_by)
    lines += [f"survive: {count} x {phase}, {kind}: {reason or 'NO REASON KNOWN'}" for (phase, kind, reason), count in survivors.items()]
    lines += [f"unexplained: {m.mesh}: {m.phase}, {m.kind}: {m.what}" for m in unexplained(mutants)]
    return "\n".join(lines)


def unexplained(mutants: list[Mutant]) -> list[Mutant]:
    """Survivors without a reason."""
    return [m for m in mutants if not m.killed_by and not m.reason]


def make(cases: list[Case], *, build: Path, every: int, builds: int) -> list[Mutant]:
    """The mutants of all these meshes; says how far it is."""
    mutants: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder), build.resolve(), every, builds)
        shop.prepare()
        for case in cases:
            mutants += mutants_of(case, shop)
            print(f"{case.name}: {len(mutants)} mutants so far, {len(unexplained(mutants))} unexplained", flush=True)
    return mutants


def main() -> int:
    """Prints the table; 1 if a survivor has no reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a sample on one mesh")
    parser.add_argument("--every", type=int, default=1, help="of each kind, take one in so many")
    parser.add_argument("--builds", type=int, default=4, help="programs to build and run, of each kind and mesh")
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("WEFT_BUILD", ROOT / "build/release")), help="the build folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every mutant")
    arguments = parser.parse_args()
    if arguments.quick:
        mutants = make([QUICK], build=arguments.build, every=25, builds=1)
    else:
        mutants = make(MESHES, build=arguments.build, every=arguments.every, builds=arguments.builds)
    print(table(mutants))
    if arguments.json:
        arguments.json.write_text(json.dumps([{**asdict(m), "reason": m.reason} for m in mutants], indent=1) + "\n")
    return 1 if unexplained(mutants) else 0


if __name__ == "__main__":
    sys.exit(main())
