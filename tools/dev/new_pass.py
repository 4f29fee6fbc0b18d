#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From a name to a compiling, tested, documented pass that does nothing yet.

    tools/dev/new_pass.py dist-drop-gathers "drop gathers that nobody reads"

Writes the entry in Passes.td, lib/Transforms/DropGathers.cpp, its line in CMakeLists.txt, and test/Transforms/drop-gathers.mlir.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIALECTS = ("nn", "dist", "pipe", "prog")
# What a verb promises about the pass.
VERBS = {
    **dict.fromkeys(("plan", "propagate"), "writes attributes only"),
    **dict.fromkeys(
        ("apply", "bucket", "build", "cut", "decompose", "differentiate", "drop", "emit", "erase", "fuse", "lower", "materialize",
         "optimize", "outline", "overlap", "partition", "recognize", "split"),
        "changes ops",
    ),
    "verify": "changes nothing",
}  # fmt: skip

ENTRY = """\
def {name}Pass : Weft_Pass<"{flag}"> {{
  let summary = "{summary}";
  let description = [{{
    Describe the meaning in terms of ranks: who holds what before and after.
    It {promise}. Then an example, spliced from its test.
  }}];
}}

"""

SOURCE = """\
// SPDX-License-Identifier: Apache-2.0
//
// {flag}: {summary}.
//
//   1. Read what is there.
//   2. Decide.
//   3. Apply.
//
// It leaves to others what comes after.
// To debug: --debug-only={flag}.
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "{flag}"

namespace weft {{
#define GEN_PASS_DEF_{upper}PASS
#include "weft/Transforms/Passes.h.inc"
}} // namespace weft

using namespace mlir;

namespace {{
struct {name}Pass : weft::impl::{name}PassBase<{name}Pass> {{
  void runOnOperation() override {{ markAllAnalysesPreserved(); }}
}};
}} // namespace
"""

TEST = """\
// RUN: weft-opt %s --{flag} | FileCheck %s

// A function that has nothing for the pass stays as it is.
// CHECK-LABEL: @keeps_what_it_does_not_know
func.func @keeps_what_it_does_not_know(%x: tensor<4xf32>) -> tensor<4xf32> {{
  // CHECK-NEXT: return
  return %x : tensor<4xf32>
}}
"""


def problem_with(flag: str, summary: str) -> str | None:
    """What is wrong with a flag and a summary, if anything."""
    words = flag.split("-")
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+", flag) or words[0] not in DIALECTS:
        return f'flag "{flag}" does not begin with a dialect: expected one of {", ".join(DIALECTS)}'
    if len(words) < 3 or words[1] not in VERBS:
        return f'flag "{flag}" is not dialect-verb-object: expected a verb of {", ".join(sorted(VERBS))}'
    if summary.endswith(".") or summary[:1].isupper():
        return f'summary "{summary}" is not a phrase: begin lower-case, leave the stop out'
    if f'"{flag}"' in (ROOT / "include/weft/Transforms/Passes.td").read_text():
        return f'pass "{flag}" is there already'
    return None


def make(flag: str, summary: str) -> list[Path]:
    """Writes the pass; the files that were written or changed."""
    words = flag.split("-")[1:]
    name = "".join(word.capitalize() for word in words)
    fields = {"flag": flag, "summary": summary, "name": name, "upper": name.upper(), "promise": VERBS[words[0]]}
    source, test = ROOT / f"lib/Transforms/{name}.cpp", ROOT / f"test/Transforms/{'-'.join(words)}.mlir"
    source.write_text(SOURCE.format(**fields))
    test.write_text(TEST.format(**fields))
    passes, build = ROOT / "include/weft/Transforms/Passes.td", ROOT / "lib/Transforms/CMakeLists.txt"
    _insert(passes, "#endif // WEFT_TRANSFORMS_PASSES", ENTRY.format(**fields))
    _insert(build, "  LINK WeftPlan", f"  {name}.cpp\n")
    return [passes, build, source, test]


def _insert(file: Path, before: str, text: str) -> None:
    content = file.read_text()
    if content.count(before) != 1:
        raise SystemExit(f'error: "{file}" has no single line "{before}"')
    file.write_text(content.replace(before, text + before))


def main() -> int:
    """Makes the pass; 2 if its name is wrong."""
    parser = argparse.ArgumentParser(description="Makes an empty pass from a name.")
    parser.add_argument("flag", help="dialect-verb-object: dist-drop-gathers")
    parser.add_argument("summary", help="what it does, in at most eight words")
    arguments = parser.parse_args()
    if problem := problem_with(arguments.flag, arguments.summary):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    for path in make(arguments.flag, arguments.summary):
        print(path.relative_to(ROOT))
    print("next: place it in lib/Pipelines/Pipelines.cpp, and see its test fail once")
    return 0


if __name__ == "__main__":
    sys.exit(main())
