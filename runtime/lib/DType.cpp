// SPDX-License-Identifier: Apache-2.0
//
// DType: names, conversion and combination of elements. Half precision is
// converted by hand so that no compiler flag can change a bit.
#include "weft_runtime/DType.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

using namespace weft;

namespace {
struct DTypeInfo {
  DType dtype;
  int64_t bytes;
  std::string_view name;
  std::string_view safetensors;
};
constexpr std::array<DTypeInfo, 7> infos{{
    {DType::F64, 8, "f64", "F64"},
    {DType::F32, 4, "f32", "F32"},
    {DType::BF16, 2, "bf16", "BF16"},
    {DType::F16, 2, "f16", "F16"},
    {DType::I64, 8, "i64", "I64"},
    {DType::I32, 4, "i32", "I32"},
    {DType::I1, 1, "i1", "BOOL"},
}};

/// Storage of the two half types: distinct, so that they convert differently.
struct BF16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};
struct Truth {
  uint8_t value;
};
} // namespace

static const DTypeInfo &infoOf(DType dtype) {
  return infos[static_cast<size_t>(dtype)];
}

int64_t weft::byteSize(DType dtype) { return infoOf(dtype).bytes; }
bool weft::isFloating(DType dtype) {
  return dtype == DType::F64 || dtype == DType::F32 || dtype == DType::BF16 ||
         dtype == DType::F16;
}
std::string_view weft::toString(DType dtype) { return infoOf(dtype).name; }
std::string_view weft::safetensorsName(DType dtype) {
  return infoOf(dtype).safetensors;
}

std::optional<DType> weft::parseDType(std::string_view name) {
  for (const DTypeInfo &info : infos)
    if (info.name == name)
      return info.dtype;
  return std::nullopt;
}

std::optional<DType> weft::parseSafetensorsName(std::string_view name) {
  for (const DTypeInfo &info : infos)
    if (info.safetensors == name)
      return info.dtype;
  return std::nullopt;
}

std::string_view weft::toString(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::Sum:
    return "sum";
  case ReduceKind::Max:
    return "max";
  case ReduceKind::Min:
    return "min";
  }
  return "";
}

std::optional<ReduceKind> weft::parseReduceKind(std::string_view name) {
  for (ReduceKind kind : {ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min})
    if (toString(kind) == name)
      return kind;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

static float widen(BF16 value) {
  return std::bit_cast<float>(uint32_t(value.bits) << 16);
}

static float widen(F16 value) {
  uint32_t sign = uint32_t(value.bits & 0x8000) << 16;
  uint32_t exponent = (value.bits >> 10) & 0x1f;
  uint32_t mantissa = value.bits & 0x3ff;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) |
                                (mantissa << 13));
  float magnitude = std::ldexp(float(mantissa), -24);
  return sign ? -magnitude : magnitude;
}

static double widen(double value) { return value; }
static float widen(float value) { return value; }
static int64_t widen(int64_t value) { return value; }
static int32_t widen(int32_t value) { return value; }
static int32_t widen(Truth value) { return value.value != 0; }

template <typename To, typename From> static To narrow(From wide) {
  if constexpr (std::is_same_v<To, Truth>) {
    return Truth{uint8_t(wide != 0)};
  } else if constexpr (std::is_same_v<To, BF16>) {
    uint32_t bits = std::bit_cast<uint32_t>(float(wide));
    if ((bits & 0x7fffffff) > 0x7f800000) // NaN stays NaN
      return BF16{uint16_t((bits >> 16) | 0x40)};
    return BF16{uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
  } else if constexpr (std::is_same_v<To, F16>) {
    float value = float(wide);
    uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    if (std::isnan(value))
      return F16{uint16_t(sign | 0x7e00)};
    float magnitude = std::fabs(value);
    if (magnitude >= 65520.0f)
      return F16{uint16_t(sign | 0x7c00)};
    // The grid below the next power of two: 11 significant bits, or steps of
    // 2^-24 where the result is subnormal.
    int exponent = magnitude == 0 ? -14 : std::max(std::ilogb(magnitude), -14);
    auto steps = uint32_t(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
    return F16{uint16_t(sign | ((uint32_t(exponent + 14) << 10) + steps))};
  } else {
    return static_cast<To>(wide);
  }
}

/// Calls `body` with a value of the C++ type of `dtype`.
template <typename Body> static void dispatch(DType dtype, Body body) {
  switch (dtype) {
  case DType::F64:
    return body(double());
  case DType::F32:
    return body(float());
  case DType::BF16:
    return body(BF16());
  case DType::F16:
    return body(F16());
  case DType::I64:
    return body(int64_t());
  case DType::I32:
    return body(int32_t());
  case DType::I1:
    return body(Truth());
  }
}

void weft::convert(DType from, const void *source, DType to, void *target,
                   int64_t count) {
  if (from == to) {
    std::memcpy(target, source, count * byteSize(to));
    return;
  }
  dispatch(from, [&](auto fromTag) {
    using From = decltype(fromTag);
    const auto *in = static_cast<const From *>(source);
    dispatch(to, [&](auto toTag) {
      using To = decltype(toTag);
      auto *out = static_cast<To *>(target);
      for (int64_t i = 0; i < count; ++i)
        out[i] = narrow<To>(widen(in[i]));
    });
  });
}

//===----------------------------------------------------------------------===//
// Combination
//===----------------------------------------------------------------------===//

/// Takes `next` into `total`. A NaN on either side wins, whatever the order of
/// the ranks.
template <ReduceKind kind, typename Value>
static void take(Value &total, Value next) {
  if constexpr (kind == ReduceKind::Sum)
    total = total + next;
  else if constexpr (kind == ReduceKind::Max)
    total = ((next > total) | (next != next)) ? next : total;
  else
    total = ((next < total) | (next != next)) ? next : total;
}

/// Elements of a block.
static constexpr int64_t kBlock = 512;

/// Calls body(i) for `count` elements and asks, with each cache line of
/// `target` and `sources`, for the one 2 KiB behind it: what lies in the caches
/// of other cores takes long to come, and the hardware looks no further than
/// the end of a page. `target` is going to be written; null if nothing is.
template <typename T, typename Body, typename... Source>
static void forElements(int64_t count, Body body, T *target,
                        const Source *...sources) {
  constexpr int64_t line = 64 / sizeof(T), ahead = 2048 / sizeof(T);
  int64_t whole = count / line * line;
  for (int64_t begin = 0; begin < whole; begin += line) {
    (__builtin_prefetch(sources + begin + ahead, 0), ...);
    if (target)
      __builtin_prefetch(target + begin + ahead, 1);
    for (int64_t i = begin; i < begin + line; ++i)
      body(i);
  }
  for (int64_t i = whole; i < count; ++i)
    body(i);
}

/// Two sources, by far the most frequent case: no totals in between.
template <ReduceKind kind, typename T>
static void combineTwo(const T *first, const T *second, T *target,
                       int64_t count) {
  auto element = [=](int64_t i) {
    auto total = widen(first[i]);
    take<kind, decltype(total)>(total, widen(second[i]));
    target[i] = narrow<T>(total);
  };
  forElements(count, element, target, first, second);
}

/// Totals stay in the first-level cache, and each source is read in a run:
/// taking the sources of an element in turn is half as fast where they lie in
/// the caches of other cores. Every element still takes its sources in order.
template <ReduceKind kind, typename T>
static void combineMany(std::span<const void *const> sources, int64_t begin,
                        T *target, int64_t count) {
  using Wide = decltype(widen(T()));
  Wide totals[kBlock];
  T *none = nullptr;
  for (size_t source = 0; source < sources.size(); ++source) {
    const T *next = static_cast<const T *>(sources[source]) + begin;
    auto start = [&](int64_t i) { totals[i] = widen(next[i]); };
    auto go = [&](int64_t i) { take<kind, Wide>(totals[i], widen(next[i])); };
    if (source == 0)
      forElements(count, start, none, next);
    else
      forElements(count, go, none, next);
  }
  forElements(
      count, [&](int64_t i) { target[i] = narrow<T>(totals[i]); }, target);
}

/// In blocks, so that further outputs copy from the first-level cache.
template <ReduceKind kind, typename T>
static void combineElements(std::span<const void *const> sources,
                            std::span<void *const> outs, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    int64_t size = std::min(kBlock, count - begin);
    T *target = static_cast<T *>(outs[0]) + begin;
    if (sources.size() == 2)
      combineTwo<kind>(static_cast<const T *>(sources[0]) + begin,
                       static_cast<const T *>(sources[1]) + begin, target,
                       size);
    else
      combineMany<kind>(sources, begin, target, size);
    for (void *out : outs.subspan(1))
      std::memcpy(static_cast<T *>(out) + begin, target, size * sizeof(T));
  }
}

void weft::combine(DType dtype, ReduceKind kind,
                   std::span<const void *const> sources,
                   std::span<void *const> outs, int64_t count) {
  dispatch(dtype, [&](auto tag) {
    using T = decltype(tag);
    switch (kind) {
    case ReduceKind::Sum:
      return combineElements<ReduceKind::Sum, T>(sources, outs, count);
    case ReduceKind::Max:
      return combineElements<ReduceKind::Max, T>(sources, outs, count);
    case ReduceKind::Min:
      return combineElements<ReduceKind::Min, T>(sources, outs, count);
    }
  });
}
