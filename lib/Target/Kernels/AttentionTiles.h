// SPDX-License-Identifier: Apache-2.0
//
// What attention and its gradient share: shapes, panels of transposed keys or
// values, the causal bound of a block of queries, and tiles of q k^T.
//
// Legend: T keys, D head width; a panel is tileCols keys wide and stored
// [D][tileCols]; a block is a run of query rows whose scores fill row buffers
// [rows][paddedKeys].

#ifndef WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H
#define WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H

#include "GemmTile.h"

namespace weft {

/// Sizes, all in elements.
struct AttentionShape {
  AttentionShape(const AttentionSpec &spec, const TargetInfo &target,
                 int64_t mostRows);
  int64_t blockRows;  // query rows of a block
  int64_t panelWidth; // keys of a panel
  int64_t numPanels;  // of real keys
  int64_t paddedKeys; // a multiple of 64 and of panelWidth
  int64_t panelSize;  // elements of a panel
  int64_t panels() const { return numPanels * panelSize; }
  int64_t rows() const { return blockRows * paddedKeys; }
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

class AttentionTiles {
public:
  AttentionTiles(KernelBuilder &b, const AttentionSpec &spec,
                 const AttentionShape &shape)
      : b(b), spec(spec), shape(shape) {}

  /// Fills `lowest`[panel] with the lowest position of each panel's keys.
  void findPanelPositions();
  /// Packs the [keys, width] matrix at `base` into panels.
  void packPanels(Value matrix, Value base, Value panels);
  /// The highest position of query rows [row, row + rows).
  Value highestQuery(Value row, int64_t rows);

  /// For each panel that some query of the block may see: active(first key,
  /// keys, panel number); for the others: inactive(first key). Returns the end
  /// of the last active panel, at most the number of keys.
  Value forPanels(
      Value highest,
      llvm::function_ref<void(Value key, int64_t keys, Value panel)> active,
      llvm::function_ref<void(Value key)> inactive);

  /// Tiles of A [rows, width] times a panel into `target` (row stride
  /// paddedKeys, from column `key` on). finish(sum, row, column) sees the
  /// block's row as a value and the absolute key.
  struct PanelProduct {
    Value a, aBase, panels, panel, target, key;
    int64_t rows, keys;
    llvm::function_ref<Value(Value sum, Value row, Value key)> finish;
  };
  void multiplyPanel(const PanelProduct &product);

  /// True in the lanes whose key counts for block row `row`; null if all do.
  Value visible(Value firstRow, Value row, Value key);

  KernelBuilder &b;
  const AttentionSpec &spec;
  const AttentionShape &shape;
  Value queryPositions, keyPositions, lowest;
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H
