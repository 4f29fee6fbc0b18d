// SPDX-License-Identifier: Apache-2.0
//
// Tiles of C = A B over packed pairs of bf16, sums in f32.
//
// A is [rows][depth] and B [depth][32], in i32 that hold the pair (2p, 2p + 1)
// of k, both padded with zeros to 32 of k and A to 32 rows. Per element of C:
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

#include "KernelBuilder.h"

namespace weft {

/// What A's rows are padded to, and the columns of a panel of B.
inline constexpr int64_t kBf16TileRows = 32, kBf16TileCols = 32;
/// Bytes: the tiles' configuration and one tile of f32.
inline constexpr int64_t kBf16TileScratch =
    64 + 4 * kBf16TileRows * kBf16TileCols;

/// Pairs as the target's instruction wants them.
Value packedPairs(KernelBuilder &b, Value pairs);

/// The operands of all tiles of a contraction.
struct Bf16Panels {
  Value a, b, c;
  int64_t depth; // pairs
  int64_t cRow;  // stride of C
  Value scratch; // kBf16TileScratch bytes
  bool narrowResult;
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
  /// Rows [row, row + count) of A's block times the panel to C at `cBase`.
  void multiply(Value row, Value cBase, int64_t count, int64_t columns);

private:
  Value tile(int64_t number);
  void callTiles(llvm::StringRef name, ValueRange operands);
  Value pointerTo(Value memory, Value position);
  void multiplyByTiles(Value row, Value cBase, int64_t count, int64_t columns);
  void multiplyByVectors(Value row, Value cBase, int64_t count,
                         int64_t columns);
  void storeRow(ValueRange registers, Value position, int64_t columns);

  KernelBuilder &b;
  Bf16Panels panels;
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_GEMMTILEBF16_H
