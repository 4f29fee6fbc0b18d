// SPDX-License-Identifier: Apache-2.0
//
// The cotangents of a gated unit read the same three tensors, ops apart: the
// planner of regions, which follows values from producer to reader, can't see
// that they belong together.
#include "FuseRegionsSiblings.h"
#include "FuseRegionsContractions.h"
#include "weft/Transforms/FusedRegion.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

static bool isLongLoop(prog::FusedOp op) {
  return !op.getRowKernel() && !reductionOf(op) && !contractionOf(op) &&
         isHeavy(op);
}

/// The inputs of the loop's shape.
static llvm::SetVector<Value> arraysOf(prog::FusedOp op) {
  llvm::SetVector<Value> arrays;
  for (Value input : op.getInputs())
    if (shapeOf(input) == shapeOf(op.getResult(0)))
      arrays.insert(input);
  return arrays;
}

/// True if `later` reads at least as much that `first` reads as it doesn't.
static bool sharesArrays(prog::FusedOp first, prog::FusedOp later) {
  llvm::SetVector<Value> known = arraysOf(first), read = arraysOf(later);
  int64_t shared =
      llvm::count_if(read, [&](Value value) { return known.contains(value); });
  return shared > 0 && 2 * shared >= static_cast<int64_t>(read.size());
}

/// True if all that `later` reads exists in front of `first`.
static bool mayMoveUp(prog::FusedOp first, prog::FusedOp later) {
  return llvm::all_of(later.getInputs(), [&](Value value) {
    Operation *op = value.getDefiningOp();
    return !op || op->isBeforeInBlock(first);
  });
}

/// The loop to join; null if there is none.
static prog::FusedOp siblingOf(prog::FusedOp later, int64_t distance) {
  Operation *op = later->getPrevNode();
  for (int64_t i = 0; op && i < distance; ++i, op = op->getPrevNode()) {
    auto first = dyn_cast<prog::FusedOp>(op);
    if (first && isLongLoop(first) &&
        shapeOf(first.getResult(0)) == shapeOf(later.getResult(0)) &&
        sharesArrays(first, later) && mayMoveUp(first, later))
      return first;
  }
  return {};
}

/// Appends the body of `later` to that of `first`.
static void join(prog::FusedOp first, prog::FusedOp later) {
  OpBuilder builder(first);
  SmallVector<Value> inputs(first.getInputs());
  SmallVector<Type> types(first->getResultTypes());
  llvm::append_range(types, later->getResultTypes());
  Block &body = first.getBody().front(), &added = later.getBody().front();
  for (auto [input, argument] :
       llvm::zip_equal(later.getInputs(), added.getArguments())) {
    // What repeats has an argument of its own: a kernel reads each in one way.
    bool isArray = shapeOf(input) == shapeOf(first.getResult(0));
    unsigned number =
        isArray ? llvm::find(inputs, input) - inputs.begin() : inputs.size();
    if (number == inputs.size()) {
      inputs.push_back(input);
      body.addArgument(input.getType(), input.getLoc());
    }
    argument.replaceAllUsesWith(body.getArgument(number));
  }
  Operation *yield = body.getTerminator(), *otherYield = added.getTerminator();
  yield->insertOperands(yield->getNumOperands(), otherYield->getOperands());
  otherYield->erase();
  body.getOperations().splice(yield->getIterator(), added.getOperations());
  auto fused = prog::FusedOp::create(builder, first.getLoc(), types, inputs);
  fused.getBody().takeBody(first.getBody());
  unsigned numFirst = first->getNumResults();
  first->replaceAllUsesWith(fused->getResults().take_front(numFirst));
  later->replaceAllUsesWith(fused->getResults().drop_front(numFirst));
  first.erase();
  later.erase();
}

void fuseSiblings(Block &block, int64_t distance) {
  for (auto later : llvm::make_early_inc_range(block.getOps<prog::FusedOp>()))
    if (isLongLoop(later))
      if (prog::FusedOp first = siblingOf(later, distance))
        join(first, later);
}

} // namespace weft
