// SPDX-License-Identifier: Apache-2.0
//
// UpdateTotals: what all ranks must agree on before parameters change, from
// parts that each rank holds, in one reduction.
#ifndef WEFT_LIB_TRANSFORMS_UPDATETOTALS_H
#define WEFT_LIB_TRANSFORMS_UPDATETOTALS_H

#include "SlotFunction.h"

namespace weft {

/// A gradient slot and its parameter.
struct Trained {
  pipe::SlotOp gradient, parameter;
};

enum class Norm { One, Two, Inf };

/// What the ranks agree on, as f64 scalars.
struct Totals {
  llvm::SmallVector<mlir::Value> sums, weights; // one per loss term
  mlir::Value norm;                             // of all gradients
  mlir::Value isFinite;                         // i1
  mlir::Value fingerprint;                      // [4]
};

/// Reduces loss sums, weights, the gradients' norm and the fingerprint as one
/// vector. A value that many ranks hold counts once.
Totals buildTotals(SlotFunction &update, llvm::ArrayRef<LossTerm> terms,
                   llvm::ArrayRef<Trained> gradients, Norm norm);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_UPDATETOTALS_H
