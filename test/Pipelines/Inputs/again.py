# SPDX-License-Identifier: Apache-2.0
"""Runs a pipeline pass by pass: twice in a row changes nothing, two runs give equal bytes.

    again.py WEFT_OPT MODEL PIPELINE PLAN

The passes and their options are those that PIPELINE dumps, with PLAN ("set=mesh.tp=2") for the pass that reads the plan. Prints one line per pass that fails and a summary; exits 1 if one fails.
"""

import re
import subprocess
import sys


def run(*command: str, text: str | None = None) -> tuple[str, str]:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout, done.stderr


def passes_of(weft_opt: str, model: str, pipeline: str, plan: str) -> list[str]:
    """The passes of a pipeline with their options, as text."""
    _, dump = run(weft_opt, model, f"--{pipeline}={plan}", "--dump-pass-pipeline")
    body = re.search(r"builtin\.module\(\n(.*)\n\)", dump, re.DOTALL)
    assert body, dump
    lines = [line.strip().rstrip(",") for line in body[1].splitlines()]
    return [f"dist-apply-plan{{{plan}}}" if line.startswith("dist-apply-plan") else line for line in lines]


def main() -> None:
    weft_opt, model, pipeline, plan = sys.argv[1:]
    with open(model) as file:
        text = file.read()
    failures = 0
    passes = passes_of(weft_opt, model, pipeline, plan)
    for name in passes:
        once, again = f"--pass-pipeline=builtin.module({name})", f"--pass-pipeline=builtin.module({name},{name})"
        after, _ = run(weft_opt, "-", once, text=text)
        # What another process makes of the same text keeps its bytes when the pass runs on it once more: both claims in one.
        if run(weft_opt, "-", again, text=text)[0] != after:
            differ = run(weft_opt, "-", once, text=text)[0] != after
            print(f"{name}: {'two runs differ' if differ else 'a second run changes the program'}")
            failures += 1
        text = after
    print(f"{len(passes)} passes, {failures} findings")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
