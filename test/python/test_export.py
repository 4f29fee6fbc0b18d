# SPDX-License-Identifier: Apache-2.0
"""What weft-export writes for the tiny example: text, slots, locations, boundaries, weights, configuration."""

import json
import re
from pathlib import Path

import pytest
import torch
from conftest import EXAMPLES, Exported, export, run_main
from safetensors.torch import load_file, save_file
from torch import nn
from weft.export import block_pattern
from weft.export_command import main

GOLDEN = Path(__file__).parent / "golden"


def _block(text: str) -> str:
    """The ops of the first decoder layer, without locations."""
    lines = re.sub(r" loc\(#loc\d+\)", "", text).splitlines()
    first = next(i for i, line in enumerate(lines) if 'module = "model.layers.0", side = "input"' in line)
    last = next(i for i, line in enumerate(lines) if 'module = "model.layers.0", side = "output"' in line)
    return "\n".join(lines[first : last + 1]) + "\n"


def test_golden_layer(tiny: Exported) -> None:
    """To accept a change: write the found text over the golden file."""
    assert _block(tiny.text) == (GOLDEN / "layer.mlir").read_text()


def test_golden_loss(tiny: Exported) -> None:
    lines = re.sub(r" loc\(#loc\d+\)", "", tiny.text).splitlines()
    first = next(i for i, line in enumerate(lines) if 'module = "lm_head", side = "input"' in line)
    assert "\n".join(lines[first:]).split("  }")[0] == (GOLDEN / "loss.mlir").read_text()


def test_same_text_twice(tiny: Exported, tmp_path: Path) -> None:
    again = export("tiny.json", tmp_path, "--seed", 1)
    assert again.text == tiny.text
    weights = Path("weights/model.safetensors")
    assert (again.folder / weights).read_bytes() == (tiny.folder / weights).read_bytes()


def test_every_op_has_a_location_in_the_model(tiny: Exported) -> None:
    ops = [line for line in tiny.located if re.match(r"\s+(%\S+ = nn\.|pipe\.slot|return|%\S+: tensor)", line)]
    assert len(ops) > 200
    for line in ops:
        assert re.search(r'loc\("[\w.]+"\("[\w./]+\.py":[1-9]\d*:0\)\)', line), line
    projection = next(line for line in ops if "nn.contract" in line and "layers.0.self_attn.q_proj" in line)
    assert 'loc("model.layers.0.self_attn.q_proj"("transformers/models/llama/modeling_llama.py"' in projection
    assert "unknown" not in tiny.text


def test_boundaries_of_every_called_module(tiny: Exported) -> None:
    found = set(re.findall(r'module = "([\w.]+)", side = "(\w+)"', tiny.text))
    inputs, outputs = ({m for m, side in found if side == which} for which in ("input", "output"))
    for layer in ("model.layers.0", "model.layers.1"):
        names = "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj mlp mlp.gate_proj mlp.down_proj input_layernorm"
        expected = {layer, *(f"{layer}.{name}" for name in names.split())}
        assert expected <= inputs and expected <= outputs
    assert {"model.embed_tokens", "model.norm", "lm_head", "model"} <= inputs & outputs
    assert re.search(r'nn\.boundary \S+ {module = "model.embed_tokens", side = "input", index = 0 .*xi64>', tiny.text)


def test_composites_are_whole_and_dims_unmerged(tiny: Exported) -> None:
    assert tiny.text.count("nn.attention ") == 2 and "causal" in tiny.text
    assert "tensor<4x2x64x8xf32>, tensor<4x2x64x8xf32>, tensor<64xi64>" in tiny.text  # kv heads are not repeated
    assert "nn.cross_entropy" in tiny.text and "tensor<256x256xf32>" not in tiny.text  # batch * seq is never one dim


def test_tied_weight_is_one_slot(tied: Exported) -> None:
    slots = [line for line in tied.text.splitlines() if "pipe.slot @" in line and "{kind" in line]
    assert sum("tensor<256x64xf32>" in line for line in slots) == 1
    assert 'names = ["model.embed_tokens.weight", "lm_head.weight"]' in tied.text
    assert "lm_head.weight" not in load_file(tied.folder / "weights/model.safetensors")
    assert json.loads((tied.folder / "config.json").read_text())["tied"] == [["model.embed_tokens.weight", "lm_head.weight"]]


def test_weights_are_the_seeded_initialisation(tiny: Exported) -> None:
    from weft.hf import Weights, build_module, load_config

    module = build_module(load_config(EXAMPLES / "tiny.json"), Weights(seed=1))
    stored = load_file(tiny.folder / "weights/model.safetensors")
    named = dict(module.named_parameters()) | {"model.rotary_emb.inv_freq": module.model.rotary_emb.inv_freq}
    assert stored.keys() == named.keys()
    assert all(torch.equal(stored[name], value) for name, value in named.items())


def test_weights_folder_round_trip(tiny: Exported, tmp_path: Path) -> None:
    again = export("tiny.json", tmp_path, "--weights", tiny.folder / "weights")
    ours, theirs = (load_file(model.folder / "weights/model.safetensors") for model in (again, tiny))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_incomplete_weights_are_refused(tiny: Exported, tmp_path: Path) -> None:
    weights = load_file(tiny.folder / "weights/model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    config = ("--hf", EXAMPLES / "tiny.json", "--batch", 4, "--seq", 64, "-o", tmp_path / "out")
    run = run_main(main, *config, "--weights", tmp_path)
    assert run.code == 3 and "lacks 1 weights: model.norm.weight" in run.err
    weights["model.norm.weight"] = torch.ones(7)
    save_file(weights, tmp_path / "model.safetensors")
    run = run_main(main, *config, "--weights", tmp_path)
    assert run.code == 3 and "cannot be loaded" in run.err


def test_windows_are_comparisons_of_positions(tmp_path: Path) -> None:
    """A window as long as the sequence is none; a shorter one is left to the compiler, without a table of what counts."""
    config = json.loads((EXAMPLES / "tiny.json").read_text()) | {"model_type": "mistral", "sliding_window": 8}
    (tmp_path / "config.json").write_text(json.dumps(config))
    options = ("--hf", tmp_path, "--weights", "none", "--batch", 2, "-o", tmp_path / "m", "--seq")
    assert run_main(main, *options, 8).code == 0
    text = (tmp_path / "m/model.mlir").read_text()
    assert text.count("nn.attention ") == 2 and "nn.softmax" not in text
    assert run_main(main, *options, 16).code == 0
    text = (tmp_path / "m/model.mlir").read_text()
    assert text.count("nn.softmax") == 2 and text.count("nn.compare gt") == 1 and "dense<[" not in text


def test_unwritable_output(tmp_path: Path) -> None:
    run = run_main(main, "--hf", EXAMPLES / "tiny.json", "--weights", "none", "--batch", 2, "--seq", 8, "-o", "/proc/x")
    assert (run.code, run.err) == (13, 'error: cannot write "/proc/x": No such file or directory\n')


def test_shapes_only(shapes_only: Exported, tiny: Exported) -> None:
    """No parameter is stored; each says how it is made. The ops are the same."""
    assert load_file(shapes_only.folder / "weights/model.safetensors").keys() == {"model.rotary_emb.inv_freq"}
    parameters = [line for line in shapes_only.text.splitlines() if 'kind = "parameter"' in line]
    assert all("init = {kind = " in line for line in parameters)
    norm = next(line for line in parameters if "@model.norm.weight" in line)
    assert 'init = {kind = "constant", value = 1.0 : f64}' in norm
    embedding = next(line for line in parameters if "@model.embed_tokens.weight" in line)
    assert 'init = {kind = "normal", mean = 0.0 : f64, std = 0.02 : f64}' in embedding
    assert _block(shapes_only.text) == _block(tiny.text)


def test_plan_travels(tiny: Exported) -> None:
    header = tiny.text.splitlines()[0]
    assert '"model.layers.*.self_attn.q_proj" = "colwise"' in header  # the base model's, prefixed
    assert 'lm_head = "colwise_gather_output"' in header  # the class's own, not
    assert "num_key_value_heads = 2 : i64" in header and 'weft.units = ["model.layers.*"]' in header
    config = json.loads((tiny.folder / "config.json").read_text())
    assert config["inputs"] == {"tokens": [4, 64], "labels": [4, 64]}
    assert config["modules"]["model.layers.1"] and config["vocab"] == 256


def test_arguments_name_slots(tiny: Exported) -> None:
    slots = set(re.findall(r"pipe\.slot @(\S+) :", tiny.text))
    bound = re.findall(r"{pipe\.slot = @([^}]+)}", tiny.text)
    assert set(bound) <= slots and len(bound) == len(set(bound))
    assert bound[-4:] == ["tokens", "labels", "term0.sum", "term0.weight"]


@pytest.mark.parametrize("kind", ["list", "dict", "sequence"])
def test_blocks_in_any_container(kind: str) -> None:
    blocks = [nn.Linear(2, 2) for _ in range(3)]
    containers = {"list": nn.ModuleList(blocks), "dict": nn.ModuleDict({f"b{i}": block for i, block in enumerate(blocks)}), "sequence": nn.Sequential(*blocks)}
    module = nn.Module()
    module.body, module.mixed = containers[kind], nn.Sequential(*[nn.Linear(2, 2), nn.ReLU()] * 3)
    assert block_pattern(module) == "body.*"


def test_a_configuration_that_transformers_cannot_build(tmp_path: Path) -> None:
    config = {"model_type": "gpt2", "n_embd": 30, "n_layer": 1, "n_head": 4, "n_positions": 16, "vocab_size": 64}
    (tmp_path / "config.json").write_text(json.dumps(config))
    run = run_main(main, "--hf", tmp_path, "--weights", "none", "--batch", 2, "--seq", 8, "-o", tmp_path / "out")
    assert run.code == 3 and run.err.startswith('error: transformers cannot build "gpt2" from this configuration: ValueError: ')
