// SPDX-License-Identifier: Apache-2.0
//
// Layout: where the elements of one tensor lie on the mesh.
//
// A layout is an ordered list of placements, one per atomic axis it uses; an
// atomic axis without a placement is replicated. Canonical form: shard
// entries by dim, within one dim by nesting (first is outermost), then
// partial entries in mesh order; no axis of size 1.
#ifndef WEFT_LAYOUT_LAYOUT_H
#define WEFT_LAYOUT_LAYOUT_H

#include "weft/Layout/Mesh.h"

namespace weft {

/// How values of several ranks combine into one.
enum class ReduceKind : int32_t { Sum, Max, Min, Product };

enum class PlacementKind : int32_t { Shard, Partial, Replicate };

/// What one atomic axis does to a tensor. `Replicate` occurs in constraints
/// only: a layout says it by leaving the axis out.
struct Placement {
  int32_t axis = 0;
  PlacementKind kind = PlacementKind::Replicate;
  int32_t dim = 0;                     // of Shard
  ReduceKind reduce = ReduceKind::Sum; // of Partial

  static Placement shard(int axis, int dim) {
    return {axis, PlacementKind::Shard, dim, ReduceKind::Sum};
  }
  static Placement partial(int axis, ReduceKind kind = ReduceKind::Sum) {
    return {axis, PlacementKind::Partial, 0, kind};
  }
  static Placement replicate(int axis) { return {axis}; }
  bool operator==(const Placement &other) const = default;
};

/// The decided layout of one tensor: unlisted axes are replicated.
class Layout {
public:
  Layout() = default;
  /// Brings `entries` into canonical form; the order of entries of one dim
  /// is their nesting and is kept.
  Layout(const Mesh &mesh, llvm::ArrayRef<Placement> entries);

  llvm::ArrayRef<Placement> entries() const { return placements; }
  bool isReplicated() const { return placements.empty(); }
  bool hasPartial() const;
  /// The placement of `axis`, if it has one.
  std::optional<Placement> placementOf(int axis) const;
  /// Axes that shard `dim`, outermost first.
  llvm::SmallVector<int, 4> axesOfDim(int dim) const;
  llvm::SmallVector<int, 4> partialAxes() const;

  /// The static shape each rank holds: per axis in nesting order
  /// local = ceil(size / n), so 10 rows over (2, 2) are 5, then 3.
  llvm::SmallVector<int64_t> localShape(const Mesh &mesh,
                                        llvm::ArrayRef<int64_t> shape) const;
  /// How many leading elements of `dim` are valid on `rank` (the rest of the
  /// static local size is padding), and the global index of its first one
  /// Each axis cuts the static size into equal blocks, so the start is a plain
  /// sum of coordinate times block size, on every rank (past the end for an
  /// empty shard), and a rank's valid elements are those left in its block.
  ///
  ///   10 rows over (2, 2), local size 3:   rank 0..3 -> 3, 2, 3, 2
  ///                                        starts at    0, 3, 5, 8
  ///   9 rows over (2, 2), local size 3:    rank 0..3 -> 3, 2, 3, 1
  ///                                        starts at    0, 3, 5, 8
  ///   4 rows over 3, local size 2:         rank 0..2 -> 2, 2, 0
  ///                                        starts at    0, 2, 4
  int64_t validExtent(const Mesh &mesh, int dim, int64_t size,
                      int64_t rank) const;
  int64_t globalStart(const Mesh &mesh, int dim, int64_t size,
                      int64_t rank) const;
  /// True if every shard of `dim` is full on every rank.
  bool isEven(const Mesh &mesh, int dim, int64_t size) const;

  /// Returns a message if an axis or dim is out of range, an axis is used
  /// twice, two partial entries differ in kind, or the order is not canonical.
  std::optional<std::string> verify(const Mesh &mesh, int64_t numDims) const;
  bool operator==(const Layout &other) const {
    return placements == other.placements;
  }

private:
  llvm::SmallVector<Placement, 4> placements;
};

/// `tp = shard(0), dp_shard = shard(0), cp = partial(sum)`; sub-axes that
/// together form their axis are merged; the replicated layout prints as ``.
std::string toString(const Mesh &mesh, const Layout &layout);
/// `shard(0)`, `partial(sum)` or `replicate`.
std::string toString(const Placement &placement);

/// The entries that text as above stands for, in its order, `replicate`
/// entries included (a constraint has them); a message if it is not well
/// formed. An axis that is split stands for all its sub-axes.
struct PlacementsOrError {
  llvm::SmallVector<Placement, 4> placements;
  std::string message; // empty if the text is well formed
};
PlacementsOrError parsePlacements(const Mesh &mesh, llvm::StringRef text);

llvm::StringRef toString(ReduceKind kind);
std::optional<ReduceKind> parseReduceKind(llvm::StringRef text);

} // namespace weft

#endif // WEFT_LAYOUT_LAYOUT_H
