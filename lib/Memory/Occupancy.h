// SPDX-License-Identifier: Apache-2.0
//
// Occupancy: which bytes are taken at which steps.
//
// A tree over steps; a node is a range of steps and keeps two sets of bytes:
// those taken throughout the range by values that end outside of it or fill
// it, and those taken at any step of it. A value is added to the O(log n)
// nodes its lifetime consists of and to what is above them; a question unites
// as many sets. Values placed side by side become one extent, so the sets
// stay short.
#ifndef WEFT_LIB_MEMORY_OCCUPANCY_H
#define WEFT_LIB_MEMORY_OCCUPANCY_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace weft {

/// Bytes from `begin` on, `end` excluded.
struct Extent {
  int64_t begin, end;
};

/// A set of bytes: extents in order that neither overlap nor touch.
class ByteSet {
public:
  void add(Extent extent);
  llvm::ArrayRef<Extent> extents() const { return sorted; }

private:
  std::vector<Extent> sorted;
};

class Occupancy {
public:
  /// Steps are 0 to numSteps - 1.
  explicit Occupancy(int64_t numSteps);

  /// Takes the bytes from step `first` to `last`, both included.
  void take(int64_t first, int64_t last, Extent extent) {
    take({1, 0, width}, {first, last + 1}, extent);
  }
  /// Appends the bytes that are taken at some of the steps, in any order; an
  /// extent may come in several parts.
  void collect(int64_t first, int64_t last,
               std::vector<Extent> &extents) const {
    collect({1, 0, width}, {first, last + 1}, extents);
  }

private:
  struct Node {
    ByteSet throughout, sometimes;
  };
  /// A node by its number (the children of n are 2n and 2n + 1) and its range.
  struct Place {
    size_t number;
    int64_t begin, end;

    Place left() const { return {2 * number, begin, (begin + end) / 2}; }
    Place right() const { return {2 * number + 1, (begin + end) / 2, end}; }
    bool isIn(Extent steps) const {
      return steps.begin <= begin && end <= steps.end;
    }
    bool meets(Extent steps) const {
      return steps.begin < end && begin < steps.end;
    }
  };
  void take(Place place, Extent steps, Extent extent);
  void collect(Place place, Extent steps, std::vector<Extent> &extents) const;

  int64_t width; // a power of two
  std::vector<Node> nodes;
};

} // namespace weft

#endif // WEFT_LIB_MEMORY_OCCUPANCY_H
