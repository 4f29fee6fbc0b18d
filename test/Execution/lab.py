# SPDX-License-Identifier: Apache-2.0
"""Runs the tools for the tests: models, data, artefacts and references, each made once per session, and the comparison of dumps.

Models and references are made in this process: PyTorch is loaded once, not once for each.
"""

import functools
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cases import OPTIMIZER, Case
from safetensors.numpy import save_file
from twins import Twin, synchronous
from weft.compare import Comparison, compare_dumps
from weft.data import Shards, open_samples, write_tokens
from weft.export import export_model
from weft.hf import Weights, build_module, load_config, make_model
from weft.reference import Training, run_reference

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEFT_BUILD", ROOT / "build/release"))
BATCH, SEQ, STEPS, VOCAB = 4, 64, 3, 256


class ToolFailed(AssertionError):
    """A tool ended with an unexpected exit code; its output is the message."""


def run(*command: object, codes: tuple[int, ...] = (0,)) -> str:
    """Runs a program of the build or of Python; returns what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    if done.returncode not in codes:
        raise ToolFailed(f"exit code {done.returncode} of {' '.join(words)}\n{done.stdout[-4000:]}")
    return done.stdout


def weft(*arguments: object, codes: tuple[int, ...] = (0,)) -> str:
    """Runs `weft` of the build."""
    return run(BUILD / "bin/weft", *arguments, codes=codes)


@dataclass(eq=False)
class Lab:
    """What a session has made, under one folder, and what it measured."""

    folder: Path
    table: list[dict[str, object]] = field(default_factory=list)

    @functools.cache  # noqa: B019 (one lab lives as long as the session)
    def model(self, name: str) -> Path:
        """An exported example, or one of the models beside this file, with seed 1."""
        target = self.folder / name
        export_model(make_model(load_config(_config(name)), Weights(seed=1), batch=BATCH, seq=SEQ), target)
        return target

    @functools.cache  # noqa: B019
    def data(self, name: str) -> Path:
        """`stream`: a token file. `labelled`: 12 samples; of each four 256, 0 and 100 labels count."""
        target = self.folder / name
        random = np.random.default_rng(0)
        if name == "stream":
            write_tokens([random.integers(0, VOCAB, BATCH * STEPS * SEQ + 1)], shards=Shards(target, VOCAB))
            return target
        tokens, labels = (random.integers(0, VOCAB, (3 * BATCH, SEQ)) for _ in range(2))
        labels[BATCH : 2 * BATCH] = -100
        labels[2 * BATCH :].reshape(-1)[100:] = -100
        target.mkdir()
        save_file({"tokens": tokens, "labels": labels}, target / "samples.safetensors")
        return target

    @functools.cache  # noqa: B019
    def reference(self, model: str, data: str, microbatches: int, compute: str = "f32") -> Path:
        """The dump of eager PyTorch on one device."""
        target = self.folder / f"{model}-{data}-{microbatches}-{compute}-reference"
        options = {key: float(value) for key, value in OPTIMIZER.items() if key != "name"}
        training = Training(BATCH, SEQ, STEPS, microbatches, "sgd", **options, compute=compute)
        module = build_module(load_config(_config(model)), Weights(directory=self.model(model) / "weights"))
        run_reference(module, samples=open_samples(self.data(data), seq=SEQ), training=training, dump=target)
        return target

    @functools.cache  # noqa: B019
    def artefact(self, model: str, case: Case) -> Path:
        """The program of a plan."""
        target = self.folder / f"{model}-{_file_name(case.name)}"
        settings = [word for setting in case.settings for word in ("--set", setting)]
        weft("compile", self.model(model), *settings, "-o", target)
        return target

    def simulate(self, artefact: Path, case: Case, *flags: str, codes: tuple[int, ...] = (0,)) -> Path:
        """The dump of all ranks on the interpreter."""
        dump = artefact / "simulated"
        weft("simulate", artefact, "--data", self.data(case.data), "--steps", STEPS, "--dump", dump, *flags, codes=codes)
        return dump

    def train(self, artefact: Path, case: Case, *options: object, name: str = "trained") -> Path:
        """The dump of a native run, by default as one process per rank."""
        dump = artefact / name
        common = ["--data", self.data(case.data), "--steps", STEPS, "--order", "sequential", "--dump", dump]
        if options:
            run(artefact / "train", *common, *options)
        else:
            weft("run", artefact, *common)
        return dump

    def compare(self, dump: Path, model: str, case: Case) -> Comparison:
        """A dump against the reference of its model, data and microbatches."""
        return compare_dumps(dump, reference=self.reference(model, case.data, case.microbatches))

    def compare_narrow(self, dump: Path, model: str, case: Case) -> Comparison:
        """A dump in bf16: its distance from the f32 reference, measured by that of PyTorch in bf16."""
        wide, narrow = (self.reference(model, case.data, case.microbatches, compute) for compute in ("f32", "bf16"))
        return compare_dumps(dump, reference=narrow, wide=wide)

    def notices(self, model: str, case: Case, twin: Twin, folder: Path) -> bool:
        """Whether a twin, run in place of the case's program, is out of tolerance; the rest of the artefact is as it was."""
        original = self.artefact(model, case)
        (folder / "ir").mkdir(parents=True)
        for name in ("manifest.json", "ir/global.mlirbc", "ir/typed.mlirbc"):
            (folder / name).symlink_to(original / name)
        (folder / "ir/scheduled.mlirbc").write_text(twin.text)
        dump = self.simulate(folder, case, codes=(0, 4))
        assert (dump / "loss.json").exists(), f"the twin did not run: {twin.what}"
        return not self.compare(dump, model, case).agree

    def require_parity(self, dump: Path, model: str, case: Case) -> None:
        """Notes the worst tensor, and fails if one is out of tolerance."""
        self.require(self.compare(dump, model, case), dump, model, case)

    def require(self, comparison: Comparison, dump: Path, model: str, case: Case) -> None:
        worst = comparison.differences[0]
        self.table.append(
            {"mesh": case.name, "model": model, "how": dump.name, "worst": worst.name, "of tolerance": round(worst.ratio, 4)}
        )  # fmt: skip
        assert comparison.agree, f"{case.name}, {model}, {dump.name}\n{comparison.table()}"


def scheduled_text(artefact: Path) -> str:
    """The scheduled program of an artefact, with plain collectives only."""
    return synchronous(run(BUILD / "bin/weft-opt", artefact / "ir/scheduled.mlirbc"))


def _config(model: str) -> Path:
    own = Path(__file__).parent / f"models/{model}.json"
    return own if own.exists() else ROOT / f"python/examples/{model}.json"


def _file_name(text: str) -> str:
    return "-".join(text.replace(",", "").split())
