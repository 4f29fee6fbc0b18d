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

/// Checks one argument or result; `what` says which.
static LogicalResult verifyBinding(func::FuncOp function, StringRef what,
                                   Type type, FlatSymbolRefAttr name,
                                   SymbolTable &symbols) {
  if (!name)
    return function.emitError()
           << what << " of @" << function.getName() << " names no slot";
  auto slot = symbols.lookup<pipe::SlotOp>(name.getValue());
  if (!slot)
    return function.emitError() << what << " of @" << function.getName()
                                << " names no known slot: got " << name;
  if (slot.getType() != type)
    return function.emitError()
           << what << " of @" << function.getName()
           << " has another type than its slot " << name << ": got " << type
           << ", expected " << slot.getType();
  return success();
}

static LogicalResult verifyFunction(func::FuncOp function,
                                    SymbolTable &symbols) {
  bool isOk = true;
  llvm::DenseSet<Attribute> read, written;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    auto name = pipe::slotOfArgument(function, i);
    isOk &=
        succeeded(verifyBinding(function, "an argument", type, name, symbols));
    if (name && !read.insert(name).second) {
      function.emitError("slot ") << name << " is read by two arguments";
      isOk = false;
    }
  }
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    auto name = pipe::slotOfResult(function, i);
    isOk &= succeeded(verifyBinding(function, "a result", type, name, symbols));
    if (name && !written.insert(name).second) {
      function.emitError("slot ") << name << " is written by two results";
      isOk = false;
    }
  }
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
