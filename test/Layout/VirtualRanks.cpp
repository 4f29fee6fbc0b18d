// SPDX-License-Identifier: Apache-2.0
//
// Plain loops over all ranks. A dim of a tensor is seen as [outer, size,
// inner]; moves cut and join along it.
#include "VirtualRanks.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

namespace weft::test {

static constexpr double padding = std::numeric_limits<double>::quiet_NaN();

static int64_t numElements(llvm::ArrayRef<int64_t> shape) {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

static Shape withDim(llvm::ArrayRef<int64_t> shape, int dim, int64_t size) {
  Shape changed(shape);
  changed[dim] = size;
  return changed;
}

static int64_t groupSize(const Mesh &mesh, llvm::ArrayRef<int> axes) {
  int64_t product = 1;
  for (int axis : axes)
    product *= mesh.atomSize(axis);
  return product;
}

static double combine(ReduceKind kind, double lhs, double rhs) {
  switch (kind) {
  case ReduceKind::Sum:
    return lhs + rhs;
  case ReduceKind::Max: // not std::max, which drops NaN on one side
    return lhs != lhs || lhs > rhs ? lhs : rhs;
  case ReduceKind::Min:
    return lhs != lhs || lhs < rhs ? lhs : rhs;
  case ReduceKind::Product:
    return lhs * rhs;
  }
  llvm_unreachable("unknown ReduceKind");
}

static double neutral(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::Sum:
    return 0;
  case ReduceKind::Max:
    return -std::numeric_limits<double>::infinity();
  case ReduceKind::Min:
    return std::numeric_limits<double>::infinity();
  case ReduceKind::Product:
    return 1;
  }
  llvm_unreachable("unknown ReduceKind");
}

/// What member `index` of `count` holds of `value`, so that all combine into
/// it. Another member is the odd one out at each element.
static double contribution(ReduceKind kind, double value, int64_t index,
                           int64_t count, int64_t element) {
  bool isHolder = element % count == index;
  double noise = static_cast<double>(element % 5 + index + 1);
  switch (kind) {
  case ReduceKind::Sum: {
    double others = 0;
    for (int64_t other = 0; other < count; ++other)
      if (other != element % count)
        others += static_cast<double>(element % 5 + other + 1);
    return isHolder ? value - others : noise;
  }
  case ReduceKind::Max:
    return isHolder ? value : value - noise;
  case ReduceKind::Min:
    return isHolder ? value : value + noise;
  case ReduceKind::Product:
    return isHolder ? value * static_cast<double>(1 << (count - 1)) : 0.5;
  }
  llvm_unreachable("unknown ReduceKind");
}

Tensor countingTensor(llvm::ArrayRef<int64_t> shape) {
  Tensor tensor = {Shape(shape), Buffer(numElements(shape))};
  for (auto [index, value] : llvm::enumerate(tensor.values))
    value = static_cast<double>(index + 1);
  return tensor;
}

/// Calls `visit(local, global)` with the positions of each valid element of
/// `rank` in its buffer and in the tensor.
template <typename Visit>
static void forEachValid(const Mesh &mesh, llvm::ArrayRef<int64_t> shape,
                         const Layout &layout, int64_t rank, Visit visit) {
  Shape local = layout.localShape(mesh, shape);
  int numDims = static_cast<int>(shape.size());
  Shape start(numDims), extent(numDims), index(numDims, 0);
  for (int dim = 0; dim < numDims; ++dim) {
    start[dim] = layout.globalStart(mesh, dim, shape[dim], rank);
    extent[dim] = layout.validExtent(mesh, dim, shape[dim], rank);
    if (extent[dim] == 0)
      return;
  }
  while (true) {
    int64_t localAt = 0, globalAt = 0;
    for (int dim = 0; dim < numDims; ++dim) {
      localAt = localAt * local[dim] + index[dim];
      globalAt = globalAt * shape[dim] + start[dim] + index[dim];
    }
    visit(localAt, globalAt);
    int dim = numDims - 1;
    while (dim >= 0 && ++index[dim] == extent[dim])
      index[dim--] = 0;
    if (dim < 0)
      return;
  }
}

/// The reduction that partial axes of `layout` wait for.
static ReduceKind kindOf(const Layout &layout) {
  return layout.hasPartial() ? layout.entries().back().reduce : ReduceKind::Sum;
}

Distributed shard(const Mesh &mesh, const Tensor &tensor,
                  const Layout &layout) {
  Distributed result = {layout.localShape(mesh, tensor.shape), {}};
  llvm::SmallVector<int, 4> axes = layout.partialAxes();
  int64_t count = groupSize(mesh, axes);
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
    Buffer buffer(numElements(result.localShape), padding);
    int64_t member = mesh.indexInGroup(rank, axes);
    forEachValid(
        mesh, tensor.shape, layout, rank, [&](int64_t local, int64_t global) {
          buffer[local] = contribution(kindOf(layout), tensor.values[global],
                                       member, count, global);
        });
    result.ranks.push_back(std::move(buffer));
  }
  return result;
}

std::optional<std::string> compare(const Mesh &mesh, const Tensor &tensor,
                                   const Layout &layout,
                                   const Distributed &actual) {
  if (actual.localShape != layout.localShape(mesh, tensor.shape))
    return "local shape is wrong";
  std::optional<std::string> message;
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
    auto group = mesh.group(rank, layout.partialAxes());
    forEachValid(
        mesh, tensor.shape, layout, rank, [&](int64_t local, int64_t global) {
          double value = actual.ranks[group.front()][local];
          for (int64_t other : llvm::drop_begin(group))
            value = combine(kindOf(layout), value, actual.ranks[other][local]);
          if (value != tensor.values[global] && !message)
            message = "rank " + std::to_string(rank) + " element " +
                      std::to_string(local) + ": got " + std::to_string(value) +
                      ", expected " + std::to_string(tensor.values[global]);
        });
  }
  return message;
}

/// Calls `visit(whole, part)` with the positions, in a tensor of `shape` and in
/// its block `index` of `blockSize` along `dim`, of all elements of both.
template <typename Visit>
static void forEachInBlock(llvm::ArrayRef<int64_t> shape, int dim,
                           int64_t blockSize, int64_t index, Visit visit) {
  int64_t outer = numElements(shape.take_front(dim));
  int64_t inner = numElements(shape.drop_front(dim + 1));
  int64_t size = shape[dim];
  int64_t start = index * blockSize;
  int64_t inBoth = std::clamp<int64_t>(size - start, 0, blockSize) * inner;
  for (int64_t row = 0; row < outer; ++row)
    for (int64_t at = 0; at < inBoth; ++at)
      visit((row * size + start) * inner + at, row * blockSize * inner + at);
}

/// Block `index` of `numBlocks` of `tensor` along `dim`, padded at the end.
static Buffer blockOf(llvm::ArrayRef<int64_t> shape, int dim, int64_t numBlocks,
                      int64_t index, const Buffer &tensor) {
  int64_t blockSize = llvm::divideCeil(shape[dim], numBlocks);
  Buffer block(numElements(withDim(shape, dim, blockSize)), padding);
  forEachInBlock(
      shape, dim, blockSize, index,
      [&](int64_t whole, int64_t part) { block[part] = tensor[whole]; });
  return block;
}

namespace {

/// One move on all ranks.
struct Execution {
  const Mesh &mesh;
  const Move &move;
  const Distributed &input;
  Shape localAfter;
  int64_t size; // of the move's group

  Buffer run(int64_t rank) const;
  Buffer reduced(int64_t rank) const;
  Buffer gathered(int64_t rank) const;
  Buffer exchanged(int64_t rank) const;
  Buffer permuted(int64_t rank) const;
  Buffer madePartial(int64_t rank) const;
  Buffer placed(int64_t rank) const;
  void join(Buffer &result, int64_t index, const Buffer &block) const;
};

} // namespace

/// Writes `block` of the input's size along the move's dim into the output.
void Execution::join(Buffer &result, int64_t index, const Buffer &block) const {
  forEachInBlock(
      localAfter, move.dim, input.localShape[move.dim], index,
      [&](int64_t whole, int64_t part) { result[whole] = block[part]; });
}

Buffer Execution::reduced(int64_t rank) const {
  auto group = mesh.group(rank, move.axes);
  Buffer result = input.ranks[group.front()];
  for (int64_t other : llvm::drop_begin(group))
    for (auto [value, next] : llvm::zip_equal(result, input.ranks[other]))
      value = combine(move.reduce, value, next);
  return result;
}

Buffer Execution::gathered(int64_t rank) const {
  Buffer result(numElements(localAfter), padding);
  for (auto [index, other] : llvm::enumerate(mesh.group(rank, move.axes)))
    join(result, static_cast<int64_t>(index), input.ranks[other]);
  return result;
}

Buffer Execution::exchanged(int64_t rank) const {
  Buffer result(numElements(localAfter), padding);
  int64_t own = mesh.indexInGroup(rank, move.axes);
  for (auto [index, other] : llvm::enumerate(mesh.group(rank, move.axes)))
    join(result, static_cast<int64_t>(index),
         blockOf(input.localShape, move.toDim, size, own, input.ranks[other]));
  return result;
}

Buffer Execution::permuted(int64_t rank) const {
  llvm::SmallVector<int, 2> swapped = {move.axes[1], move.axes[0]};
  int64_t source = mesh.indexInGroup(rank, swapped);
  return input.ranks[mesh.group(rank, move.axes)[source]];
}

Buffer Execution::madePartial(int64_t rank) const {
  bool keeps = mesh.indexInGroup(rank, move.axes) == 0;
  if (keeps || isIdempotent(move.reduce))
    return input.ranks[rank];
  return Buffer(input.ranks[rank].size(), neutral(move.reduce));
}

Buffer Execution::placed(int64_t rank) const {
  Buffer result(numElements(localAfter), neutral(move.reduce));
  join(result, mesh.indexInGroup(rank, move.axes), input.ranks[rank]);
  return result;
}

Buffer Execution::run(int64_t rank) const {
  int64_t own = mesh.indexInGroup(rank, move.axes);
  switch (move.kind) {
  case MoveKind::Slice:
    return blockOf(input.localShape, move.dim, size, own, input.ranks[rank]);
  case MoveKind::AllGather:
    return gathered(rank);
  case MoveKind::AllToAll:
    return exchanged(rank);
  case MoveKind::AllReduce:
    return reduced(rank);
  case MoveKind::ReduceScatter:
    return blockOf(input.localShape, move.dim, size, own, reduced(rank));
  case MoveKind::Permute:
    return permuted(rank);
  case MoveKind::MakePartial:
    return madePartial(rank);
  case MoveKind::Place:
    return placed(rank);
  }
  llvm_unreachable("unknown MoveKind");
}

Distributed execute(const Mesh &mesh, const Tensor &tensor, const Move &move,
                    const Distributed &input) {
  Execution execution = {mesh, move, input,
                         move.after.localShape(mesh, tensor.shape),
                         groupSize(mesh, move.axes)};
  Distributed result = {execution.localAfter, {}};
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank)
    result.ranks.push_back(execution.run(rank));
  return result;
}

/// Returns true if ranks holding tensors of shape `before` can do `move` and
/// then hold tensors of shape `after`; false for a list with a move missing.
static bool fitsShapes(const Mesh &mesh, const Move &move, const Shape &before,
                       const Shape &after) {
  int64_t size = groupSize(mesh, move.axes);
  MoveKind kind = move.kind;
  bool isExchange = kind == MoveKind::AllToAll;
  bool cuts = kind == MoveKind::Slice || kind == MoveKind::ReduceScatter;
  bool joins = kind == MoveKind::AllGather || kind == MoveKind::Place;
  for (int dim = 0; dim < static_cast<int>(before.size()); ++dim) {
    int64_t cutBefore = before[dim], cutAfter = after[dim];
    if (dim == (isExchange ? move.toDim : move.dim) && (cuts || isExchange))
      cutBefore = llvm::divideCeil(before[dim], size);
    else if (dim == move.dim && (joins || isExchange))
      cutAfter = llvm::divideCeil(after[dim], size);
    if (cutBefore != cutAfter)
      return false;
  }
  return true;
}

std::optional<std::string> checkMoves(const Mesh &mesh, const Tensor &tensor,
                                      const Layout &from, const Layout &to,
                                      llvm::ArrayRef<Move> moves) {
  Distributed state = shard(mesh, tensor, from);
  for (const Move &move : moves) {
    Shape after = move.after.localShape(mesh, tensor.shape);
    if (!fitsShapes(mesh, move, state.localShape, after))
      return toString(mesh, move) + " does not fit the local shape";
    state = execute(mesh, tensor, move, state);
    if (auto message = compare(mesh, tensor, move.after, state))
      return "after " + toString(mesh, move) + ": " + *message;
  }
  return compare(mesh, tensor, to, state);
}

} // namespace weft::test
