// SPDX-License-Identifier: Apache-2.0
//
// dist-verify-local: the contract of the local phase, all violations at once.
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "dist-verify-local"

namespace weft {
#define GEN_PASS_DEF_VERIFYLOCALPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

static LogicalResult verifyOp(Operation *op) {
  bool isOk = true;
  if (isa<dist::RedistributeOp, dist::ConstrainOp>(op)) {
    op->emitOpError("is left in the local phase").attachNote()
        << "dist-partition should have replaced it";
    isOk = false;
  }
  for (Type type : op->getResultTypes())
    if (dist::layoutOf(type)) {
      op->emitOpError("result carries a layout in the local phase: got ")
          << type;
      isOk = false;
    }
  if (dist::isCollective(op) &&
      dist::groupSize(op->getAttrOfType<dist::MeshAttr>("mesh"),
                      op->getAttrOfType<ArrayAttr>("axes")) < 2) {
    op->emitOpError("has a group of one rank: it should have vanished");
    isOk = false;
  }
  return success(isOk);
}

namespace {
struct VerifyLocalPass : weft::impl::VerifyLocalPassBase<VerifyLocalPass> {
  void runOnOperation() override {
    bool isOk = true;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      for (Type type : function.getArgumentTypes())
        if (dist::layoutOf(type)) {
          function.emitError("argument carries a layout in the local phase: "
                             "got ")
              << type;
          isOk = false;
        }
      function.walk([&](Operation *op) { isOk &= succeeded(verifyOp(op)); });
    }
    markAllAnalysesPreserved();
    if (!isOk)
      signalPassFailure();
  }
};
} // namespace
