// SPDX-License-Identifier: Apache-2.0
//
// Best fit, largest first. Large values come first because small ones fit into
// the gaps they leave, not the other way round.
#include "weft/Memory/MemoryPlan.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <map>
#include <numeric>

using llvm::ArrayRef;

namespace weft {

int64_t alignMemory(int64_t bytes) {
  return llvm::alignTo(bytes, kMemoryAlignment);
}

bool overlapInTime(const Lifetime &a, const Lifetime &b) {
  return a.first <= b.last && b.first <= a.last;
}

namespace {
/// Bytes that are taken, end excluded.
struct Extent {
  int64_t begin, end;
  bool operator<(const Extent &other) const {
    return begin != other.begin ? begin < other.begin : end < other.end;
  }
};
} // namespace

/// The start of the smallest gap of at least `bytes` between sorted extents,
/// or the end of the last one.
static int64_t bestFit(ArrayRef<Extent> taken, int64_t bytes) {
  int64_t cursor = 0, best = -1, bestSize = 0;
  for (const Extent &extent : taken) {
    int64_t gap = extent.begin - cursor;
    if (gap >= bytes && (best < 0 || gap < bestSize)) {
      best = cursor;
      bestSize = gap;
    }
    cursor = std::max(cursor, extent.end);
  }
  return best < 0 ? cursor : best;
}

MemoryPlan planMemory(ArrayRef<Lifetime> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](size_t a, size_t b) {
    if (values[a].bytes != values[b].bytes)
      return values[a].bytes > values[b].bytes;
    return values[a].last - values[a].first > values[b].last - values[b].first;
  });
  MemoryPlan plan;
  plan.offsets.resize(values.size());
  std::vector<size_t> placed;
  std::vector<Extent> taken;
  for (size_t index : order) {
    taken.clear();
    for (size_t other : placed)
      if (overlapInTime(values[index], values[other]))
        taken.push_back(
            {plan.offsets[other],
             plan.offsets[other] + alignMemory(values[other].bytes)});
    llvm::sort(taken);
    int64_t bytes = alignMemory(values[index].bytes);
    plan.offsets[index] = bestFit(taken, bytes);
    plan.bytes = std::max(plan.bytes, plan.offsets[index] + bytes);
    placed.push_back(index);
  }
  return plan;
}

Peak peakOf(ArrayRef<Lifetime> values) {
  std::map<int64_t, int64_t> changes;
  for (const Lifetime &value : values) {
    changes[value.first] += alignMemory(value.bytes);
    changes[value.last + 1] -= alignMemory(value.bytes);
  }
  Peak peak;
  int64_t live = 0;
  for (auto [step, change] : changes) {
    live += change;
    if (live > peak.bytes)
      peak = {live, step};
  }
  return peak;
}

/// The first two values that share a byte and a step, by a sweep over bytes.
static std::optional<std::string> verifyDisjoint(const MemoryPlan &plan,
                                                 ArrayRef<Lifetime> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](size_t a, size_t b) {
    return plan.offsets[a] < plan.offsets[b];
  });
  std::vector<size_t> open;
  for (size_t index : order) {
    llvm::erase_if(open, [&](size_t other) {
      return plan.offsets[other] + values[other].bytes <= plan.offsets[index];
    });
    for (size_t other : open)
      if (values[index].bytes > 0 &&
          overlapInTime(values[index], values[other]))
        return "values \"" + values[other].name + "\" and \"" +
               values[index].name + "\" overlap at byte " +
               std::to_string(plan.offsets[index]) + " in step " +
               std::to_string(
                   std::max(values[index].first, values[other].first));
    open.push_back(index);
  }
  return std::nullopt;
}

std::optional<std::string> verify(const MemoryPlan &plan,
                                  ArrayRef<Lifetime> values) {
  if (plan.offsets.size() != values.size())
    return "plan has another number of values: got " +
           std::to_string(plan.offsets.size()) + ", expected " +
           std::to_string(values.size());
  for (auto [offset, value] : llvm::zip(plan.offsets, values)) {
    std::string name = "value \"" + value.name + "\" ";
    if (offset < 0 || offset % kMemoryAlignment)
      return name + "is not aligned: got offset " + std::to_string(offset) +
             ", expected a multiple of " + std::to_string(kMemoryAlignment);
    if (offset + value.bytes > plan.bytes)
      return name + "ends behind the region: got byte " +
             std::to_string(offset + value.bytes) + ", expected at most " +
             std::to_string(plan.bytes);
  }
  return verifyDisjoint(plan, values);
}

} // namespace weft
