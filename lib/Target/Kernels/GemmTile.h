// SPDX-License-Identifier: Apache-2.0
//
// The register tile that contractions and attention share.
//
// C[row, column] = finish(start + sum over k of A[row, k] * B[k, column]), one
// chain of fused multiply-adds over ascending k per element. Tile size, panel
// packing, blocks of k (with C kept in f32 in between) and padding therefore
// can't change a bit.

#ifndef WEFT_LIB_TARGET_KERNELS_GEMMTILE_H
#define WEFT_LIB_TARGET_KERNELS_GEMMTILE_H

#include "KernelBuilder.h"

namespace weft {

/// One loop over k: [lo, hi), and the operands' strides along it.
struct KLevel {
  Value lo, hi;
  int64_t aStride, bStride;
};

struct GemmTile {
  Value a, aBase;
  int64_t aRow = 0;
  Value b, bBase;        // columns of B are contiguous
  SmallVector<KLevel> k; // outermost first
  Value c, cBase;
  int64_t cRow = 0;
  int64_t cColumn = 1;
  int64_t rows = 0, columns = 0;
  /// Start from C instead of +0; with `fresh`, only where it is false.
  bool accumulate = false;
  Value fresh;
  /// B may be read past `columns` (a padded panel).
  bool padded = false;
  /// Applied to each register before it is stored; `column` is its first. Then
  /// `mask`, if any, unless `isWhole`; then `last`.
  using FinishFn = std::function<Value(Value sum, int64_t row, int64_t column)>;
  FinishFn finish, mask, last;
  Value isWhole;
  /// Instead of storing to C: takes a register, its position in C, and a mask
  /// unless all of it counts.
  std::function<void(Value sum, Value position, Value mask)> store;
  /// Steps of the innermost k in one iteration; `fetch`, if any, is called at
  /// the start of each with its first k, to ask for memory that is read later.
  int64_t unroll = 1;
  std::function<void(Value k)> fetch;
};

/// Emits the tile; rows <= tileRows, columns <= tileCols of the target.
void emitGemmTile(KernelBuilder &b, const GemmTile &tile);

/// Covers [0, count) by full tiles in a loop and one static tail.
void forTiles(KernelBuilder &b, int64_t count, int64_t tile,
              llvm::function_ref<void(Value start, int64_t size)> body);

/// Transposes `lanes` registers of `lanes` f32.
Values transposeRegisters(KernelBuilder &b, Values rows);

/// Copies rows [0, count) x k in [kLo, kHi) of `source` (k contiguous, rows
/// `rowStride` apart) to panel[k - kLo][column], `width` columns wide, the rows
/// past `count` zero. Writes up to a multiple of the vector length in k; reads
/// stay within kHi.
struct TransposedPanel {
  Value source, base;
  int64_t rowStride;
  Value kLo, kHi;
  int64_t count, width;
  Value panel, panelBase;
};
void packTransposed(KernelBuilder &b, const TransposedPanel &panel);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_GEMMTILE_H
