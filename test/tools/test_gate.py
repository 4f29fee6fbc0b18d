# SPDX-License-Identifier: Apache-2.0
"""The style gate finds one planted fault per rule; the script for new passes makes what the gate accepts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/dev"))

from check_tree import RULES  # noqa: E402
from tree.files import File, read_tree  # noqa: E402
from tree.functions import functions_of  # noqa: E402

HEAD = "// SPDX-License-Identifier: Apache-2.0\n"
# Rule -> a file that breaks it, and what the finding says.
FAULTS = {
    "check_files": ("lib/Layout/Long.cpp", HEAD + "int x;\n" * 500, "501 lines"),
    "check_functions": ("lib/Layout/Deep.cpp", HEAD + "static int deep(int x) {\n" + "  ++x;\n" * 60 + "  return x;\n}\n", '"deep" has 63'),
    "check_names": ("lib/Layout/LayoutUtils.cpp", HEAD, "does not say"),
    "check_passes": (
        "include/weft/Transforms/Passes.td",
        HEAD + 'def PlanCutsPass : Weft_Pass<"pipe-plan-cuts"> {\n  let summary = "decide";\n}\n',
        "has no description",
    ),
    "check_licence": ("lib/Layout/Free.cpp", "int x;\n", "no licence"),
    "check_reminders": ("lib/Layout/Later.cpp", HEAD + "// TO" "DO: later\n", "without an issue"),
    "check_diagnostics": ("lib/Layout/Loud.cpp", HEAD + 'void f() {\n  op.emitError("axis is wrong: got ") << 3 << " here.";\n}\n', "a stop"),
    "check_headers": ("lib/Layout/Open.h", HEAD + "#ifndef A\n#define A\nusing namespace weft;\n#endif\n", "using namespace"),
    "check_layers": ("lib/Layout/Up.cpp", HEAD + '#include "weft/IR/NN/NN.h"\n', "not below"),
    "check_readmes": ("lib/Cost/Cost.cpp", HEAD, "no README"),
    "check_root": ("notes.txt", "x\n", "closed list"),
    "check_architectures": ("lib/Layout/Known.cpp", HEAD + "// as llama does\n", "architecture"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_planted_fault_is_found(rule: object, tmp_path: Path) -> None:
    name, text, said = FAULTS[rule.__name__]
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    found = [str(finding) for finding in rule(read_tree(tmp_path))]
    assert any(said in finding and name.split("/")[0] in finding for finding in found), found


def test_braces_in_literals_and_classes_do_not_count() -> None:
    text = 'struct S {\n  int f() { return g("}{"); }\n  // {\n};\nstatic const int t[] = {1, 2};\nS make(int x) {\n  return {};\n}\n'
    found = functions_of(File(Path("x.cpp"), text))
    assert [(function.name, function.first, function.last) for function in found] == [("f", 2, 2), ("make", 6, 8)]


def test_new_pass_passes_the_gate(tmp_path: Path) -> None:
    for name in ("include/weft/Transforms/Passes.td", "lib/Transforms/CMakeLists.txt", "tools/dev/new_pass.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "test/Transforms").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    command = [sys.executable, tmp_path / "tools/dev/new_pass.py", "dist-drop-gathers", "drop gathers that nobody reads"]
    subprocess.run(command, check=True, capture_output=True)
    findings = [str(finding) for rule in RULES for finding in rule(read_tree(tmp_path))]
    assert (tmp_path / "lib/Transforms/DropGathers.cpp").exists()
    assert not [finding for finding in findings if "drop" in finding.lower()]
    assert subprocess.run(command, capture_output=True).returncode == 2  # it is there already
