#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The style gate: prints every place of the tree that breaks a rule, with the fix, and exits with 1 if there is one.

Needs Python 3.11 and git only. Each rule is a function in `tree/`; to add one, write it there and name it in RULES.
"""

import sys
import time
from pathlib import Path

from tree import layers, passes, sizes, texts
from tree.files import read_tree

RULES = [
    sizes.check_files,
    sizes.check_functions,
    sizes.check_names,
    passes.check_passes,
    texts.check_licence,
    texts.check_reminders,
    texts.check_diagnostics,
    texts.check_headers,
    layers.check_layers,
    layers.check_readmes,
    layers.check_root,
    layers.check_architectures,
]


def main() -> int:
    """Checks the tree; the exit code."""
    start = time.monotonic()
    tree = read_tree(Path(__file__).resolve().parents[2])
    count = 0
    for rule in RULES:
        found = list(rule(tree))
        count += len(found)
        if found:
            print(f"# {rule.__doc__.splitlines()[0]}")
        for finding in found:
            print(finding)
    print(f"{len(tree.files)} files, {len(RULES)} rules, {count} findings in {time.monotonic() - start:.1f} s")
    return 1 if count or not tree.files else 0


if __name__ == "__main__":
    sys.exit(main())
