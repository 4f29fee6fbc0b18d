// SPDX-License-Identifier: Apache-2.0
//
// Planned moves as collectives. The padding of uneven shards lies at the end
// of a rank's block: gathering cuts it off, scattering adds it.
#include "PartitionMoves.h"

using namespace mlir;

namespace weft {

namespace {

/// Builds the moves of one redistribution, one after the other.
class MoveBuilder {
public:
  MoveBuilder(OpBuilder &builder, Location loc, dist::MeshAttr mesh,
              RankedTensorType type, Attribute unit)
      : builder(builder), loc(loc), mesh(mesh), type(type), unit(unit) {}

  Value build(Value value, const Move &move);

private:
  int64_t groupSize(const Move &move) {
    return dist::groupSize(mesh, axes(move));
  }
  ArrayAttr axes(const Move &move) { return dist::axesAttr(mesh, move.axes); }
  RankedTensorType scaled(Value value, int dim, int64_t size) {
    auto local = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(local.getShape());
    shape[dim] = size;
    return RankedTensorType::get(shape, local.getElementType());
  }
  int64_t sizeOf(Value value, int dim) {
    return cast<RankedTensorType>(value.getType()).getDimSize(dim);
  }
  Value resize(Value value, int dim, int64_t size);
  Value gather(Value value, const Move &move, int64_t size);
  Value exchange(Value value, const Move &move);
  Value permute(Value value, const Move &move);
  template <typename Op> Value finish(Op op) {
    if (unit)
      op->setAttr("unit", unit);
    return op->getResult(0);
  }

  OpBuilder &builder;
  Location loc;
  dist::MeshAttr mesh;
  RankedTensorType type;
  Attribute unit;
};

} // namespace

/// Cuts or pads the end of `dim`.
Value MoveBuilder::resize(Value value, int dim, int64_t size) {
  int64_t now = sizeOf(value, dim);
  if (now == size)
    return value;
  auto target = scaled(value, dim, size);
  SmallVector<int64_t> zeros(target.getRank(), 0), ones(target.getRank(), 1);
  if (size < now)
    return nn::SliceOp::create(builder, loc, target, value, zeros,
                               target.getShape(), ones);
  SmallVector<int64_t> high(zeros);
  high[dim] = size - now;
  return nn::PadOp::create(builder, loc, target, value, zeros, high, zeros);
}

Value MoveBuilder::gather(Value value, const Move &move, int64_t size) {
  auto target =
      scaled(value, move.dim, sizeOf(value, move.dim) * groupSize(move));
  Value whole = finish(dist::AllGatherOp::create(
      builder, loc, TypeRange(target), ValueRange(value), mesh, axes(move),
      ArrayRef<int64_t>{move.dim}));
  return resize(whole, move.dim, size);
}

Value MoveBuilder::exchange(Value value, const Move &move) {
  int64_t n = groupSize(move);
  int64_t part = llvm::divideCeil(sizeOf(value, move.toDim), n);
  Value padded = resize(value, move.toDim, part * n);
  auto target = scaled(padded, move.toDim, part);
  SmallVector<int64_t> shape(target.getShape());
  shape[move.dim] *= n;
  target = RankedTensorType::get(shape, target.getElementType());
  Value moved = finish(dist::AllToAllOp::create(
      builder, loc, TypeRange(target), ValueRange(padded), mesh, axes(move),
      ArrayRef<int64_t>{move.toDim}, ArrayRef<int64_t>{move.dim}));
  auto after = move.after.localShape(mesh.getMesh(), type.getShape());
  return resize(moved, move.dim, after[move.dim]);
}

/// Axes {a, b} nested a outside b become b outside a.
Value MoveBuilder::permute(Value value, const Move &move) {
  int64_t outer = mesh.getMesh().atomSize(move.axes[0]);
  int64_t inner = mesh.getMesh().atomSize(move.axes[1]);
  SmallVector<int64_t> sources;
  for (int64_t a = 0; a < outer; ++a)
    for (int64_t b = 0; b < inner; ++b)
      sources.push_back(b * outer + a);
  return finish(
      dist::PermuteOp::create(builder, loc, TypeRange(value.getType()),
                              ValueRange(value), mesh, axes(move), sources));
}

Value MoveBuilder::build(Value value, const Move &move) {
  auto after = move.after.localShape(mesh.getMesh(), type.getShape());
  StringAttr kind = builder.getStringAttr(toString(move.reduce));
  switch (move.kind) {
  case MoveKind::Slice:
    return dist::ShardSliceOp::create(builder, loc,
                                      scaled(value, move.dim, after[move.dim]),
                                      value, mesh, axes(move), move.dim);
  case MoveKind::AllGather:
    return gather(value, move, after[move.dim]);
  case MoveKind::AllToAll:
    return exchange(value, move);
  case MoveKind::AllReduce:
    return finish(
        dist::AllReduceOp::create(builder, loc, TypeRange(value.getType()),
                                  kind, ValueRange(value), mesh, axes(move)));
  case MoveKind::ReduceScatter: {
    Value padded = resize(value, move.dim, after[move.dim] * groupSize(move));
    return finish(dist::ReduceScatterOp::create(
        builder, loc, TypeRange(scaled(padded, move.dim, after[move.dim])),
        kind, ValueRange(padded), mesh, axes(move),
        ArrayRef<int64_t>{move.dim}));
  }
  case MoveKind::Permute:
    return permute(value, move);
  case MoveKind::MakePartial:
    return dist::MakePartialOp::create(builder, loc, value.getType(), value,
                                       kind, mesh, axes(move));
  case MoveKind::Place: {
    // A gather that one rank keeps: rare, and needs no op of its own.
    Value whole = gather(value, move, after[move.dim]);
    return dist::MakePartialOp::create(builder, loc, whole.getType(), whole,
                                       kind, mesh, axes(move));
  }
  }
  llvm_unreachable("unknown MoveKind");
}

Value buildRedistribution(OpBuilder &builder, Location loc, Value value,
                          RankedTensorType type, dist::LayoutAttr from,
                          dist::LayoutAttr to, Attribute unit) {
  dist::MeshAttr mesh = from.getMesh();
  int64_t elementBytes =
      llvm::divideCeil(type.getElementType().getIntOrFloatBitWidth(), 8);
  MoveBuilder moves(builder, loc, mesh, type, unit);
  for (const Move &move :
       planRedistribution(mesh.getMesh(), type.getShape(), elementBytes,
                          from.getLayout(), to.getLayout()))
    value = moves.build(value, move);
  return value;
}

} // namespace weft
