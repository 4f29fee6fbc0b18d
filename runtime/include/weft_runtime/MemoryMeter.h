// SPDX-License-Identifier: Apache-2.0
//
// MemoryMeter: which bytes of the regions a step changes. Two passes with
// different patterns, because a byte may come to equal one of them by chance.
//
//   for (std::byte pattern : {...}) {
//     meter.fill(pattern);
//     ...                      // make the slots, run a step
//     meter.note();
//   }
//   meter.use();
#ifndef WEFT_RUNTIME_MEMORYMETER_H
#define WEFT_RUNTIME_MEMORYMETER_H

#include "weft_runtime/Executor.h"

namespace weft {

/// What a step did to one region; all in bytes.
struct RegionUse {
  int64_t planned = 0; // what the program says it needs
  int64_t used = 0;    // up to the end of the last byte changed
  int64_t outside = 0; // changed, but of no value
  /// Of values, but not changed: scratch of which a kernel needs less than a
  /// formula for all its shapes says.
  int64_t untouched = 0;

  bool isAsPlanned() const { return used == planned && outside == 0; }
};

using RegionUses = std::array<RegionUse, WEFT_NUM_REGIONS>;

class MemoryMeter {
public:
  MemoryMeter(const Descriptor &descriptor, const Regions &regions);

  /// Overwrites the regions and the guards behind them.
  void fill(std::byte pattern);
  /// Notes every byte that is not the pattern any more.
  void note();
  /// What was noted so far.
  RegionUses use() const;

private:
  const Descriptor &descriptor;
  const Regions &regions;
  std::byte pattern{};
  std::array<std::vector<bool>, WEFT_NUM_REGIONS> changed;
};

} // namespace weft

#endif // WEFT_RUNTIME_MEMORYMETER_H
