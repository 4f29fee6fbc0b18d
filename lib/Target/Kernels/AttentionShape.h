// SPDX-License-Identifier: Apache-2.0
//
// Sizes of the attention kernels, and the parts of their scratch argument.
//
// Legend: T keys, D head width; a panel is panelWidth keys wide and stored
// [D][panelWidth]; a block is a run of query rows whose scores fill row buffers
// [rows][rowStride]; a tile is tileRows of them.

#ifndef WEFT_LIB_TARGET_KERNELS_ATTENTIONSHAPE_H
#define WEFT_LIB_TARGET_KERNELS_ATTENTIONSHAPE_H

#include "weft/Target/Kernels.h"

namespace weft {

/// Sizes, all in elements.
struct AttentionShape {
  AttentionShape(const AttentionSpec &spec, const TargetInfo &target,
                 int64_t mostRows);
  int64_t blockRows;  // query rows of a block
  int64_t tileRows;   // of a tile; divides panelWidth and blockRows
  int64_t numTiles;   // of all queries
  int64_t panelWidth; // keys of a panel
  int64_t numPanels;  // of real keys
  int64_t numRuns;    // of tileRows keys each, in numPanels panels
  int64_t rowStride;  // no power of two, so that rows don't share cache sets
  int64_t panelSize;  // elements of a panel
  int64_t panels() const { return numPanels * panelSize; }
  int64_t rows() const { return blockRows * rowStride; }
  /// Elements of a block's copy in f32; 0 if the operands are f32.
  int64_t copySize;
};

/// Hands out parts of the scratch argument, 64-byte aligned.
class ScratchPlan {
public:
  int64_t take(int64_t count, int64_t elementBytes) {
    int64_t start = bytes;
    bytes += (count * elementBytes + 63) / 64 * 64;
    return start;
  }
  int64_t size() const { return bytes; }

private:
  int64_t bytes = 0;
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_ATTENTIONSHAPE_H
