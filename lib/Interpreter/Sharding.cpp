// SPDX-License-Identifier: Apache-2.0
//
// shard and unshard: every rank's part is a box of the global tensor, given by
// the layout's start and valid extent in each dim.
#include "weft/Interpreter/Sharding.h"

#include "Collectives.h"
#include <cmath>

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;
using llvm::SmallVector;

namespace {
/// The part of the global tensor that one rank holds.
struct Box {
  SmallVector<int64_t> start, valid, local;

  Box(const Mesh &mesh, const Layout &layout, ArrayRef<int64_t> shape,
      int64_t rank)
      : local(layout.localShape(mesh, shape)) {
    for (int dim = 0; dim < static_cast<int>(shape.size()); ++dim) {
      start.push_back(layout.globalStart(mesh, dim, shape[dim], rank));
      valid.push_back(layout.validExtent(mesh, dim, shape[dim], rank));
    }
  }
};
} // namespace

/// Calls `visit(global position, local position)` for every valid element.
static void forEachValid(const Box &box, ArrayRef<int64_t> shape,
                         llvm::function_ref<void(int64_t, int64_t)> visit) {
  SmallVector<int64_t> globalStrides = stridesOf(shape),
                       localStrides = stridesOf(box.local),
                       strides = stridesOf(box.valid);
  for (int64_t i = 0, e = numElements(box.valid); i < e; ++i) {
    int64_t global = 0, local = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      int64_t index = i / strides[d] % box.valid[d];
      global += (box.start[d] + index) * globalStrides[d];
      local += index * localStrides[d];
    }
    visit(global, local);
  }
}

/// True if `rank` is at coordinate 0 of every axis of `atoms`.
static bool isFirst(const Mesh &mesh, int64_t rank, ArrayRef<int> atoms) {
  return mesh.indexInGroup(rank, atoms) == 0;
}

static SmallVector<int> replicatedAxes(const Mesh &mesh, const Layout &layout) {
  SmallVector<int> axes;
  for (int atom = 0; atom < mesh.numAtoms(); ++atom)
    if (!layout.placementOf(atom))
      axes.push_back(atom);
  return axes;
}

static Tensor filled(ElementKind kind, ArrayRef<int64_t> shape, double value) {
  Tensor tensor(kind, shape);
  for (int64_t i = 0, e = tensor.numElements(); value != 0.0 && i < e; ++i)
    tensor.set(i, value);
  return tensor;
}

/// The kind of a layout's partial axes, if it has some and this rank does not
/// hold the value itself.
static std::optional<ReduceKind>
kindOfNeutralRank(const Mesh &mesh, const Layout &layout, int64_t rank) {
  SmallVector<int, 4> axes = layout.partialAxes();
  if (axes.empty() || isFirst(mesh, rank, axes))
    return std::nullopt;
  ReduceKind kind = layout.placementOf(axes.front())->reduce;
  if (kind == ReduceKind::Max || kind == ReduceKind::Min)
    return std::nullopt;
  return kind;
}

RankTensors interpreter::shard(const Mesh &mesh, const Layout &layout,
                               const Tensor &global, double padding) {
  if (layout.isReplicated())
    return RankTensors(mesh.numRanks(), global);
  RankTensors locals;
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
    Box box(mesh, layout, global.shape(), rank);
    if (auto kind = kindOfNeutralRank(mesh, layout, rank)) {
      double neutral = neutralElement(*kind, global.kind());
      locals.push_back(filled(global.kind(), box.local, neutral));
      continue;
    }
    bool isFull = box.valid == box.local;
    Tensor local = filled(global.kind(), box.local, isFull ? 0.0 : padding);
    auto elements = local.mutableElements();
    forEachValid(box, global.shape(), [&](int64_t from, int64_t to) {
      elements[to] = global.elements()[from];
    });
    locals.push_back(std::move(local));
  }
  return locals;
}

Tensor interpreter::unshard(const Mesh &mesh, const Layout &layout,
                            ArrayRef<int64_t> shape,
                            const RankTensors &locals) {
  if (layout.isReplicated())
    return locals.front();
  SmallVector<int, 4> partial = layout.partialAxes();
  SmallVector<int> replicated = replicatedAxes(mesh, layout);
  Tensor global(locals.front().kind(), shape);
  auto elements = global.mutableElements();
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
    if (!isFirst(mesh, rank, partial) || !isFirst(mesh, rank, replicated))
      continue;
    Tensor whole = locals[rank];
    for (int64_t other : mesh.group(rank, partial))
      if (other != rank)
        whole = combined(layout.placementOf(partial.front())->reduce, whole,
                         locals[other], Arithmetic::Exact);
    Box box(mesh, layout, shape, rank);
    forEachValid(box, shape, [&](int64_t to, int64_t from) {
      elements[to] = whole.elements()[from];
    });
  }
  return global;
}

double interpreter::replicaDeviation(const Mesh &mesh, const Layout &layout,
                                     ArrayRef<int64_t> shape,
                                     const RankTensors &locals) {
  SmallVector<int> replicated = replicatedAxes(mesh, layout);
  double deviation = 0.0;
  for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
    const Tensor &own = locals[rank];
    const Tensor &first = locals[mesh.group(rank, replicated).front()];
    if (own.sharesElementsWith(first))
      continue;
    auto compare = [&](int64_t, int64_t position) {
      double a = own.at(position), b = first.at(position);
      double difference = a == b ? 0.0 : std::fabs(a - b);
      if (!(difference <= deviation))
        deviation = std::isnan(difference) ? INFINITY : difference;
    };
    forEachValid(Box(mesh, layout, shape, rank), shape, compare);
  }
  return deviation;
}
