// SPDX-License-Identifier: Apache-2.0
//
// dist-verify-typed: the contract of the typed phase, all violations at once.
// That layouts follow the ops' rules is checked by the ops' own verifiers.
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "dist-verify-typed"

namespace weft {
#define GEN_PASS_DEF_VERIFYTYPEDPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

static LogicalResult verifyValue(Value value, dist::MeshAttr mesh) {
  auto layout = dist::layoutOf(value.getType());
  auto emit = [&] {
    return value.getDefiningOp() ? value.getDefiningOp()->emitError()
                                 : mlir::emitError(value.getLoc());
  };
  if (!layout) {
    emit().append("tensor has no layout: got ", value.getType()).attachNote()
        << "dist-materialize-layouts should have given it one";
    return failure();
  }
  if (layout.getMesh() == mesh)
    return success();
  emit() << "layout is on another mesh than the module's: got "
         << layout.getMesh() << ", expected " << mesh;
  return failure();
}

static LogicalResult verifyFunction(func::FuncOp function, dist::MeshAttr mesh,
                                    SymbolTable &symbols) {
  bool isOk = succeeded(pipe::verifyBindings(function, symbols));
  function.walk([&](Operation *op) {
    if (isa<dist::ConstrainOp>(op)) {
      op->emitOpError("is left in the typed phase").attachNote()
          << "dist-materialize-layouts should have removed it";
      isOk = false;
    }
    for (Value result : op->getResults())
      isOk &= succeeded(verifyValue(result, mesh));
  });
  return success(isOk);
}

namespace {
struct VerifyTypedPass : weft::impl::VerifyTypedPassBase<VerifyTypedPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    bool isOk = true;
    for (auto function : module.getOps<func::FuncOp>())
      isOk &=
          succeeded(verifyFunction(function, dist::meshOf(module), symbols));
    markAllAnalysesPreserved();
    if (!isOk)
      signalPassFailure();
  }
};
} // namespace
