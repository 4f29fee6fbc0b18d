# SPDX-License-Identifier: Apache-2.0
"""The rules of `tools/dev/check_tree.py`, one family a module; each rule is a function from the tree to its findings."""
