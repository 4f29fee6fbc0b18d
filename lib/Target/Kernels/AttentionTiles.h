// SPDX-License-Identifier: Apache-2.0
//
// What attention and its gradient share: panels of transposed keys or values,
// those that a block of queries sees, and tiles of q k^T. Legend in
// AttentionShape.h.

#ifndef WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H
#define WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H

#include "AttentionMask.h"
#include "GemmTile.h"
#include "HeadRows.h"

namespace weft {

/// The types of q and the like, and of k and the like, as arguments.
mlir::MemRefType queryType(KernelBuilder &b, const AttentionSpec &spec,
                           bool rowsFirst);
mlir::MemRefType keyType(KernelBuilder &b, const AttentionSpec &spec,
                         bool rowsFirst);

class AttentionTiles {
public:
  AttentionTiles(KernelBuilder &b, const AttentionSpec &spec,
                 const AttentionShape &shape)
      : mask(b, spec, shape), b(b), spec(spec), shape(shape) {}

  /// Operands and results of the spec's sizes.
  HeadRows queryRows(Value memory, bool rowsFirst) const {
    return {memory, spec.heads, spec.queries, spec.width, rowsFirst};
  }
  HeadRows keyRows(Value memory, bool rowsFirst) const {
    return {memory, spec.kvHeads, spec.keys, spec.width, rowsFirst};
  }
  /// Packs the [keys, width] matrix of a kv head into panels.
  void packPanels(const HeadRows &matrix, Value head, Value panels);
  /// `count` rows of a head from `row` on, in f32: where they are, or a copy in
  /// `copy`. What a tile broadcasts is not to be widened again for each panel.
  struct Rows {
    Value memory, base;
    int64_t stride;
  };
  Rows rowsInF32(const HeadRows &matrix, Value head, Value row, int64_t count,
                 Value copy);
  /// A run of keys, in panels but for their end; [0, 0) if there is none.
  struct Keys {
    Value begin, end;
  };
  /// For each panel that some of query rows [row, row + rows) may see:
  /// active(first key, keys, panel number). Returns the run from the first of
  /// these to the last. For the others in it, and for those that lie less than
  /// `reach` keys before it, up to a multiple of `reach`: skipped(first key).
  Keys forPanels(
      Value row, int64_t rows, int64_t reach,
      llvm::function_ref<void(Value key, int64_t keys, Value panel)> active,
      llvm::function_ref<void(Value key)> skipped);

  /// Tiles of A [rows, width] times a panel into `target` (from column `key`
  /// on) where the tile sees the panel, after seen(block row, rows, whether it
  /// sees all of it; null: always); hidden(block row, rows) elsewhere.
  /// Functions see the block's row as a value and the absolute key: `finish`,
  /// then `mask` unless the tile sees the whole panel, then `last`.
  using RegisterFn = std::function<Value(Value sum, Value row, Value key)>;
  struct PanelProduct {
    Rows a;
    Value panels, panel, target, key, firstRow;
    int64_t rows, keys;
    RegisterFn finish, mask, last;
    std::function<void(Value row, int64_t rows, Value isWhole)> seen;
    std::function<void(Value row, int64_t rows)> hidden;
  };
  void multiplyPanel(const PanelProduct &product);

  /// For the runs of tileRows keys from `key` on: visit(number, whether any of
  /// query rows [row, row + rows) may see it). Returns the key behind the last
  /// that some may see, `key` if none.
  Value forRuns(Value row, int64_t rows, Value key, int64_t keys,
                llvm::function_ref<void(Value run, Value sees)> visit);

  /// `sum` as a score: scaled, and capped if so asked. `turned`, if given, gets
  /// the tanh in it, or null.
  Value scoreOf(Value sum, Value *turned = nullptr);

  /// Stores `value` into `columns` of block rows [row, row + rows) of `target`.
  void fillRows(Value target, Value value, Value key, Value row, int64_t rows);

  /// Combines rows [first, first + lanes) of `partials`, [rows][lanes], each to
  /// one lane of the result: the tree of KernelBuilder::halve.
  Value combineRows(Combine kind, Value partials, Value first);

  AttentionMask mask;

private:
  KernelBuilder &b;
  const AttentionSpec &spec;
  const AttentionShape &shape;
  void productTile(const PanelProduct &p, Value row, int64_t rows,
                   Value isWhole);
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_ATTENTIONTILES_H
