# SPDX-License-Identifier: Apache-2.0
"""What `train` reports, and in which order it reads its data."""

import json
import re
from pathlib import Path

import pytest
from cases import MICROBATCHES, OPTIMIZER, Case
from lab import BATCH, BUILD, ROOT, SEQ, Lab, run

ALONE = Case("one device")
PAIR = Case("count dp_shard 2", (("dp_shard", 2),), ("fsdp.bucket=0",))  # as in test_counts.py
THREE = MICROBATCHES[-2]  # dp_shard 2 x tp 2, three microbatches


def _train(lab: Lab, case: Case, folder: Path, *options: object, steps: int = 3) -> tuple[list[dict], str]:
    """Metrics and output of a run with threads as ranks."""
    metrics = folder / "metrics.jsonl"
    command = [lab.artefact("tiny", case) / "train", "--data", lab.data(case.data), "--steps", steps, "--metrics", metrics]
    output = run(*command, "--in-process", case.ranks, *options)
    return [json.loads(line) for line in metrics.read_text().splitlines()], output


def _losses(lab: Lab, case: Case, folder: Path, *options: object, steps: int = 3) -> list[float]:
    return [line["loss"] for line in _train(lab, case, folder, *options, steps=steps)[0]]


def test_metrics(lab: Lab, tmp_path: Path) -> None:
    lines, _ = _train(lab, ALONE, tmp_path, steps=5)
    assert [list(line) for line in lines] == [["step", "loss", "grad_norm", "tokens", "step_ms", "skipped"]] * 5
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert all(line["tokens"] == BATCH * SEQ and line["skipped"] == 0 for line in lines)
    assert all(0 < line["step_ms"] < 60_000 and 0 < line["grad_norm"] < 100 for line in lines)
    assert 5.4 < lines[0]["loss"] < 5.8  # about log(256)


@pytest.mark.parametrize(("every", "printed"), [(1, [1, 2, 3, 4, 5]), (2, [1, 2, 4, 5]), (100, [1, 5])])
def test_progress_lines(lab: Lab, tmp_path: Path, every: int, printed: list[int]) -> None:
    _, output = _train(lab, ALONE, tmp_path, "--log-every", every, steps=5)
    number = r"[\d.]+k?"
    line = rf"step (\d)/5  loss {number}  grad norm {number}  {number} tokens/s  {number} ms/step  ETA \d+s"
    assert [re.fullmatch(line, text)[1] for text in output.splitlines()] == [str(step) for step in printed]


def test_order_follows_from_the_seed(lab: Lab, tmp_path: Path) -> None:
    seeded = _losses(lab, ALONE, tmp_path, "--seed", 7, steps=5)
    assert seeded == _losses(lab, ALONE, tmp_path, "--seed", 7, steps=5)
    assert seeded[:3] == _losses(lab, ALONE, tmp_path, "--seed", 7)  # not of the number of steps
    assert seeded[:3] != _losses(lab, ALONE, tmp_path, "--seed", 8)
    assert seeded[:3] != _losses(lab, ALONE, tmp_path, "--seed", 7, "--order", "sequential")
    assert _losses(lab, ALONE, tmp_path) == _losses(lab, ALONE, tmp_path, "--order", "shuffled", "--seed", 0)


def test_order_is_that_of_any_world(lab: Lab, tmp_path: Path) -> None:
    alone = _losses(lab, ALONE, tmp_path, "--seed", 7, steps=5)
    assert _losses(lab, PAIR, tmp_path, "--seed", 7, steps=5) == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("case", [ALONE, PAIR, pytest.param(THREE, marks=pytest.mark.slow)], ids=lambda case: case.name)
def test_profile_sums_to_the_step(lab: Lab, tmp_path: Path, case: Case) -> None:
    lines, output = _train(lab, case, tmp_path, "--profile", tmp_path / "profile.json", steps=5)
    profile = json.loads((tmp_path / "profile.json").read_text())
    assert (profile["steps"], profile["dropped_steps"], profile["ranks"]) == (4, 1, case.ranks)
    total = sum(site["ms"] for site in profile["sites"])
    steps = sum(line["step_ms"] for line in lines[1:])
    assert total == pytest.approx(profile["total_ms"]) == pytest.approx(steps, rel=0.02)
    without_longest = total - max(site["ms"] for site in profile["sites"])
    assert without_longest != pytest.approx(steps, rel=0.02)  # so a site that is lost is noticed
    for site in profile["sites"]:
        if site["kind"] != "outside":
            once = site["function"] in ("seed", "stage0_update")
            assert site["calls"] == 4 * (1 if once else case.microbatches), site
    kinds = {site["kind"] for site in profile["sites"]}
    assert {"contraction", "attention", "rows", "lookup", "elementwise", "outside"} <= kinds and "other" not in kinds
    assert ("collective" in kinds) == (case.ranks > 1)
    assert "profile of rank 0" in output


def test_profile_counts_the_arithmetic_of_the_model(lab: Lab, tmp_path: Path) -> None:
    _train(lab, ALONE, tmp_path, "--profile", tmp_path / "profile.json")
    sites = json.loads((tmp_path / "profile.json").read_text())["sites"]
    config = json.loads((ROOT / "python/examples/tiny.json").read_text())
    hidden, ffn, layers, heads = (config[f"{name}"] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"))
    kv = hidden // heads * config["num_key_value_heads"]
    weights = layers * (2 * hidden * (hidden + kv) + 3 * hidden * ffn) + hidden * config["vocab_size"]
    flops = {kind: sum(site.get("flops", 0) for site in sites if site["kind"] == kind) for kind in ("contraction", "attention")}
    assert flops["contraction"] == 6 * weights * BATCH * SEQ
    assert flops["attention"] == 7 * layers * BATCH * SEQ * SEQ * hidden


@pytest.mark.slow
def test_microbatches_make_one_step(lab: Lab, tmp_path: Path) -> None:
    lines, output = _train(lab, THREE, tmp_path, "--order", "sequential", "--log-every", 1, steps=2)
    assert [line["tokens"] for line in lines] == [256 + 0 + 100] * 2
    assert [line.split("  ")[0] for line in output.splitlines()] == ["step 1/2", "step 2/2"]
    assert lines[1]["loss"] < lines[0]["loss"]  # the same samples again, after a step
    assert OPTIMIZER["name"] == '"sgd"'


@pytest.mark.skipif(not (BUILD / "lib/libweft_gloo.so").exists(), reason="this build has no Gloo provider")
def test_an_artefact_finds_its_provider(lab: Lab, tmp_path: Path) -> None:
    shared = _losses(lab, PAIR, tmp_path)
    gloo = tmp_path / "gloo.jsonl"
    command = [lab.artefact("tiny", PAIR) / "train", "--data", lab.data(PAIR.data), "--steps", 3, "--metrics", gloo]
    run(*command, "--spawn", PAIR.ranks, "--communicator", "gloo")
    assert [json.loads(line)["loss"] for line in gloo.read_text().splitlines()] == shared
