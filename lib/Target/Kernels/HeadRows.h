// SPDX-License-Identifier: Apache-2.0
//
// The rows of a [B, H, S, D] tensor, which may lie in memory as [B, S, H, D]:
// so they come from projections and go to them, without a copy in between.

#ifndef WEFT_LIB_TARGET_KERNELS_HEADROWS_H
#define WEFT_LIB_TARGET_KERNELS_HEADROWS_H

#include "KernelBuilder.h"

namespace weft {

struct HeadRows {
  HeadRows() = default;
  HeadRows(Value memory, int64_t heads, int64_t rows, int64_t width,
           bool rowsFirst)
      : memory(memory), heads(heads), rows(rows), width(width),
        rowsFirst(rowsFirst) {}

  Value memory;
  int64_t heads = 0, rows = 0, width = 0;
  bool rowsFirst = false;

  /// Elements from a row to the next of the same head.
  int64_t stride() const { return rowsFirst ? heads * width : width; }
  /// The first element of row `row` of a head counted over the whole batch.
  Value at(KernelBuilder &b, Value head, Value row) const {
    if (!rowsFirst)
      return b.at(b.index(0), b.at(row, head, rows), width);
    auto [sample, own] = b.divide(head, heads);
    return b.at(b.index(0), b.at(own, b.at(row, sample, rows), heads), width);
  }

  mlir::MemRefType type(int64_t batch, mlir::Type element) const {
    return rowsFirst
               ? mlir::MemRefType::get({batch, rows, heads, width}, element)
               : mlir::MemRefType::get({batch, heads, rows, width}, element);
  }
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_HEADROWS_H
