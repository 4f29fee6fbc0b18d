// SPDX-License-Identifier: Apache-2.0
//
// A reduction reads each element of its operand once, so what computes an
// element may be where it is loaded: its value never is in memory. The order in
// which elements are combined is part of what a reduction means (64 partials
// along the last run of reduced dims), hence the conditions on that run.
#include "FuseRegionsReductions.h"
#include "weft/Transforms/FusedRegion.h"

using namespace mlir;

namespace weft {

nn::ReduceOp reductionOf(prog::FusedOp op) {
  Value yielded = op.getBody().front().getTerminator()->getOperand(0);
  return yielded.getDefiningOp<nn::ReduceOp>();
}

/// Elements of a vector of a reduction's kernel.
static constexpr int64_t kVector = 64;

/// The first of the last dims of `op` that are all reduced, or all kept.
static int64_t lastRunOf(nn::ReduceOp op) {
  int64_t dim = cast<RankedTensorType>(op.getInput().getType()).getRank();
  auto isReduced = [&](int64_t d) {
    return llvm::is_contained(op.getDims(), d);
  };
  bool isLastReduced = isReduced(dim - 1);
  while (dim > 0 && isReduced(dim - 1) == isLastReduced)
    --dim;
  return dim;
}

/// True if what the region reads steps through the dims from `run` on as the
/// elements do: all of them, or none.
static bool readsAsOne(prog::FusedOp region, int64_t run, int64_t rank) {
  for (Operation &op : region.getBody().front()) {
    if (isa<nn::IotaOp>(op))
      return false;
    auto broadcast = dyn_cast<nn::BroadcastOp>(op);
    if (!broadcast)
      continue;
    int64_t numInRun = llvm::count_if(broadcast.getDims(),
                                      [&](int64_t dim) { return dim >= run; });
    if (numInRun != 0 && numInRun != rank - run)
      return false;
  }
  return true;
}

/// The region that `op` may take in, or null.
static prog::FusedOp regionFor(nn::ReduceOp op) {
  auto region = op.getInput().getDefiningOp<prog::FusedOp>();
  if (!region || region->getNumResults() != 1 || !op.getInput().hasOneUse() ||
      reductionOf(region))
    return {};
  ArrayRef<int64_t> shape =
      cast<RankedTensorType>(op.getInput().getType()).getShape();
  int64_t run = shape.empty() ? 0 : lastRunOf(op);
  bool isWide = llvm::product_of(shape.drop_front(run)) >= kVector;
  return isWide && readsAsOne(region, run, shape.size()) ? region
                                                         : prog::FusedOp();
}

void fuseReductions(Block &block) {
  for (auto op : llvm::make_early_inc_range(block.getOps<nn::ReduceOp>())) {
    prog::FusedOp region = regionFor(op);
    if (!region)
      continue;
    OpBuilder builder(op);
    auto fused = prog::FusedOp::create(
        builder, op.getLoc(), op->getResultTypes(), region.getInputs());
    fused.getBody().takeBody(region.getBody());
    Operation *yield = fused.getBody().front().getTerminator();
    op.getResult().replaceAllUsesWith(fused.getResult(0));
    op->moveBefore(yield);
    op->setOperand(0, yield->getOperand(0));
    // What was noted for other passes must not make kernels differ.
    op->setDiscardableAttrs(builder.getDictionaryAttr({}));
    yield->setOperand(0, op.getResult());
    region.erase();
  }
}

} // namespace weft
