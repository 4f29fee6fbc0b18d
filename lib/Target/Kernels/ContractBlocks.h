// SPDX-License-Identifier: Apache-2.0
//
// How the loops of a tiled contraction are cut, and which operands are packed.

#ifndef WEFT_LIB_TARGET_KERNELS_CONTRACTBLOCKS_H
#define WEFT_LIB_TARGET_KERNELS_CONTRACTBLOCKS_H

#include "ContractGroups.h"

namespace weft {

/// Floats of a cache line.
inline constexpr int64_t kLine = 16;

/// Sizes of the blocks; the whole extent where blocking does not pay.
struct Blocks {
  int64_t rows; // of a tile
  int64_t k, m;
  bool pack, packA;

  /// Elements of a panel of B, with room for transposing past its end.
  int64_t panelB(const Groups &groups, const TargetInfo &target) const;
  /// Elements between panels of A: one line more than needed, so that they
  /// don't fall into one set of the cache, and for a store past the end.
  int64_t strideA() const {
    return (k * rows + kLine - 1) / kLine * kLine + kLine;
  }
  int64_t panelsA() const {
    return packA ? (m + rows - 1) / rows * strideA() : 0;
  }
};

Blocks planBlocks(const ContractSpec &spec, const Groups &groups,
                  const TargetInfo &target);

/// Where both operands must be packed, rows of A cost more: they are packed
/// before any tile runs. So A is the one with fewer, though its tiles are then
/// turned to be stored: C's runs are along m.
Groups withFewerRows(Groups groups, const TargetInfo &target);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_CONTRACTBLOCKS_H
