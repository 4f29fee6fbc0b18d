// SPDX-License-Identifier: Apache-2.0
//
// What the commands that run the compiler share: a context that prints
// diagnostics with the user's source lines, and exit codes.
#ifndef WEFT_TOOLS_WEFT_COMPILER_H
#define WEFT_TOOLS_WEFT_COMPILER_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "weft/Pipelines/Compile.h"
#include "llvm/Support/SourceMgr.h"

namespace weft::tool {

/// A context with Weft's dialects whose diagnostics go to standard error. An
/// error at a place in the plan makes a failure the plan's.
class Compiler {
public:
  Compiler();

  mlir::MLIRContext &context() { return mlirContext; }
  /// The exit code for how compiling ended.
  int exitCode(CompileStatus status) const;

private:
  mlir::MLIRContext mlirContext;
  bool isPlanAtFault = false;
};

} // namespace weft::tool

#endif // WEFT_TOOLS_WEFT_COMPILER_H
