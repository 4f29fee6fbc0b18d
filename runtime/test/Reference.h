// SPDX-License-Identifier: Apache-2.0
//
// Reference: what ranks put into a collective and what plain loops make of it.
#ifndef WEFT_RUNTIME_TEST_REFERENCE_H
#define WEFT_RUNTIME_TEST_REFERENCE_H

#include "weft_runtime/Communicator.h"

#include <algorithm>
#include <vector>

namespace weft::test {

/// Element i of what rank r puts in: values whose sum depends on the order.
inline double valueOf(DType dtype, int rank, int64_t i) {
  uint64_t mixed = (uint64_t(i) * 31 + rank + 1) * 0x9e3779b97f4a7c15u;
  auto whole = double(int64_t(mixed >> 44) - (1 << 19));
  if (dtype == DType::I64 || dtype == DType::I32)
    return whole;
  constexpr double scales[] = {1e-7, 1e-5, 1e-3, 1e-1, 10};
  return whole * scales[(mixed >> 20) % 5];
}

/// A buffer of one rank; memory of the communicator, or its own.
struct Buffer {
  DType dtype;
  int64_t count;
  std::vector<std::byte> own;
  std::byte *data;

  Buffer(Communicator &communicator, DType dtype, int64_t count, bool isShared)
      : dtype(dtype), count(count) {
    int64_t bytes = count * byteSize(dtype);
    if (!isShared)
      own.resize(bytes);
    data = isShared
               ? static_cast<std::byte *>(communicator.allocate(bytes, bytes))
               : own.data();
  }
  void set(int64_t i, double value) {
    convert(DType::F64, &value, dtype, data + i * byteSize(dtype), 1);
  }
  void fill(int rank, int64_t shift = 0) {
    for (int64_t i = 0; i < count; ++i)
      set(i, valueOf(dtype, rank, i + shift));
  }
};

/// Element i of the members' inputs, combined in the given order of ranks.
template <typename Wide>
void combineReference(DType dtype, ReduceKind kind,
                      const std::vector<int> &ranks, int64_t i, void *out) {
  Wide total{};
  for (size_t r = 0; r < ranks.size(); ++r) {
    double value = valueOf(dtype, ranks[r], i);
    std::byte stored[8];
    convert(DType::F64, &value, dtype, stored, 1); // as the rank has it
    convert(dtype, stored, DType::F64, &value, 1);
    Wide next = static_cast<Wide>(value);
    if (r == 0)
      total = next;
    else if (kind == ReduceKind::Sum)
      total = total + next;
    else
      total = kind == ReduceKind::Max ? std::max(total, next)
                                      : std::min(total, next);
  }
  double exact = static_cast<double>(total);
  convert(DType::F64, &exact, dtype, out, 1);
}

inline void combined(DType dtype, ReduceKind kind,
                     const std::vector<int> &ranks, int64_t i, void *out) {
  if (dtype == DType::F64)
    return combineReference<double>(dtype, kind, ranks, i, out);
  if (dtype == DType::I64)
    return combineReference<int64_t>(dtype, kind, ranks, i, out);
  combineReference<float>(dtype, kind, ranks, i, out);
}

} // namespace weft::test

#endif // WEFT_RUNTIME_TEST_REFERENCE_H
