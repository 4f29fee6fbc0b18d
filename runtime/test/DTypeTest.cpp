// SPDX-License-Identifier: Apache-2.0
//
// DType: conversion and combination of elements.
#include "weft_runtime/DType.h"

#include <gtest/gtest.h>

#include <cmath>

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

TEST(DType, combination_is_in_order_and_keeps_nan) {
  float a = 1e8f, b = -1e8f, c = 1, out = 0;
  combine(DType::F32, ReduceKind::Sum, {&a, &b, &c}, &out, 1);
  EXPECT_EQ(out, 1.0f);
  combine(DType::F32, ReduceKind::Sum, {&a, &c, &b}, &out, 1);
  EXPECT_EQ(out, 0.0f) << "another order, other bits";
  float nan = NAN;
  for (auto sources : {std::vector<const void *>{&nan, &a}, {&a, &nan}}) {
    combine(DType::F32, ReduceKind::Max, sources, &out, 1);
    EXPECT_TRUE(std::isnan(out));
  }
}

} // namespace
