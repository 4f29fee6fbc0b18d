// SPDX-License-Identifier: Apache-2.0
//
// The device mesh: named axes, optionally split into sub-axes.
//
// A mesh is a list of *atomic* axes. An axis that is not split is one atomic
// axis; an axis split as `tp = (2, 2)` is two, written `tp.0` (outer) and
// `tp.1`. All algorithms work on atomic axes; only text knows that `tp.0`
// followed by `tp.1` is `tp`. Ranks are numbered row-major, the first axis
// outermost, so neighbours on the last axis are neighbouring ranks.
#ifndef WEFT_LAYOUT_MESH_H
#define WEFT_LAYOUT_MESH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace weft {

/// One named axis of the mesh with its sub-axis sizes, outermost first.
///
///   text            name   factors   size
///   dp_shard = 2    dp_shard  [2]      2
///   tp = (2, 4)     tp        [2, 4]   8
struct MeshAxis {
  std::string name;
  llvm::SmallVector<int64_t, 2> factors;

  int64_t size() const;
  bool operator==(const MeshAxis &other) const = default;
};

/// An ordered set of named axes. The empty mesh has one rank.
class Mesh {
public:
  Mesh() = default;
  explicit Mesh(llvm::ArrayRef<MeshAxis> axes);

  llvm::ArrayRef<MeshAxis> axes() const { return namedAxes; }

  /// The number of atomic axes; they are numbered from 0, outermost first.
  int numAtoms() const { return static_cast<int>(atomSizes.size()); }
  int64_t atomSize(int atom) const { return atomSizes[atom]; }
  /// The name of an atomic axis: `dp_shard`, or `tp.1` if its axis is split.
  std::string atomName(int atom) const;
  /// The index in `axes()` of the axis that `atom` belongs to.
  int axisOfAtom(int atom) const { return atomAxis[atom]; }

  /// The atoms that `name` stands for, outermost first; nothing if unknown.
  ///
  ///   mesh <dp = 2, tp = (2, 4)>
  ///   "dp" -> [0]   "tp" -> [1, 2]   "tp.1" -> [2]   "cp" -> nothing
  std::optional<llvm::SmallVector<int, 2>> lookup(llvm::StringRef name) const;

  int64_t numRanks() const;
  /// Coordinates of `rank`, one per atomic axis.
  llvm::SmallVector<int64_t> coordinates(int64_t rank) const;
  int64_t rankOf(llvm::ArrayRef<int64_t> coordinates) const;
  /// Ranks that differ from `rank` only along `atoms`, in order of their
  /// coordinates on `atoms` (the first atom is outermost).
  llvm::SmallVector<int64_t> group(int64_t rank,
                                   llvm::ArrayRef<int> atoms) const;
  /// The position of `rank` in its group over `atoms`.
  int64_t indexInGroup(int64_t rank, llvm::ArrayRef<int> atoms) const;

  /// Returns a message if a name is empty or repeated or a size is below 1.
  std::optional<std::string> verify() const;
  bool operator==(const Mesh &other) const {
    return namedAxes == other.namedAxes;
  }

private:
  llvm::SmallVector<MeshAxis> namedAxes;
  llvm::SmallVector<int64_t> atomSizes;
  llvm::SmallVector<int> atomAxis;
};

} // namespace weft

#endif // WEFT_LAYOUT_MESH_H
