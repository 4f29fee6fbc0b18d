# SPDX-License-Identifier: Apache-2.0
"""lit: runs the RUN lines of the .mlir and .test files under test/.

A test uses `weft-opt` and `weft` of the build, `FileCheck`, `not` and `split-file` of LLVM, `%python` (that of lit), `%weft` (its path), and nothing else of the machine. Started
as `lit <build>/test` (what `ninja check-lit` does), or with a folder or file below it.
"""

import os
import sys

import lit.formats

config.name = "Weft"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["CMakeLists.txt", "Inputs", "python"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.weft_binary_dir, "test")

tools = [os.path.join(config.weft_binary_dir, "bin"), config.llvm_tools_dir]
config.environment["PATH"] = os.pathsep.join([*tools, config.environment["PATH"]])
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input=fail"
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%weft", os.path.join(tools[0], "weft")))
