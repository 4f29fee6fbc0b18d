// SPDX-License-Identifier: Apache-2.0
//
// prog-decompose-moves: what depends on the rank's position, as ordinary ops
// on a coordinate, so that they fuse and need no kernels of their own.
//
//   dist.make_partial   select(coordinate == 0, x, neutral)
//   dist.shard_slice    prog.window from coordinate * local size
//   nn.mask_tail        select(iota < extent, x, value)
//   nn.iota with offset iota + offset
#include "weft/IR/NN/Expressions.h"
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "prog-decompose-moves"

namespace weft {
#define GEN_PASS_DEF_DECOMPOSEMOVESPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

static RankedTensorType indexType(OpBuilder &builder,
                                  ArrayRef<int64_t> shape = {}) {
  return RankedTensorType::get(shape, builder.getI64Type());
}

/// The element that changes nothing in a sum or product.
static double neutralOf(ReduceKind kind) {
  return kind == ReduceKind::Product ? 1.0 : 0.0;
}

static Value decompose(OpBuilder &builder, dist::MakePartialOp op) {
  ReduceKind kind = *parseReduceKind(op.getKind());
  if (kind == ReduceKind::Max || kind == ReduceKind::Min)
    return op.getInput(); // every rank keeps its copy
  nn::Expressions e{builder, op.getLoc()};
  Value position =
      dist::CoordinateOp::create(builder, op.getLoc(), indexType(builder),
                                 op.getMesh(), op.getAxes(), /*scale=*/1);
  Value isFirst = e.compare(nn::Predicate::eq, position, 0.0);
  return e.select(e.fill(isFirst, op.getInput()), op.getInput(),
                  e.constant(op.getInput(), neutralOf(kind)));
}

static Value decompose(OpBuilder &builder, dist::ShardSliceOp op) {
  auto result = cast<RankedTensorType>(op.getType());
  Value start = dist::CoordinateOp::create(
      builder, op.getLoc(), indexType(builder), op.getMesh(), op.getAxes(),
      result.getDimSize(op.getDim()));
  return prog::WindowOp::create(builder, op.getLoc(), result, op.getInput(),
                                start, op.getDim());
}

static Value decompose(OpBuilder &builder, nn::MaskTailOp op) {
  nn::Expressions e{builder, op.getLoc()};
  auto type = cast<RankedTensorType>(op.getType());
  Value index = nn::IotaOp::create(builder, op.getLoc(),
                                   indexType(builder, type.getShape()),
                                   op.getDim(), Value());
  Value isValid =
      e.compare(nn::Predicate::lt, index, e.fill(op.getExtent(), index));
  return e.select(isValid, op.getInput(),
                  e.constant(op.getInput(), op.getValue().convertToDouble()));
}

static Value decompose(OpBuilder &builder, nn::IotaOp op) {
  nn::Expressions e{builder, op.getLoc()};
  auto type = cast<RankedTensorType>(op.getType());
  Value index = nn::IotaOp::create(builder, op.getLoc(),
                                   indexType(builder, type.getShape()),
                                   op.getDim(), Value());
  return e.cast(e.add(index, e.fill(op.getOffset(), index)),
                type.getElementType());
}

/// The value that stands for `op`; null if `op` stays.
static Value decomposeAny(OpBuilder &builder, Operation *op) {
  builder.setInsertionPoint(op);
  if (auto partial = dyn_cast<dist::MakePartialOp>(op))
    return decompose(builder, partial);
  if (auto slice = dyn_cast<dist::ShardSliceOp>(op))
    return decompose(builder, slice);
  if (auto mask = dyn_cast<nn::MaskTailOp>(op))
    return decompose(builder, mask);
  if (auto iota = dyn_cast<nn::IotaOp>(op); iota && iota.getOffset())
    return decompose(builder, iota);
  return {};
}

namespace {
struct DecomposeMovesPass
    : weft::impl::DecomposeMovesPassBase<DecomposeMovesPass> {
  void runOnOperation() override {
    OpBuilder builder(&getContext());
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Operation &op : llvm::make_early_inc_range(function.getOps()))
        if (Value value = decomposeAny(builder, &op)) {
          op.getResult(0).replaceAllUsesWith(value);
          op.erase();
        }
  }
};
} // namespace
