// SPDX-License-Identifier: Apache-2.0
//
// Verifiers of the composite ops. Labels and shape letters are those of
// NNComposite.td: B batch, S query positions, T key positions, H query heads,
// K kv heads, D head size, E hidden, C classes.
#include "Expect.h"
#include "weft/IR/NN/NN.h"

using namespace mlir;
using namespace weft::nn;

/// The shape without its last dim.
static ArrayRef<int64_t> leadingShape(Value value) {
  return shapeOf(value).drop_back();
}

/// `value` has at least one dim: the one the op works along.
static LogicalResult expectLastDim(Operation *op, StringRef thing,
                                   Value value) {
  if (!shapeOf(value).empty())
    return success();
  return op->emitOpError("number of dims of ")
         << thing << " is wrong: got 0, expected at least 1";
}

//===----------------------------------------------------------------------===//
// Along the last dim
//===----------------------------------------------------------------------===//

LogicalResult SoftmaxOp::verify() {
  // C1
  if (failed(expectLike(*this, "the result", getResult(), getInput())))
    return failure();
  // C2
  return expectLastDim(*this, "operand 0", getInput());
}

LogicalResult RmsNormOp::verify() {
  // C1
  if (failed(expectLike(*this, "the result", getResult(), getInput())))
    return failure();
  // C2
  if (failed(expectLastDim(*this, "operand 0", getInput())) ||
      failed(expectShape(*this, "weight", getWeight(),
                         shapeOf(getInput()).back())))
    return failure();
  // C3
  return expectShape(*this, "rstd", getRstd(), leadingShape(getInput()));
}

LogicalResult RmsNormGradOp::verify() {
  // C1
  if (failed(expectLike(*this, "dy", getDy(), getInput())) ||
      failed(expectLike(*this, "dx", getDinput(), getInput())))
    return failure();
  // C2
  if (failed(expectLastDim(*this, "operand 1", getInput())))
    return failure();
  int64_t size = shapeOf(getInput()).back();
  if (failed(expectShape(*this, "weight", getWeight(), size)) ||
      failed(expectShape(*this, "dweight", getDweight(), size)))
    return failure();
  // C3
  return expectShape(*this, "rstd", getRstd(), leadingShape(getInput()));
}

LogicalResult RotaryOp::verify() {
  // C1
  if (failed(expectLike(*this, "the result", getResult(), getInput())))
    return failure();
  // C2
  if (failed(expectNumDims(*this, "x", getInput(), 4)))
    return failure();
  ArrayRef<int64_t> shape_SD = shapeOf(getInput()).drop_front(2);
  for (auto [name, table] : {std::pair<StringRef, Value>{"cos", getCos()},
                             std::pair<StringRef, Value>{"sin", getSin()}})
    if (failed(expectShape(*this, name, table, shape_SD)) ||
        failed(
            expectElementType(*this, name, table, elementTypeOf(getInput()))))
      return failure();
  // C3
  if (shape_SD.back() % 2)
    return emitOpError("head size is odd: got ") << shape_SD.back();
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// q [B, H, S, D], k and v [B, K, T, D], of one element type.
static LogicalResult verifyHeads(Operation *op, Value query, Value key,
                                 Value value) {
  if (failed(expectNumDims(op, "query", query, 4)) ||
      failed(expectNumDims(op, "key", key, 4)))
    return failure();
  auto expected_BKTD = llvm::to_vector(shapeOf(key));
  expected_BKTD[0] = shapeOf(query)[0];
  expected_BKTD[3] = shapeOf(query)[3];
  if (failed(expectShape(op, "key", key, expected_BKTD)) ||
      failed(expectElementType(op, "key", key, elementTypeOf(query))))
    return failure();
  return expectLike(op, "value", value, key);
}

/// The number of kv heads divides the number of query heads.
static LogicalResult verifyGroups(Operation *op, Value query, Value key) {
  int64_t numHeads = shapeOf(query)[1], numKvHeads = shapeOf(key)[1];
  if (numHeads % numKvHeads == 0)
    return success();
  return op->emitOpError("number of query heads is not a multiple of the kv "
                         "heads: got ")
         << numHeads << " and " << numKvHeads;
}

/// What says which keys count: the forward op's C3, C5 and C6; and its C7.
template <typename OpT> static LogicalResult verifyMask(OpT op) {
  ArrayRef<int64_t> query = shapeOf(op.getQuery()), key = shapeOf(op.getKey());
  // C3
  if (failed(expectShape(op, "query_positions", op.getQueryPositions(),
                         query[2])) ||
      failed(expectShape(op, "key_positions", op.getKeyPositions(), key[2])))
    return failure();
  // C5
  ValueRange documents = op.getDocuments();
  if (!documents.empty() && documents.size() != 2)
    return op.emitOpError("number of documents is wrong: got ")
           << documents.size() << ", expected 0 or 2";
  if (!documents.empty() &&
      (failed(expectShape(op, "query documents", documents[0],
                          {query[0], query[2]})) ||
       failed(
           expectShape(op, "key documents", documents[1], {query[0], key[2]}))))
    return failure();
  // C6
  if (std::optional<uint64_t> window = op.getWindow()) {
    if (static_cast<int64_t>(*window) < 1)
      return op.emitOpError("window is too small: got ")
             << static_cast<int64_t>(*window) << ", expected at least 1";
    if (!op.getCausal())
      return op.emitOpError("window belongs to causal attention: got window ")
             << *window << " without \"causal\"";
  }
  // C7
  std::optional<APFloat> softcap = op.getSoftcap();
  if (softcap && !(softcap->convertToDouble() > 0))
    return op.emitOpError("softcap is wrong: got ")
           << softcap->convertToDouble() << ", expected a number above 0";
  return success();
}

LogicalResult AttentionOp::verify() {
  Value query = getQuery(), key = getKey();
  // C1
  if (failed(verifyHeads(*this, query, key, getValue())))
    return failure();
  // C2
  if (failed(verifyGroups(*this, query, key)))
    return failure();
  // C3, C5, C6, C7
  if (failed(verifyMask(*this)))
    return failure();
  // C4
  if (failed(expectLike(*this, "the result", getResult(), query)))
    return failure();
  return expectShape(*this, "lse", getLse(), leadingShape(query));
}

LogicalResult AttentionGradOp::verify() {
  Value query = getQuery(), key = getKey();
  // C1, with the forward op's C1 to C7; of C4 the lse
  if (failed(verifyHeads(*this, query, key, getValue())) ||
      failed(verifyGroups(*this, query, key)) || failed(verifyMask(*this)) ||
      failed(expectShape(*this, "lse", getLse(), leadingShape(query))))
    return failure();
  // C2
  if (failed(expectLike(*this, "dout", getDout(), query)) ||
      failed(expectLike(*this, "out", getOut(), query)))
    return failure();
  // C3
  if (failed(expectLike(*this, "dquery", getDquery(), query)) ||
      failed(expectLike(*this, "dkey", getDkey(), key)))
    return failure();
  return expectLike(*this, "dvalue", getDvalue(), getValue());
}

//===----------------------------------------------------------------------===//
// Embedding
//===----------------------------------------------------------------------===//

/// `rows` has the ids' shape, then the table's last dim.
static LogicalResult expectRows(Operation *op, StringRef thing, Value rows,
                                Value ids, Value table) {
  auto expected = llvm::to_vector(shapeOf(ids));
  expected.push_back(shapeOf(table).back());
  return expectShape(op, thing, rows, expected);
}

LogicalResult EmbeddingOp::verify() {
  // C1
  if (failed(expectNumDims(*this, "the table", getTable(), 2)))
    return failure();
  // C2
  if (failed(
          expectRows(*this, "the result", getResult(), getIds(), getTable())))
    return failure();
  return expectElementType(*this, "the result", getResult(),
                           elementTypeOf(getTable()));
}

LogicalResult EmbeddingGradOp::verify() {
  // C1
  if (failed(expectNumDims(*this, "the result", getResult(), 2)))
    return failure();
  // C2
  if (failed(expectRows(*this, "dy", getDy(), getIds(), getResult())))
    return failure();
  // C3
  return expectSumType(*this, "the result", getResult(),
                       elementTypeOf(getDy()));
}

//===----------------------------------------------------------------------===//
// Cross-entropy
//===----------------------------------------------------------------------===//

LogicalResult CrossEntropyOp::verify() {
  // C1
  if (failed(expectLastDim(*this, "logits", getLogits())) ||
      failed(
          expectShape(*this, "labels", getLabels(), leadingShape(getLogits()))))
    return failure();
  // C2
  if (failed(expectShape(*this, "the sum", getSum(), {})) ||
      failed(expectSumType(*this, "the sum", getSum(),
                           elementTypeOf(getLogits()))))
    return failure();
  // C3
  return expectShape(*this, "lse", getLse(), shapeOf(getLabels()));
}

LogicalResult CrossEntropyGradOp::verify() {
  // C1
  if (failed(expectLike(*this, "the result", getResult(), getLogits())))
    return failure();
  // C2
  if (failed(expectLastDim(*this, "logits", getLogits())) ||
      failed(expectShape(*this, "labels", getLabels(),
                         leadingShape(getLogits()))) ||
      failed(expectShape(*this, "lse", getLse(), shapeOf(getLabels()))))
    return failure();
  // C3
  return expectShape(*this, "the seed", getSeed(), {});
}
