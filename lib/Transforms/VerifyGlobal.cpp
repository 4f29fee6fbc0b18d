// SPDX-License-Identifier: Apache-2.0
//
// nn-verify-global: the contract of the global phase, all violations at once.
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "nn-verify-global"

namespace weft {
#define GEN_PASS_DEF_VERIFYGLOBALPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

static LogicalResult verifyOp(Operation *op) {
  bool isOk = true;
  if (!isa<nn::NNDialect, dist::DistDialect>(op->getDialect()) &&
      !isa<func::ReturnOp>(op)) {
    op->emitError("op is not of the nn dialect: got \"")
        << op->getName() << "\"";
    isOk = false;
  }
  for (Type type : op->getResultTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor && tensor.hasStaticShape() && !tensor.getEncoding())
      continue;
    op->emitError("type is not a plain tensor of static shape: got ") << type;
    isOk = false;
  }
  return success(isOk);
}

namespace {
struct VerifyGlobalPass : weft::impl::VerifyGlobalPassBase<VerifyGlobalPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    bool isOk = true;
    if (!module.lookupSymbol<func::FuncOp>("model")) {
      module.emitError("module has no function @model").attachNote()
          << "export the model with weft-export";
      isOk = false;
    }
    for (auto function : module.getOps<func::FuncOp>()) {
      if (function.isDeclaration()) {
        function.emitError("function @")
            << function.getName() << " has no body";
        isOk = false;
        continue;
      }
      for (Operation &op : function.front())
        isOk &= succeeded(verifyOp(&op));
    }
    markAllAnalysesPreserved();
    if (!isOk)
      signalPassFailure();
  }
};
} // namespace
