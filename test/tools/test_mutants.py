# SPDX-License-Identifier: Apache-2.0
"""A sample of mutants: every kind is made, each is rejected or equivalent, and the driver tells a survivor that is neither."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEFT_BUILD", ROOT / "build/release"))
sys.path.insert(0, str(ROOT / "tools/dev"))

from mutants import Mutant, table, unexplained  # noqa: E402

KINDS = {
    "typed": {"drop redistribute", "wrong redistribute", "wrong layout", "wrong slot layout"},
    "scheduled": {
        "drop collective", "drop wait", "second wait", "wrong axes", "wrong reduction", "wrong dim", "swap operands", "drop cut",
        "wrong offset", "wrong slot layout", "swap results", "swap calls on some ranks",
    },
    "program": {"wrong offset", "drop collective", "wrong axes", "wrong reduction", "late wait", "drop wait", "drop launch"},
}  # fmt: skip


@pytest.mark.skipif(not (BUILD / "bin/weft-mutants").exists(), reason=f"{BUILD}/bin/weft-mutants is not built")
def test_no_mutant_survives_without_a_reason(tmp_path: Path) -> None:
    result = tmp_path / "mutants.json"
    command = [sys.executable, ROOT / "tools/dev/mutants.py", "--quick", "--build", BUILD, "--json", result]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0, done.stdout
    made = json.loads(result.read_text())
    for phase, kinds in KINDS.items():
        assert kinds <= {mutant["kind"] for mutant in made if mutant["phase"] == phase}
    assert {"verifier", "check", "numbers", "run"} <= {mutant["killed_by"] for mutant in made}


def test_survivor_without_reason_is_told() -> None:
    killed = Mutant("tp 2", "typed", "wrong layout", "a", "verifier", "disagrees")
    known = Mutant("tp 2", "program", "wrong offset", "b", "", "")
    equal = Mutant("tp 2", "scheduled", "swap calls on some ranks", "c", "", "equivalent: they meet")
    survivor = Mutant("tp 2", "scheduled", "drop collective", "all_reduce at head", "", "")
    assert unexplained([killed, known, equal]) == []
    assert unexplained([killed, survivor]) == [survivor]
    assert "unexplained: tp 2: scheduled, drop collective: all_reduce at head" in table([killed, known, equal, survivor])
    assert "they meet" in table([equal])
