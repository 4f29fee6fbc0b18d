# SPDX-License-Identifier: Apache-2.0
"""exits.py CODES COMMAND...: runs a command; succeeds if it ends with one of the codes, and prints the code if not."""

import subprocess
import sys

code = subprocess.run(sys.argv[2:]).returncode
if code not in map(int, sys.argv[1].split(",")):
    sys.exit(f"ended with {code}, expected {sys.argv[1]}")
