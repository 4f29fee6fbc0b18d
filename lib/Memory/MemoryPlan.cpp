// SPDX-License-Identifier: Apache-2.0
//
// Best fit, largest first. Large values come first because small ones fit into
// the gaps they leave, not the other way round.
#include "weft/Memory/MemoryPlan.h"
#include "Occupancy.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <map>
#include <numeric>
#include <tuple>

using llvm::ArrayRef;

namespace weft {

int64_t alignMemory(int64_t bytes) {
  return llvm::alignTo(bytes, kMemoryAlignment);
}

bool overlapInTime(const Lifetime &a, const Lifetime &b) {
  return a.first <= b.last && b.first <= a.last;
}

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

/// The order of the steps at which something changes: lifetimes that meet are
/// those whose positions meet, and there are at most two positions a value.
static std::vector<int64_t> orderedSteps(ArrayRef<Lifetime> values) {
  std::vector<int64_t> steps;
  for (const Lifetime &value : values) {
    steps.push_back(value.first);
    steps.push_back(value.last);
  }
  llvm::sort(steps);
  steps.erase(llvm::unique(steps), steps.end());
  return steps;
}

MemoryPlan planMemory(ArrayRef<Lifetime> values) {
  return planAndCount(values).plan;
}

CountedPlan planAndCount(ArrayRef<Lifetime> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](size_t a, size_t b) {
    if (values[a].bytes != values[b].bytes)
      return values[a].bytes > values[b].bytes;
    return values[a].last - values[a].first > values[b].last - values[b].first;
  });
  std::vector<int64_t> steps = orderedSteps(values);
  auto position = [&](int64_t step) {
    return llvm::lower_bound(steps, step) - steps.begin();
  };
  CountedPlan counted;
  MemoryPlan &plan = counted.plan;
  plan.offsets.resize(values.size());
  Occupancy occupancy(steps.size());
  std::vector<Extent> taken;
  for (size_t index : order) {
    const Lifetime &value = values[index];
    int64_t first = position(value.first), last = position(value.last);
    taken.clear();
    occupancy.collect(first, last, taken);
    counted.numExtents += taken.size();
    llvm::sort(taken, [](const Extent &a, const Extent &b) {
      return a.begin < b.begin;
    });
    int64_t bytes = alignMemory(value.bytes);
    int64_t offset = bestFit(taken, bytes);
    occupancy.take(first, last, {offset, offset + bytes});
    plan.offsets[index] = offset;
    plan.bytes = std::max(plan.bytes, offset + value.bytes);
  }
  return counted;
}

namespace {
/// What begins or, one step before, has ended.
struct Change {
  int64_t step;
  bool isBegin;
  size_t value;

  bool operator<(const Change &other) const {
    return std::tie(step, isBegin, value) <
           std::tie(other.step, other.isBegin, other.value);
  }
};
} // namespace

/// Ends before begins, in order of steps.
static std::vector<Change> changesOf(ArrayRef<Lifetime> values) {
  std::vector<Change> changes;
  for (auto [index, value] : llvm::enumerate(values)) {
    changes.push_back({value.first, /*isBegin=*/true, index});
    changes.push_back({value.last + 1, /*isBegin=*/false, index});
  }
  llvm::sort(changes);
  return changes;
}

Peak peakOf(ArrayRef<Lifetime> values) {
  Peak peak;
  int64_t live = 0, highest = 0;
  for (const Change &change : changesOf(values)) {
    int64_t bytes = alignMemory(values[change.value].bytes);
    live += change.isBegin ? bytes : -bytes;
    if (live > highest) {
      highest = live;
      peak.step = change.step;
    }
  }
  // Whatever lies last need not be padded.
  int64_t padding = 0;
  for (const Lifetime &value : values)
    if (value.first <= peak.step && peak.step <= value.last)
      padding = std::max(padding, alignMemory(value.bytes) - value.bytes);
  peak.bytes = highest - padding;
  return peak;
}

/// The first two values that share a byte and a step, by a sweep over steps:
/// as long as live values are disjoint, only neighbours can overlap.
static std::optional<std::string> verifyDisjoint(const MemoryPlan &plan,
                                                 ArrayRef<Lifetime> values) {
  auto meet = [&](size_t a, size_t b) {
    return "values \"" + values[a].name + "\" and \"" + values[b].name +
           "\" overlap at byte " + std::to_string(plan.offsets[b]) +
           " in step " +
           std::to_string(std::max(values[a].first, values[b].first));
  };
  std::map<int64_t, size_t> live; // by offset
  for (const Change &change : changesOf(values)) {
    size_t index = change.value;
    int64_t begin = plan.offsets[index], bytes = values[index].bytes;
    if (bytes == 0)
      continue;
    if (!change.isBegin) {
      live.erase(begin);
      continue;
    }
    auto next = live.lower_bound(begin);
    if (next != live.end() && next->first < begin + bytes)
      return meet(index, next->second);
    if (next != live.begin()) {
      size_t before = std::prev(next)->second;
      if (plan.offsets[before] + values[before].bytes > begin)
        return meet(before, index);
    }
    live.emplace_hint(next, begin, index);
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
