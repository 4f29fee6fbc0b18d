// SPDX-License-Identifier: Apache-2.0
//
// MemoryMeter: every kind of byte it tells apart.
#include "weft_runtime/MemoryMeter.h"
#include "weft_runtime/Recording.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace weft;

namespace {

/// Values at [0, 4) and [64, 70) of region microbatch; inputs of 3 bytes.
Descriptor smallDescriptor() {
  Descriptor descriptor;
  descriptor.regionBytes = {0, 0, 70, 3};
  descriptor.occupied[WEFT_REGION_MICROBATCH] = {{0, 4}, {64, 70}};
  descriptor.occupied[WEFT_REGION_INPUT] = {{0, 3}};
  descriptor.microbatches = 2;
  return descriptor;
}

class MemoryMeterTest : public testing::Test {
protected:
  /// Writes all values; `alter` may do more.
  template <typename Alter> RegionUses measure(Alter alter) {
    for (std::byte pattern : {std::byte{0x5a}, std::byte{0xa5}}) {
      meter.fill(pattern);
      char *memory = regions.memory(WEFT_REGION_MICROBATCH).data();
      std::memset(memory, 0x5a, 4); // equal to one pattern
      std::memset(memory + 64, 1, 6);
      for (int64_t microbatch : {0, 1})
        std::memset(regions.bases(microbatch)[WEFT_REGION_INPUT], 0, 3);
      alter(memory);
      meter.note();
    }
    return meter.use();
  }

  Descriptor descriptor = smallDescriptor();
  RecordingCommunicator communicator{0, 1};
  Regions regions{descriptor, communicator, Regions::guardBytes};
  MemoryMeter meter{descriptor, regions};
};

TEST_F(MemoryMeterTest, accepts_what_is_as_planned_to_the_byte) {
  RegionUses uses = measure([](char *) {});
  EXPECT_EQ(uses[WEFT_REGION_MICROBATCH].planned, 70);
  EXPECT_EQ(uses[WEFT_REGION_MICROBATCH].used, 70);
  EXPECT_EQ(uses[WEFT_REGION_INPUT].planned, 64 + 3);
  for (const RegionUse &use : uses)
    EXPECT_TRUE(use.isAsPlanned());
}

TEST_F(MemoryMeterTest, sees_a_byte_behind_the_end) {
  RegionUse use =
      measure([](char *memory) { memory[70] = 0; })[WEFT_REGION_MICROBATCH];
  EXPECT_EQ(use.used, 71);
  EXPECT_EQ(use.outside, 1);
}

TEST_F(MemoryMeterTest, sees_a_byte_between_values) {
  RegionUse use =
      measure([](char *memory) { memory[4] = 0; })[WEFT_REGION_MICROBATCH];
  EXPECT_EQ(use.used, 70);
  EXPECT_EQ(use.outside, 1);
  EXPECT_FALSE(use.isAsPlanned());
}

TEST_F(MemoryMeterTest, sees_a_value_that_is_not_written) {
  descriptor.occupied[WEFT_REGION_MICROBATCH].front().second = 6;
  RegionUse use = measure([](char *) {})[WEFT_REGION_MICROBATCH];
  EXPECT_EQ(use.untouched, 2);
}

TEST_F(MemoryMeterTest, sees_that_less_is_used_than_planned) {
  descriptor.regionBytes[WEFT_REGION_MICROBATCH] = 71;
  EXPECT_FALSE(measure([](char *) {})[WEFT_REGION_MICROBATCH].isAsPlanned());
}

} // namespace
