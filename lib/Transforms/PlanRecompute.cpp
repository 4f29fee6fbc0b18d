// SPDX-License-Identifier: Apache-2.0
//
// dist-plan-recompute: per gathered parameter, keep it for backward or gather
// it again. The decision is the attribute `gathered` ("again" or "saved") of
// the collective; one that a user wrote is left alone.
//
//   policy    blocks            last block
//   always    again             again
//   never     saved             saved
//   default   again             saved: backward needs it at once
//
// The root unit follows its own option.
#include "weft/Transforms/Passes.h"
#include "weft/Transforms/Units.h"

#define DEBUG_TYPE "dist-plan-recompute"

namespace weft {
#define GEN_PASS_DEF_PLANRECOMPUTEPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {
struct PlanRecomputePass
    : weft::impl::PlanRecomputePassBase<PlanRecomputePass> {
  using PlanRecomputePassBase::PlanRecomputePassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (reshard != "default" && reshard != "always" && reshard != "never") {
      module.emitError("unknown policy \"")
          << reshard << "\", expected default, always or never";
      return signalPassFailure();
    }
    if (root != "gather" && root != "keep") {
      module.emitError("unknown policy of the root unit \"")
          << root << "\", expected gather or keep";
      return signalPassFailure();
    }
    SymbolTable symbols(module);
    for (auto function : module.getOps<func::FuncOp>())
      plan(function, symbols);
  }

private:
  StringRef policyOf(StringRef unit, StringRef lastBlock) const {
    if (unit == "root")
      return root == "keep" ? "saved" : "again";
    if (reshard == "never" || (reshard == "default" && unit == lastBlock))
      return "saved";
    return "again";
  }

  /// Blocks are gathered in order, so the last one is the last unit met.
  void plan(func::FuncOp function, SymbolTable &symbols) {
    SmallVector<std::pair<dist::AllGatherOp, StringAttr>> gathers;
    StringAttr lastBlock;
    for (auto gather : function.getOps<dist::AllGatherOp>()) {
      StringAttr unit = unitOfParameter(gather.getResults()[0], symbols);
      if (!unit)
        continue;
      gathers.emplace_back(gather, unit);
      if (unit != "root")
        lastBlock = unit;
    }
    StringRef last = lastBlock ? lastBlock.getValue() : StringRef();
    for (auto [gather, unit] : gathers)
      if (!gather->hasAttr("gathered"))
        gather->setAttr("gathered",
                        StringAttr::get(&getContext(), policyOf(unit, last)));
  }
};
} // namespace
