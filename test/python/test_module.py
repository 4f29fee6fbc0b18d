# SPDX-License-Identifier: Apache-2.0
"""Export of any module: loss terms, parameters nobody uses, and what is refused."""

import re
from pathlib import Path

import pytest
from conftest import EXAMPLES, Exported, Run, run_main
from safetensors.torch import load_file
from weft.export_command import main


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)


def _export(name: str, folder: Path) -> Run:
    return run_main(main, "--module", f"models:{name}", "-o", folder)


def test_scalar_loss_has_weight_one(tmp_path: Path) -> None:
    run = _export("regression", tmp_path)
    assert run.code == 0, run.err
    text = Exported(tmp_path).text
    assert "pipe.slot @unused" in text and "%unused" not in text  # a slot, but no argument
    assert re.search(r"@frozen : tensor<16xf32> {(?!.*trainable)", text)
    assert load_file(tmp_path / "weights/model.safetensors").keys() >= {"unused", "frozen", "shift", "first.weight"}
    returned = re.search(r"return %\d+, (%\d+) :", text)[1]
    assert re.search(rf"{returned} = nn.constant dense<1.0> : tensor<f32>", text)
    assert 'module = "first", side = "output"' in text


def test_weighted_losses_are_terms(tmp_path: Path) -> None:
    run = _export("classifier", tmp_path)
    assert run.code == 0, run.err
    text = Exported(tmp_path).text
    assert re.search(r"@term0.sum : .*coefficient = 1.0 : f64", text)
    assert re.search(r"@term1.sum : .*coefficient = 0.25 : f64", text)
    assert text.count("(tensor<2x5x32xf32>, tensor<2x5xi64>) -> (tensor<f32>, tensor<2x5xf32>)") == 2
    assert "tensor<2x4x5x4xf32>, tensor<2x2x5x4xf32>, tensor<2x2x5x4xf32>, tensor<5xi64>" in text


def test_a_number_taken_out_of_a_tensor(tmp_path: Path) -> None:
    run = run_main(main, "--module", "models:counting", "-o", tmp_path)
    assert "error: the graph has 1 unsupported operator in 1 call\n" in run.err
    assert run.code == 4 and "its result is no tensor: a number that depends on the values of tensors\n    at models.py:" in run.err


def test_all_unsupported_operators_at_once(tmp_path: Path) -> None:
    run = _export("untranslatable", tmp_path)
    assert run.code == 4
    assert "4 unsupported operators in 5 calls" in run.err
    assert re.search(r"aten\.cumprod\.default x2: PyTorch composes it of prims\.prod\.default\n    at models\.py:\d+", run.err)
    assert re.search(r"aten\.dropout\.default x1: dropout with probability 0\.5 .*\n    at models\.py:\d+", run.err)
    assert "aten.index.Tensor x1: indexing by tensors is supported where each counts through its dim" in run.err
    assert "aten.sort" in run.err and "qr" not in run.err  # dead code is not looked at
    assert not (tmp_path / "model.mlir").exists()


def test_detached_parameters_are_refused(tmp_path: Path) -> None:
    run = _export("detached", tmp_path)
    assert run.code == 4
    assert "depend on trainable parameters enter a region without gradients" in run.err
    assert "a value that depends on trainable parameters is detached" in run.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--module", "models"], 2, 'not of the form "pkg.mod:function": got "models"'),
        (["--module", "models:nothing"], 2, "names nothing that can be imported"),
        (["--module", "models:not_a_model"], 2, "does not return (module, example batch, loss function): got int"),
        (["--module", "models:regression", "--seed", "1"], 2, '"--seed" goes with "--hf" only'),
        (["--hf", "nowhere.json", "--batch", "2", "--seq", "8"], 3, "cannot read the configuration"),
        (["--hf", "models.py", "--batch", "2", "--seq", "8"], 3, "is not JSON"),
        (["--hf", str(EXAMPLES / "tiny.json")], 2, '"--hf" needs a positive "--batch": got None'),
        (["--hf", str(EXAMPLES / "tiny.json"), "--batch", "2", "--seq", "8", "--weights", "."], 3, "no weights"),
        (["--hf", str(EXAMPLES / "tiny.json"), "--batch", "2", "--seq", "8", "--weights", ".", "--seed", "1"], 2, "exclude"),
        (["--batch", "2"], 2, "one of the arguments --hf --module is required"),
    ],
)
def test_bad_input(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    run = run_main(main, *arguments, "-o", tmp_path)
    assert (run.code, message in run.err) == (code, True), run.err


def test_dropout_and_padding_of_a_configuration_are_refused(tmp_path: Path) -> None:
    text = (EXAMPLES / "tiny.json").read_text()
    config = tmp_path / "config.json"
    config.write_text(text.replace('"attention_dropout": 0.0', '"attention_dropout": 0.1').replace('"pad_token_id": null', '"pad_token_id": 0'))
    run = run_main(main, "--hf", config, "--batch", 2, "--seq", 8, "-o", tmp_path / "out")
    assert run.code == 4
    assert "attention with dropout is not supported: set it to 0" in run.err
    assert "pad_token_id to null" in run.err
