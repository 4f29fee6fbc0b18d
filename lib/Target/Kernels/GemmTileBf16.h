// SPDX-License-Identifier: Apache-2.0
//
// Tiles of C = A B over packed pairs of bf16, sums in f32.
//
// A is [rows][depth] and B panels of [depth][32], in i32 that hold the pair
// (2p, 2p + 1) of k, both padded with zeros to 32 of k and A to 32 rows. Per
// element of C:
//
//   AVX512-BF16   one fma chain over ascending k from +0: the chain of the f32
//                 tile on widened operands. A pair's halves are swapped when
//                 packed, since the instruction begins with the high one.
//   AMX           per 32 of k a chain over the even and one over the odd k,
//                 each from +0; their sum is added to the element.
//
// Both take denormal operands, products and sums as 0.

#ifndef WEFT_LIB_TARGET_KERNELS_GEMMTILEBF16_H
#define WEFT_LIB_TARGET_KERNELS_GEMMTILEBF16_H

#include "ContractTail.h"

namespace weft {

/// What A's rows and the columns of a panel of B are padded to.
inline constexpr int64_t kBf16TileRows = 32, kBf16TileCols = 32;
/// Bytes: the tiles' configuration and sums of the panels' columns.
inline constexpr int64_t bf16TileScratch(int64_t columns) {
  return 64 + 4 * kBf16TileRows * columns;
}

/// Pairs as the target's instruction wants them.
Value packedPairs(KernelBuilder &b, Value pairs);

/// The operands of all tiles of a contraction.
struct Bf16Panels {
  Value a, b;
  int64_t depth;   // pairs
  int64_t columns; // of B's panels
  int64_t lanes;   // that `tail` takes at once
  int64_t cRow;    // stride of C
  Value scratch;   // bf16TileScratch(columns) bytes
  /// C, if sums are stored as they are; null if `tail` has to.
  Value c;
  ContractTail &tail;
};

class Bf16Tiles {
public:
  Bf16Tiles(KernelBuilder &b, const Bf16Panels &panels)
      : b(b), panels(panels) {}

  /// Rows of one tile.
  int64_t rows() const { return b.target.hasAmx ? kBf16TileRows : 8; }
  /// To be called before the first and after the last tile.
  void begin();
  void end();
  /// A part of C: where it begins, and its size.
  struct CTile {
    Value base;
    int64_t rows, columns;
  };
  /// A's block from `row` on times the panels.
  void multiply(Value row, const CTile &at);

private:
  Value tile(int64_t number);
  void callTiles(llvm::StringRef name, ValueRange operands);
  Value pointerTo(Value memory, Value position);
  Value bytes(int64_t count);
  void fetchRows(Value pair, const CTile &at);
  void sumByTiles(Value row, int64_t column, const CTile &at);
  void storeTiles(Value memory, Value position, int64_t row);
  void multiplyByTiles(Value row, const CTile &at);
  void multiplyByVectors(Value row, int64_t column, const CTile &at);
  void storeRow(ValueRange vectors, Value position, int64_t columns);

  KernelBuilder &b;
  Bf16Panels panels;
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_GEMMTILEBF16_H
