// SPDX-License-Identifier: Apache-2.0
//
// dist-decompose-sharded: an op whose whole factor is to stay sharded becomes
// its decomposition, so vocabulary-parallel cross-entropy is no code of its
// own.
//
//   1. Find ops with a decomposition of which an operand is decided to be
//      sharded along a dim with a whole factor, by a constraint or a slot.
//   2. Replace them; the new ops carry no decision yet.
//   3. Propagate again: what is decided stays, the new values get layouts.
#include "mlir/Pass/PassManager.h"
#include "weft/Transforms/Decisions.h"
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "dist-decompose-sharded"

namespace weft {
#define GEN_PASS_DEF_DECOMPOSESHARDEDPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

/// True if a dim of `value` on a whole factor is decided to be sharded.
static bool isShardedOnWhole(Value value, const TensorFactors &tensor,
                             const ShardingRule &rule, SymbolTable &symbols) {
  dist::LayoutAttr decided = decidedLayout(value, symbols);
  if (!decided)
    return false;
  for (auto [dim, factors] : llvm::enumerate(tensor))
    for (int factor : factors)
      if (factors.size() == 1 &&
          rule.factors[factor].kind == FactorKind::Whole &&
          !decided.getLayout().axesOfDim(dim).empty())
        return true;
  return false;
}

static bool staysSharded(Operation *op, SymbolTable &symbols) {
  auto ruled = dyn_cast<dist::ShardingRuleOpInterface>(op);
  if (!ruled || !isa<nn::DecomposeOpInterface>(op))
    return false;
  ShardingRule rule = ruled.getShardingRule();
  for (auto [value, tensor] : llvm::zip(op->getOperands(), rule.operands))
    if (isShardedOnWhole(value, tensor, rule, symbols))
      return true;
  return false;
}

/// Replaces `op` by its decomposition.
static void decompose(Operation *op) {
  OpBuilder builder(op);
  SmallVector<Value> values =
      cast<nn::DecomposeOpInterface>(op).decompose(builder);
  op->replaceAllUsesWith(values);
  op->erase();
}

namespace {
struct DecomposeShardedPass
    : weft::impl::DecomposeShardedPassBase<DecomposeShardedPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    SmallVector<Operation *> ops;
    module.walk([&](Operation *op) {
      if (staysSharded(op, symbols))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      decompose(op);
    if (ops.empty())
      return;
    OpPassManager again(ModuleOp::getOperationName());
    again.addPass(createPropagateLayoutsPass());
    if (failed(runPipeline(again, module)))
      signalPassFailure();
  }
};
} // namespace
