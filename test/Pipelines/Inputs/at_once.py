# SPDX-License-Identifier: Apache-2.0
"""at_once.py N COMMAND...: runs N copies at once, the number of each in place of "@"; succeeds if all do."""

import subprocess
import sys

commands = [[word.replace("@", str(number)) for word in sys.argv[2:]] for number in range(1, int(sys.argv[1]) + 1)]
running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
sys.exit(any([process.wait() for process in running]))
