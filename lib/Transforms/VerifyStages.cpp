// SPDX-License-Identifier: Apache-2.0
//
// pipe-verify-stages: every function exchanges values through slots only, and
// what it writes agrees with what others read.
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "pipe-verify-stages"

namespace weft {
#define GEN_PASS_DEF_VERIFYSTAGESPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

/// No slot is read by two arguments or written by two results.
static LogicalResult
verifyOnce(func::FuncOp function, StringRef what, unsigned count,
           FlatSymbolRefAttr (*slotOf)(func::FuncOp, int)) {
  bool isOk = true;
  llvm::DenseSet<Attribute> seen;
  for (unsigned i = 0; i < count; ++i) {
    auto name = slotOf(function, i);
    if (!name || seen.insert(name).second)
      continue;
    function.emitError("slot ") << name << " is " << what;
    isOk = false;
  }
  return success(isOk);
}

static LogicalResult verifyFunction(func::FuncOp function,
                                    SymbolTable &symbols) {
  bool isOk = succeeded(pipe::verifyBindings(function, symbols));
  isOk &=
      succeeded(verifyOnce(function, "read by two arguments",
                           function.getNumArguments(), pipe::slotOfArgument));
  isOk &= succeeded(verifyOnce(function, "written by two results",
                               function.getNumResults(), pipe::slotOfResult));
  return success(isOk);
}

namespace {
struct VerifyStagesPass : weft::impl::VerifyStagesPassBase<VerifyStagesPass> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    bool isOk = true;
    for (auto function : getOperation().getOps<func::FuncOp>())
      isOk &= succeeded(verifyFunction(function, symbols));
    markAllAnalysesPreserved();
    if (!isOk)
      signalPassFailure();
  }
};
} // namespace
