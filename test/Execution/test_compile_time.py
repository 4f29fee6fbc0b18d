# SPDX-License-Identifier: Apache-2.0
"""What a compilation costs does not grow with the number of ranks: the same ops, whatever the size of an axis.

Seconds are for tools/bench/compile, since they depend on what else the machine does.
"""

import importlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from lab import BUILD, ROOT, run, weft


def _benchmark() -> ModuleType:
    sys.path.insert(0, str(ROOT / "tools/bench"))
    return importlib.import_module("compile")


def _ops(artefact: Path) -> Counter:
    text = run(BUILD / "bin/weft-opt", artefact / "ir/scheduled.mlirbc")
    return Counter(re.findall(r"\b(?:nn|dist|pipe)\.[a-z_]+(?= )", text))


@pytest.mark.slow
def test_program_is_that_of_any_number_of_replicas(tmp_path: Path) -> None:
    artefacts = {}
    for replicas in (2, 2048):
        model = _benchmark().export_replicas("xs", replicas=replicas, folder=tmp_path)
        artefacts[replicas] = tmp_path / f"program-{replicas}"
        weft("compile", model, "--set", f"mesh.dp_replicate={replicas}", "--set", "mesh.tp=2", "-o", artefacts[replicas])
    assert _ops(artefacts[2]) == _ops(artefacts[2048])
    assert _ops(artefacts[2])["nn.contract"] > 20
    few, many = (json.loads((artefact / "manifest.json").read_text()) for artefact in artefacts.values())
    assert few["regions"] == many["regions"]
    assert (few["batch"], many["batch"]) == (8, 8192)
