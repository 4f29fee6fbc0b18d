// SPDX-License-Identifier: Apache-2.0
//
// Which keys count for which queries: by position (causal, window) and by
// document.
//
// Keys (panels, runs) and queries (tiles, blocks) are judged by the lowest
// and highest of their positions and ids. From these follows that no query of
// a run may see any key of another, or that all see all; between the two every
// pair is compared. What the spec does not ask for is not emitted.

#ifndef WEFT_LIB_TARGET_KERNELS_ATTENTIONMASK_H
#define WEFT_LIB_TARGET_KERNELS_ATTENTIONMASK_H

#include "AttentionShape.h"
#include "KernelBuilder.h"

namespace weft {

/// The lowest and highest position and document of a run of queries or keys;
/// null where the spec does not compare them.
struct MaskExtent {
  Value lowest, highest, lowestDocument, highestDocument;

  MaskExtent turned() const {
    return {highest, lowest, highestDocument, lowestDocument};
  }
};

/// The extents of all panels, runs and tiles in the scratch argument.
struct MaskPlan {
  MaskPlan(ScratchPlan &plan, const AttentionSpec &spec,
           const AttentionShape &shape);
  struct Run {
    int64_t lowest, highest;
  };
  Run panels, runs, tiles, panelDocuments, runDocuments, tileDocuments;
};

class AttentionMask {
public:
  AttentionMask(KernelBuilder &b, const AttentionSpec &spec,
                const AttentionShape &shape)
      : b(b), spec(spec), shape(shape) {}

  /// Types of the operands: positions, then documents.
  static void addTypes(KernelBuilder &b, const AttentionSpec &spec,
                       llvm::SmallVectorImpl<Type> &types);
  /// Takes the operands from argument `first` on; returns the one behind them.
  unsigned bindOperands(unsigned first);
  void bindScratch(const MaskPlan &plan, unsigned argument);

  /// Fills the extents by position.
  void findPositions();
  /// Fills the extents by document, those of one sample.
  void beginBatch(Value batch);

  MaskExtent keysOf(Value panel);
  MaskExtent keysOfRun(Value run);
  /// Of query rows [row, row + rows), which begin a tile.
  MaskExtent queriesOf(Value row, int64_t rows);

  /// True if not every key counts for every query.
  bool isThere() const { return spec.causal || spec.documents; }
  /// True if a query may see no key of the first panels, though of later ones.
  bool skipsFirst() const { return spec.window || spec.documents; }
  /// False if no query sees any of the keys.
  Value maySee(const MaskExtent &queries, const MaskExtent &keys);
  /// True if every query sees all of the keys.
  Value seesAll(const MaskExtent &queries, const MaskExtent &keys);
  /// True in the lanes from `key` on that count for query `row`.
  Value visible(Value row, Value key);

private:
  struct Memory {
    Value lowest, highest; // i64
  };
  MaskExtent extentAt(Value number, const Memory &positions,
                      const Memory &documents);
  void findExtremes(Value numbers, Value base, int64_t count, int64_t step,
                    const Memory &to);
  Value firstSeen(Value position);
  Value both(Value a, Value b);

  KernelBuilder &b;
  const AttentionSpec &spec;
  const AttentionShape &shape;
  Value queryPositions, keyPositions, queryDocuments, keyDocuments;
  Value queryBase, keyBase; // where a sample's documents begin
  Memory panels, runs, tiles, panelDocuments, runDocuments, tileDocuments;
};

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_ATTENTIONMASK_H
