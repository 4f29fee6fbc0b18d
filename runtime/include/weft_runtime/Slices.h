// SPDX-License-Identifier: Apache-2.0
//
// Slices: which part of a global tensor one rank holds. The same formula as
// the compiler's Layout: per axis in nesting order local = ceil(size / n).
#ifndef WEFT_RUNTIME_SLICES_H
#define WEFT_RUNTIME_SLICES_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace weft {

/// One atomic axis: "tp.0" of axis "tp".
struct MeshAxis {
  std::string name;
  std::string axis;
  int64_t size = 1;
};

/// Ranks in a row-major grid over atomic axes, the first outermost.
struct Mesh {
  std::vector<MeshAxis> axes;

  int64_t worldSize() const;
  std::vector<int64_t> coordinates(int rank) const;
  /// The ranks that share all coordinates of `rank` but those on `axes`,
  /// ordered by their coordinates on `axes`, the first listed outermost.
  ///
  ///   dp = 2, tp = 2:   axes [tp], rank 2 -> 2 3
  ///                     axes [tp, dp], rank 0 -> 0 2 1 3
  std::vector<int> group(const std::vector<int> &axes, int rank) const;
  /// "dp_shard = 2, tp = 4".
  std::string text() const;
};

/// `axis` shards `dim`.
struct Placement {
  int axis = 0;
  int dim = 0;
};

/// The rectangle of a global tensor that one rank holds: along dim d,
/// `valid[d]` elements from `start[d]` on, stored at the front of `local[d]`
/// elements.
struct Slice {
  std::vector<int64_t> start;
  std::vector<int64_t> valid;
  std::vector<int64_t> local;
};

/// The slice of a tensor of `shape` on the rank at `coordinates`.
///
///   10 rows over (2, 2):  local 3, starts 0 3 5 8, valid 3 2 3 2
///   4 rows over 3:        local 2, valid 2 2 0
Slice sliceOf(const Mesh &mesh, const std::vector<Placement> &layout,
              const std::vector<int64_t> &shape,
              const std::vector<int64_t> &coordinates);

/// Calls `body(globalOffset, localOffset, count)`, all in elements, for every
/// contiguous run that the slice and the global tensor share.
void forEachRun(const std::vector<int64_t> &shape, const Slice &slice,
                const std::function<void(int64_t, int64_t, int64_t)> &body);

/// The number of elements of a shape.
int64_t numElements(const std::vector<int64_t> &shape);

} // namespace weft

#endif // WEFT_RUNTIME_SLICES_H
