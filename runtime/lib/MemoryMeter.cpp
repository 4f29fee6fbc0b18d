// SPDX-License-Identifier: Apache-2.0
//
// MemoryMeter: a bit per byte.
#include "weft_runtime/MemoryMeter.h"

#include <algorithm>
#include <cstring>

using namespace weft;

MemoryMeter::MemoryMeter(const Descriptor &descriptor, const Regions &regions)
    : descriptor(descriptor), regions(regions) {
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region)
    changed[region].resize(regions.memory(region).size());
}

void MemoryMeter::fill(std::byte newPattern) {
  pattern = newPattern;
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region) {
    std::span<char> memory = regions.memory(region);
    std::memset(memory.data(), static_cast<int>(pattern), memory.size());
  }
}

void MemoryMeter::note() {
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region) {
    std::span<char> memory = regions.memory(region);
    for (size_t i = 0; i < memory.size(); ++i)
      if (memory[i] != static_cast<char>(pattern))
        changed[region][i] = true;
  }
}

/// One bit per byte of a region: whether some value has it.
static std::vector<bool> bytesOfValues(const Descriptor &descriptor, int region,
                                       size_t size) {
  std::vector<bool> result(size);
  bool isInput = region == WEFT_REGION_INPUT;
  int64_t copies = isInput ? descriptor.microbatches : 1;
  for (int64_t copy = 0; copy < copies; ++copy)
    for (auto [begin, end] : descriptor.occupied[region]) {
      int64_t base = copy * Regions::inputStride(descriptor);
      std::fill(result.begin() + base + begin, result.begin() + base + end,
                true);
    }
  return result;
}

RegionUses MemoryMeter::use() const {
  RegionUses uses;
  for (int region = 0; region < WEFT_NUM_REGIONS; ++region) {
    RegionUse &use = uses[region];
    const std::vector<bool> &bytes = changed[region];
    use.planned = Regions::plannedBytes(descriptor, region);
    std::vector<bool> values = bytesOfValues(descriptor, region, bytes.size());
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i])
        use.used = static_cast<int64_t>(i) + 1;
      use.outside += bytes[i] && !values[i];
      use.untouched += !bytes[i] && values[i];
    }
  }
  return uses;
}
