// SPDX-License-Identifier: Apache-2.0
//
// Folds of constants and of ops that move elements: identities, and a move of
// a move. An identity keeps the whole type, layout included; chains are merged
// only where no type carries a layout, since layouts are decided per op.
#include "weft/IR/NN/NN.h"

using namespace mlir;
using namespace weft::nn;

/// The `Op` that produces `value`, if its operand and result have no layout.
template <typename Op> static Op plainProducer(Value value) {
  auto producer = value.getDefiningOp<Op>();
  if (!producer || weft::dist::layoutOf(value.getType()) ||
      weft::dist::layoutOf(producer.getInput().getType()))
    return nullptr;
  return producer;
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  auto inner = plainProducer<ReshapeOp>(getInput());
  if (!inner || weft::dist::layoutOf(getType()))
    return nullptr;
  if (inner.getInput().getType() == getType())
    return inner.getInput();
  getInputMutable().assign(inner.getInput());
  return getResult();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  ArrayRef<int64_t> outer = getPermutation();
  if (llvm::equal(outer, llvm::seq<int64_t>(0, outer.size())) &&
      getInput().getType() == getType())
    return getInput();
  auto inner = plainProducer<TransposeOp>(getInput());
  if (!inner || weft::dist::layoutOf(getType()))
    return nullptr;
  SmallVector<int64_t> merged;
  for (int64_t dim : outer)
    merged.push_back(inner.getPermutation()[dim]);
  setPermutation(merged);
  getInputMutable().assign(inner.getInput());
  return getResult();
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  // A part as large as the operand is the operand: strides cannot matter.
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}
