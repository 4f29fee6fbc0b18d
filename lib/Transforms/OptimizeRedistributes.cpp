// SPDX-License-Identifier: Apache-2.0
//
// dist-optimize-redistributes: fewer layout changes, same values.
//
// In program order: a redistribute that changes nothing is dropped; one of a
// redistribute that has no other use skips it (partial -> replicated ->
// sharded is one reduce-scatter); two of one value to one layout are shared.
// First, in reverse order, those without users are erased.
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "dist-optimize-redistributes"

namespace weft {
#define GEN_PASS_DEF_OPTIMIZEREDISTRIBUTESPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

/// The redistributes so far, by what they read and what they make of it.
using SeenMap = llvm::DenseMap<std::pair<Value, Type>, Value>;

/// Takes the value from before a redistribute that nobody else needs.
static void skipInner(dist::RedistributeOp op, SeenMap &seen) {
  auto inner = op.getInput().getDefiningOp<dist::RedistributeOp>();
  if (!inner || !inner->hasOneUse())
    return;
  op.getInputMutable().assign(inner.getInput());
  seen.erase({inner.getInput(), inner.getType()});
  inner.erase();
}

/// Erases redistributes without users, the last of a chain first.
static void eraseUnused(func::FuncOp function) {
  auto ops = llvm::to_vector(function.getOps<dist::RedistributeOp>());
  for (dist::RedistributeOp op : llvm::reverse(ops))
    if (op->use_empty())
      op.erase();
}

static void optimize(func::FuncOp function) {
  eraseUnused(function);
  SeenMap seen;
  for (auto op :
       llvm::make_early_inc_range(function.getOps<dist::RedistributeOp>())) {
    skipInner(op, seen);
    if (op.getInput().getType() == op.getType()) {
      op.replaceAllUsesWith(op.getInput());
      op.erase();
      continue;
    }
    auto [it, isNew] =
        seen.try_emplace({op.getInput(), op.getType()}, op.getResult());
    if (isNew)
      continue;
    op.replaceAllUsesWith(it->second);
    op.erase();
  }
}

namespace {
struct OptimizeRedistributesPass
    : weft::impl::OptimizeRedistributesPassBase<OptimizeRedistributesPass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      optimize(function);
  }
};
} // namespace
