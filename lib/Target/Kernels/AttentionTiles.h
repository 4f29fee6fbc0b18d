// SPDX-License-Identifier: Apache-2.0
//
// What attention and its gradient share: shapes, panels of transposed keys or
// values, the causal bound of a block of queries, and tiles of q k^T.
//
// Legend: T keys, D head width; a panel is tileCols keys wide and stored
// [D][tileCols]; a block is a run of query rows whose scores fill row buffers
// [rows][rowStride]; a tile is tileRows of them.

#ifndef WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H
#define WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H

#include "GemmTile.h"

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

class AttentionTiles {
public:
  AttentionTiles(KernelBuilder &b, const AttentionSpec &spec,
                 const AttentionShape &shape)
      : b(b), spec(spec), shape(shape) {}

  /// Fills the lowest and highest positions of panels and of tiles.
  void findPositions();
  /// Packs the [keys, width] matrix at `base` into panels.
  void packPanels(Value matrix, Value base, Value panels);
  /// `rows` rows of `width` from `base` on, in f32: `matrix` itself, or a copy
  /// in `copy`. What a tile broadcasts is not to be widened again for each
  /// panel.
  struct Rows {
    Value memory, base;
  };
  Rows rowsInF32(Value matrix, Value base, int64_t rows, Value copy);
  /// The highest position of query rows [row, row + rows).
  Value highestQuery(Value row, int64_t rows);

  /// For each panel that some query of the block may see: active(first key,
  /// keys, panel number); for the others: inactive(first key). Returns the end
  /// of the last active panel, at most the number of keys.
  Value forPanels(
      Value highest,
      llvm::function_ref<void(Value key, int64_t keys, Value panel)> active,
      llvm::function_ref<void(Value key)> inactive);

  /// Tiles of A [rows, width] times a panel into `target` (from column `key`
  /// on) where the tile sees the panel; hidden(block row, rows) elsewhere.
  /// Functions see the block's row as a value and the absolute key: `finish`,
  /// then `mask` unless the tile sees the whole panel, then `last`.
  using RegisterFn = std::function<Value(Value sum, Value row, Value key)>;
  struct PanelProduct {
    Value a, aBase, panels, panel, target, key, firstRow;
    int64_t rows, keys;
    RegisterFn finish, mask, last;
    std::function<void(Value row, int64_t rows)> seen, hidden;
  };
  void multiplyPanel(const PanelProduct &product);

  /// True in the lanes whose key counts for block row `row`.
  Value visible(Value firstRow, Value row, Value key);

  /// Stores `value` into `columns` of block rows [row, row + rows) of `target`.
  void fillRows(Value target, Value value, Value key, Value row, int64_t rows);

  /// Combines rows [first, first + lanes) of `partials`, [rows][lanes], each to
  /// one lane of the result: the tree of KernelBuilder::halve.
  Value combineRows(Combine kind, Value partials, Value first);

  KernelBuilder &b;
  const AttentionSpec &spec;
  const AttentionShape &shape;
  Value queryPositions, keyPositions;
  /// i64 [panels], [panels], [tiles], [tiles]
  Value lowest, highest, lowestQuery, highestQueryOf;

private:
  void productTile(const PanelProduct &p, Value row, int64_t rows,
                   Value isWhole);
};

/// The positions in the scratch argument.
struct PositionPlan {
  PositionPlan(ScratchPlan &plan, const AttentionShape &shape)
      : lowest(plan.take(shape.numPanels, 8)),
        highest(plan.take(shape.numPanels, 8)),
        lowestQuery(plan.take(shape.numTiles, 8)),
        highestQuery(plan.take(shape.numTiles, 8)) {}
  void bind(AttentionTiles &tiles, unsigned argument) const;
  int64_t lowest, highest, lowestQuery, highestQuery;
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H
