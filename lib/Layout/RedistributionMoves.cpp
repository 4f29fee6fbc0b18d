// SPDX-License-Identifier: Apache-2.0
//
// The moves a redistribution may make from a layout.
//
// Only the innermost axes of a dim leave it, and axes join it innermost. A
// move over several axes at once needs even dims: their blocks then follow
// each other without padding in between. Moves that no cheapest plan uses are
// left out: an axis that ends replicated is not scattered, and a replicated
// axis is sliced only to where it ends.
#include "RedistributionMoves.h"

#include "llvm/ADT/STLExtras.h"

namespace weft {

using Axes = llvm::SmallVector<int, 2>;

RedistributionProblem::RedistributionProblem(const Mesh &mesh,
                                             llvm::ArrayRef<int64_t> shape,
                                             const Layout &from,
                                             const Layout &to)
    : mesh(mesh), shape(shape), to(to), movable(mesh.numAtoms(), false) {
  for (int dim = 0; dim < numDims(); ++dim) {
    llvm::SmallVector<int, 4> before = from.axesOfDim(dim);
    llvm::SmallVector<int, 4> after = to.axesOfDim(dim);
    size_t common = 0;
    while (common < std::min(before.size(), after.size()) &&
           before[common] == after[common])
      ++common;
    for (int axis : llvm::ArrayRef(before).drop_front(common))
      movable[axis] = true;
    for (int axis : llvm::ArrayRef(after).drop_front(common))
      movable[axis] = true;
  }
  for (const Layout *layout : {&from, &to})
    for (const Placement &entry : layout->entries()) {
      if (entry.kind != PlacementKind::Partial)
        continue;
      if (from.placementOf(entry.axis) != to.placementOf(entry.axis))
        movable[entry.axis] = true;
      if (!llvm::is_contained(kinds, entry.reduce))
        kinds.push_back(entry.reduce);
    }
}

bool communicates(MoveKind kind) {
  switch (kind) {
  case MoveKind::Slice:
  case MoveKind::MakePartial:
  case MoveKind::Place:
    return false;
  case MoveKind::AllGather:
  case MoveKind::AllToAll:
  case MoveKind::AllReduce:
  case MoveKind::ReduceScatter:
  case MoveKind::Permute:
    return true;
  }
  llvm_unreachable("unknown MoveKind");
}

namespace {

/// Collects the moves from one layout.
class MoveList {
public:
  MoveList(const RedistributionProblem &problem, const Layout &layout)
      : problem(problem), mesh(problem.mesh), layout(layout) {}

  llvm::SmallVector<Move, 16> take() { return std::move(moves); }
  void addMovesOfDim(int dim);
  void addReductions();
  void addLocalMoves();

private:
  void addSuffixMoves(int dim, const Axes &suffix);
  void addPermutes(int dim, llvm::ArrayRef<int> axes);
  void addReduceScatters(const Axes &axes, ReduceKind kind);
  void addToPartial(MoveKind moveKind, int axis, int dim);
  void add(Move move, llvm::ArrayRef<Placement> added);
  bool isEvenAfterJoining(const Axes &axes, int dim) const;
  std::optional<ReduceKind> currentKind() const;

  const RedistributionProblem &problem;
  const Mesh &mesh;
  const Layout &layout;
  llvm::SmallVector<Move, 16> moves;
};

} // namespace

/// Adds `move`, after which its axes are placed as `added` says (not at all:
/// replicated) and all others as before.
void MoveList::add(Move move, llvm::ArrayRef<Placement> added) {
  llvm::SmallVector<Placement, 8> entries;
  for (const Placement &entry : layout.entries())
    if (!llvm::is_contained(move.axes, entry.axis))
      entries.push_back(entry);
  entries.append(added.begin(), added.end());
  move.after = Layout(mesh, entries);
  moves.push_back(std::move(move));
}

static llvm::SmallVector<Placement, 4> shardAll(const Axes &axes, int dim) {
  llvm::SmallVector<Placement, 4> entries;
  for (int axis : axes)
    entries.push_back(Placement::shard(axis, dim));
  return entries;
}

std::optional<ReduceKind> MoveList::currentKind() const {
  if (!layout.hasPartial())
    return std::nullopt;
  return layout.entries().back().reduce;
}

bool MoveList::isEvenAfterJoining(const Axes &axes, int dim) const {
  int64_t product = 1;
  for (int axis : layout.axesOfDim(dim))
    product *= mesh.atomSize(axis);
  for (int axis : axes)
    product *= mesh.atomSize(axis);
  return problem.shape[dim] % product == 0;
}

/// The moves that take the innermost axes `suffix` off `dim`.
void MoveList::addSuffixMoves(int dim, const Axes &suffix) {
  bool isEven = layout.isEven(mesh, dim, problem.shape[dim]);
  if (suffix.size() > 1 && !isEven)
    return;
  add({MoveKind::AllGather, suffix, dim}, {});
  for (int toDim = 0; toDim < problem.numDims(); ++toDim)
    if (toDim != dim &&
        (suffix.size() == 1 || isEvenAfterJoining(suffix, toDim)))
      add({MoveKind::AllToAll, suffix, dim, toDim}, shardAll(suffix, toDim));
}

/// Swaps of two neighbouring axes of an even dim.
void MoveList::addPermutes(int dim, llvm::ArrayRef<int> axes) {
  if (!layout.isEven(mesh, dim, problem.shape[dim]))
    return;
  for (size_t outer = 0; outer + 1 < axes.size(); ++outer) {
    if (!problem.movable[axes[outer]])
      continue;
    llvm::SmallVector<Placement, 8> entries(layout.entries());
    auto *entry = llvm::find_if(entries, [&](const Placement &placement) {
      return placement.axis == axes[outer];
    });
    std::swap(entry[0], entry[1]);
    Move move = {MoveKind::Permute, {axes[outer], axes[outer + 1]}, dim};
    move.after = Layout(mesh, entries);
    moves.push_back(std::move(move));
  }
}

void MoveList::addMovesOfDim(int dim) {
  llvm::SmallVector<int, 4> axes = layout.axesOfDim(dim);
  Axes suffix;
  for (int axis : llvm::reverse(axes)) {
    if (!problem.movable[axis])
      break;
    suffix.insert(suffix.begin(), axis);
    addSuffixMoves(dim, suffix);
    if (suffix.size() == 1)
      addToPartial(MoveKind::Place, axis, dim);
  }
  addPermutes(dim, axes);
}

/// One reduce-scatter of `axes` to each dim. Several axes go together only to
/// the dim they all end on, nested as there.
void MoveList::addReduceScatters(const Axes &axes, ReduceKind kind) {
  for (int axis : axes) {
    std::optional<Placement> end = problem.to.placementOf(axis);
    if (!end || end->kind != PlacementKind::Shard)
      return;
  }
  for (int dim = 0; dim < problem.numDims(); ++dim) {
    Axes nested;
    if (axes.size() == 1)
      nested = axes;
    else
      for (int axis : problem.to.axesOfDim(dim))
        if (llvm::is_contained(axes, axis))
          nested.push_back(axis);
    bool isTogether = axes.size() > 1;
    if (nested.size() != axes.size() ||
        (isTogether && !isEvenAfterJoining(nested, dim)))
      continue;
    add({MoveKind::ReduceScatter, nested, dim, 0, kind}, shardAll(nested, dim));
  }
}

/// All-reduces and reduce-scatters of every set of partial axes.
void MoveList::addReductions() {
  std::optional<ReduceKind> kind = currentKind();
  if (!kind)
    return;
  llvm::SmallVector<Axes, 8> sets = {{}};
  for (int axis : layout.partialAxes()) {
    if (!problem.movable[axis])
      continue;
    for (size_t index = 0, end = sets.size(); index < end; ++index) {
      Axes larger = sets[index];
      larger.push_back(axis);
      sets.push_back(std::move(larger));
    }
  }
  for (const Axes &axes : llvm::drop_begin(sets)) {
    add({MoveKind::AllReduce, axes, 0, 0, *kind}, {});
    addReduceScatters(axes, *kind);
  }
}

/// Makes `axis` partial in each kind the problem has, one kind at a time.
void MoveList::addToPartial(MoveKind moveKind, int axis, int dim) {
  std::optional<ReduceKind> current = currentKind();
  for (ReduceKind kind : problem.kinds)
    if (!current || current == kind)
      add({moveKind, {axis}, dim, 0, kind}, Placement::partial(axis, kind));
}

void MoveList::addLocalMoves() {
  for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
    if (!problem.movable[axis] || layout.placementOf(axis))
      continue;
    std::optional<Placement> end = problem.to.placementOf(axis);
    if (end && end->kind == PlacementKind::Shard)
      add({MoveKind::Slice, {axis}, end->dim}, *end);
    addToPartial(MoveKind::MakePartial, axis, 0);
  }
}

llvm::SmallVector<Move, 16> possibleMoves(const RedistributionProblem &problem,
                                          const Layout &layout) {
  MoveList list(problem, layout);
  for (int dim = 0; dim < problem.numDims(); ++dim)
    list.addMovesOfDim(dim);
  list.addReductions();
  list.addLocalMoves();
  return list.take();
}

} // namespace weft
