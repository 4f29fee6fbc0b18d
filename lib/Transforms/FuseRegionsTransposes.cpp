// SPDX-License-Identifier: Apache-2.0
//
// A kernel that goes through heads row by row can find its rows wherever they
// are, so a transpose next to it need not be copied.
#include "FuseRegionsTransposes.h"
#include "weft/Transforms/FusedRegion.h"

using namespace mlir;

namespace weft {

/// The swap that defines `operand` if all of its readers can do without.
static nn::TransposeOp swapBehind(Value operand) {
  nn::TransposeOp swap = nn::swapOfHeads(operand.getDefiningOp());
  bool isFree = swap && llvm::all_of(swap->getUsers(), nn::goesByRows);
  return isFree ? swap : nn::TransposeOp();
}

namespace {

/// Wraps one op with the swaps around it.
class SwapAbsorber {
public:
  explicit SwapAbsorber(Operation *op) : op(op), builder(op) {}
  void absorb();

private:
  /// True if somebody reads `result` swapped, and others only by rows.
  bool isWantedSwapped(Value result);
  Value swap(OpBuilder &at, Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(type.getShape());
    std::swap(shape[1], shape[2]);
    return nn::TransposeOp::create(at, op->getLoc(), type.clone(shape), value,
                                   ArrayRef<int64_t>{0, 2, 1, 3});
  }
  void replaceSwapped(Value result, Value swapped);

  Operation *op;
  OpBuilder builder;
};

} // namespace

bool SwapAbsorber::isWantedSwapped(Value result) {
  return llvm::any_of(result.getUsers(), nn::swapOfHeads) &&
         llvm::all_of(result.getUsers(), [](Operation *user) {
           return nn::swapOfHeads(user) || nn::goesByRows(user);
         });
}

/// Who read the result swapped reads `swapped`; the others swap it back, which
/// they absorb in turn.
void SwapAbsorber::replaceSwapped(Value result, Value swapped) {
  for (Operation *user : llvm::make_early_inc_range(result.getUsers()))
    if (nn::TransposeOp swap = nn::swapOfHeads(user)) {
      swap.getResult().replaceAllUsesWith(swapped);
      swap.erase();
    }
  if (!result.use_empty())
    result.replaceAllUsesWith(swap(builder, swapped));
}

void SwapAbsorber::absorb() {
  SmallVector<Value> inputs;
  SmallVector<bool> isSwapped;
  for (Value operand : op->getOperands()) {
    nn::TransposeOp swap = swapBehind(operand);
    inputs.push_back(swap ? swap.getInput() : operand);
    isSwapped.push_back(bool(swap));
  }
  SmallVector<bool> yieldsSwapped;
  for (Value result : op->getResults())
    yieldsSwapped.push_back(isWantedSwapped(result));
  if (!llvm::is_contained(isSwapped, true) &&
      !llvm::is_contained(yieldsSwapped, true))
    return;
  auto body = std::make_unique<Block>();
  OpBuilder inner(op->getContext());
  inner.setInsertionPointToEnd(body.get());
  SmallVector<Value> operands, yielded;
  for (auto [input, swaps] : llvm::zip_equal(inputs, isSwapped)) {
    Value argument = body->addArgument(input.getType(), input.getLoc());
    operands.push_back(swaps ? swap(inner, argument) : argument);
  }
  Operation *copy = inner.clone(*op);
  copy->setOperands(operands);
  // What was noted for other passes must not make kernels differ.
  copy->setDiscardableAttrs(DictionaryAttr::get(op->getContext()));
  for (auto [result, swaps] :
       llvm::zip_equal(copy->getResults(), yieldsSwapped))
    yielded.push_back(swaps ? swap(inner, result) : Value(result));
  prog::YieldOp::create(inner, op->getLoc(), yielded);
  auto fused = prog::FusedOp::create(builder, op->getLoc(),
                                     ValueRange(yielded).getTypes(), inputs);
  fused.getBody().push_back(body.release());
  for (auto [result, value, swaps] :
       llvm::zip_equal(op->getResults(), fused.getResults(), yieldsSwapped))
    if (swaps)
      replaceSwapped(result, value);
    else
      result.replaceAllUsesWith(value);
  op->erase();
}

void fuseTransposes(Block &block) {
  SmallVector<Operation *> kernels;
  for (Operation &op : block)
    if (nn::goesByRows(&op))
      kernels.push_back(&op);
  for (Operation *kernel : kernels)
    SwapAbsorber(kernel).absorb();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (nn::swapOfHeads(&op) && op.use_empty())
      op.erase();
}

} // namespace weft
