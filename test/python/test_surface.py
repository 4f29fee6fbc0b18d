# SPDX-License-Identifier: Apache-2.0
"""The public surface: names of the package and flags of the commands. A change prints the new list; put it here on purpose."""

import argparse
import re
from pathlib import Path

import weft
from weft import compare, data_command, export_command, reference

NAMES = [
    "Model", "UnsupportedOperators", "WeftError", "compare_dumps", "export_model", "read_tokens", "run_reference", "write_tokens",
]  # fmt: skip
FLAGS = {
    "weft-export": ["--batch", "--help", "--hf", "--module", "--output", "--seed", "--seq", "--weights", "-h", "-o"],
    "weft-data prepare": ["--help", "--output", "--shard-tokens", "--tokenizer", "-h", "-o", "text"],
    "weft-data inspect": ["--help", "-h", "data"],
    "python -m weft.reference": [
        "--batch", "--betas", "--clip", "--compute", "--data", "--dump", "--eps", "--help", "--hf", "--lr", "--microbatches",
        "--momentum", "--optimizer", "--seed", "--seq", "--steps", "--weight-decay", "--weights", "-h",
    ],
    "python -m weft.compare": ["--help", "--rows", "--wide", "-h", "dump", "reference"],
}  # fmt: skip


def _flags(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    commands = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if commands:
        return {k: v for command in commands[0].choices.values() for k, v in _flags(command).items()}
    return {parser.prog: sorted(flag for a in parser._actions for flag in (a.option_strings or [a.dest]))}


def test_names() -> None:
    assert weft.__all__ == NAMES
    assert all(getattr(weft, name).__doc__ for name in NAMES)


def test_flags() -> None:
    found = {}
    for command in (export_command, data_command, reference, compare):
        found |= _flags(command.parser())
    assert found == FLAGS


def test_importer_names_no_architecture() -> None:
    """The package knows operators, not models."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    known = {name for name in CONFIG_MAPPING_NAMES if len(name) > 3} - {"clip"}  # gradients are clipped
    for file in Path(weft.__file__).parent.rglob("*.py"):
        words = set(re.findall(r"[a-z0-9]+", file.read_text().lower()))
        assert not words & known, (file, words & known)


def test_modules_are_small() -> None:
    for file in [*Path(weft.__file__).parent.rglob("*.py"), *Path(__file__).parent.glob("*.py")]:
        assert len(file.read_text().splitlines()) <= 250, file
