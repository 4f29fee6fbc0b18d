// SPDX-License-Identifier: Apache-2.0
//
// MemoryPlan: where values with known sizes and lifetimes lie in one region.
//
// Time is counted in steps of one function; a value occupies its bytes from
// its first step to its last, both included. Two values that share a step must
// not share a byte. Knows no IR: names are for people.
#ifndef WEFT_MEMORY_MEMORYPLAN_H
#define WEFT_MEMORY_MEMORYPLAN_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Every offset is a multiple of this: a cache line, and the widest vector.
inline constexpr int64_t kMemoryAlignment = 64;

/// `bytes` rounded up to the alignment.
int64_t alignMemory(int64_t bytes);

/// What a value needs.
struct Lifetime {
  std::string name;
  int64_t bytes = 0;
  int64_t first = 0;
  int64_t last = 0; // >= first

  bool operator==(const Lifetime &other) const = default;
};

/// True if both need memory at some step.
///
///   [0, 2] and [2, 5] -> true      [0, 2] and [3, 5] -> false
bool overlapInTime(const Lifetime &a, const Lifetime &b);

/// The decision: one offset per value, and the size of the region: where the
/// last value ends, not rounded up.
struct MemoryPlan {
  std::vector<int64_t> offsets;
  int64_t bytes = 0;

  bool operator==(const MemoryPlan &other) const = default;
};

/// Places values largest first (of equal sizes the longest-lived, then the
/// first), each in the smallest gap that holds it among those it meets in
/// time, the lowest on ties. Takes O(n log^2 n) as long as values placed side
/// by side leave few gaps.
///
///   bytes 128 [0, 1], 64 [1, 2], 128 [2, 3]   ->  0, 128, 0; 192 bytes
///   bytes 64 [0, 0], 64 [1, 1], 64 [2, 2]     ->  0, 0, 0; 64 bytes
MemoryPlan planMemory(llvm::ArrayRef<Lifetime> values);

/// A plan, and how many extents of taken bytes were looked at for it: time, in
/// a unit that is the same on every machine.
struct CountedPlan {
  MemoryPlan plan;
  int64_t numExtents = 0;
};
CountedPlan planAndCount(llvm::ArrayRef<Lifetime> values);

/// The bytes that the values of the fullest step take together (whole lines,
/// but for one of them), and that step: no plan needs less.
struct Peak {
  int64_t bytes = 0;
  int64_t step = 0;
};
Peak peakOf(llvm::ArrayRef<Lifetime> values);

/// Returns a message if the plan has another number of values, an offset is
/// negative or not aligned, a value ends behind the region, or two values that
/// overlap in time share a byte.
std::optional<std::string> verify(const MemoryPlan &plan,
                                  llvm::ArrayRef<Lifetime> values);

/// One line `bytes 192`, then per value `name: 128 bytes at 0, steps 0 to 1`.
std::string toString(const MemoryPlan &plan, llvm::ArrayRef<Lifetime> values);

/// The plan and the values that text as above stands for; a message naming the
/// line if it is not well formed.
struct ParsedMemoryPlan {
  MemoryPlan plan;
  std::vector<Lifetime> values;
  std::string message; // empty if the text is well formed
};
ParsedMemoryPlan parseMemoryPlan(llvm::StringRef text);

} // namespace weft

#endif // WEFT_MEMORY_MEMORYPLAN_H
