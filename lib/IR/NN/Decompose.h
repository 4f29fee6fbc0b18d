// SPDX-License-Identifier: Apache-2.0
//
// Parts of decompositions that adjoints use too. Shape letters as in
// NNComposite.td; G = H / K query heads share one kv head.
#ifndef WEFT_IR_NN_DECOMPOSE_H
#define WEFT_IR_NN_DECOMPOSE_H

#include "weft/IR/NN/Expressions.h"

namespace weft::nn {

/// The scaled and capped scores of an attention, and where a key counts.
struct AttentionScores {
  mlir::Value query;  // [B, K, G, S, D]
  mlir::Value scores; // [B, K, G, S, T]
  mlir::Value slope;  // their derivative by q.k * scale; null if it is 1
  mlir::Value mask;   // [B, K, G, S, T] of i1; null if every key counts
};
/// Of an `AttentionOp` or an `AttentionGradOp`.
template <typename OpT> AttentionScores attentionScores(Expressions &e, OpT op);
/// The cotangent of q.k from that of the scores.
mlir::Value productCotangent(Expressions &e, const AttentionScores &parts,
                             mlir::Value dscores, double scale);

/// concat(-x2, x1) of the halves x1, x2 of the last dim.
mlir::Value rotateHalves(Expressions &e, mlir::Value x);

} // namespace weft::nn

#endif // WEFT_IR_NN_DECOMPOSE_H
