// SPDX-License-Identifier: Apache-2.0
//
// DType: conversion and combination of elements.
#include "weft_runtime/DType.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace weft;

namespace {

TEST(DType, halves_round_to_nearest_even_and_back) {
  auto through = [](DType half, float value) {
    uint16_t bits = 0;
    convert(DType::F32, &value, half, &bits, 1);
    float back = 0;
    convert(half, &bits, DType::F32, &back, 1);
    return back;
  };
  EXPECT_EQ(through(DType::BF16, 1.00390625f), 1.0f); // tie, to even
  EXPECT_EQ(through(DType::BF16, 1.01171875f), 1.015625f);
  EXPECT_EQ(through(DType::F16, 1.00048828125f), 1.0f); // tie, to even
  EXPECT_EQ(through(DType::F16, 65504.0f), 65504.0f);
  EXPECT_EQ(through(DType::F16, 65520.0f), INFINITY);
  EXPECT_EQ(through(DType::F16, 5.9604644775390625e-8f),
            5.9604644775390625e-8f);
  EXPECT_EQ(through(DType::F16, 1e-9f), 0.0f);
  EXPECT_TRUE(std::isnan(through(DType::BF16, NAN)));
  EXPECT_TRUE(std::isnan(through(DType::F16, NAN)));
  // Every f16 survives a round trip.
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    auto in = uint16_t(bits);
    uint16_t out = 0;
    float wide = 0;
    convert(DType::F16, &in, DType::F32, &wide, 1);
    convert(DType::F32, &wide, DType::F16, &out, 1);
    ASSERT_EQ(in, out);
  }
}

/// The combination of floats, as every output gets it.
static float combined(ReduceKind kind, const std::vector<float> &values) {
  std::vector<const void *> sources;
  for (const float &value : values)
    sources.push_back(&value);
  float first = 0, second = 0;
  void *outputs[] = {&first, &second};
  combine(DType::F32, kind, sources, outputs, 1);
  EXPECT_EQ(std::memcmp(&first, &second, sizeof(first)), 0);
  return first;
}

TEST(DType, combination_is_in_order_and_keeps_nan) {
  float big = 1e8f;
  EXPECT_EQ(combined(ReduceKind::Sum, {big, -big, 1}), 1.0f);
  EXPECT_EQ(combined(ReduceKind::Sum, {big, 1, -big}), 0.0f)
      << "another order, other bits";
  for (ReduceKind kind : {ReduceKind::Max, ReduceKind::Min}) {
    EXPECT_TRUE(std::isnan(combined(kind, {NAN, big})));
    EXPECT_TRUE(std::isnan(combined(kind, {big, NAN})));
  }
}

} // namespace
