// SPDX-License-Identifier: Apache-2.0
//
// Expressions: nn ops written as formulas. Result types follow from the
// operands, broadcasts stay explicit. Adjoints, decompositions and the passes
// that make arithmetic use it; all on plain tensors of the global phase.
#ifndef WEFT_IR_NN_EXPRESSIONS_H
#define WEFT_IR_NN_EXPRESSIONS_H

#include "weft/IR/NN/NN.h"

namespace weft::nn {

/// `loc` with "/suffix" behind its name, so that what is derived from an op
/// is found by the op's name.
///
///   "q_proj"("m.py":7:2), "grad"  ->  "q_proj/grad"("m.py":7:2)
///   "m.py":7:2, "grad"            ->  "grad"("m.py":7:2)
mlir::Location derivedLoc(mlir::Location loc, llvm::StringRef suffix);

/// Marks a reduction whose result only shifts a computation that does not
/// depend on the shift (the maximum in a softmax): it has no cotangent.
inline constexpr llvm::StringLiteral kConstantShiftAttrName =
    "nn.constant_shift";

/// The shape and element type of a value, without layout.
mlir::RankedTensorType plainType(mlir::Value value);

/// Formulas of nn ops at one place and location.
class Expressions {
public:
  Expressions(mlir::OpBuilder &builder, mlir::Location loc)
      : builder(builder), loc(loc) {}

  /// One operand to a result of the same type: `unary<ExpOp>(x)`.
  template <typename OpT> mlir::Value unary(mlir::Value x) {
    return OpT::create(builder, loc, plainType(x), x);
  }
  /// Two operands of one type to a result of it: `binary<PowOp>(x, y)`.
  template <typename OpT> mlir::Value binary(mlir::Value x, mlir::Value y) {
    return OpT::create(builder, loc, plainType(x), x, y);
  }
  mlir::Value add(mlir::Value x, mlir::Value y) { return binary<AddOp>(x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return binary<SubOp>(x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return binary<MulOp>(x, y); }
  mlir::Value div(mlir::Value x, mlir::Value y) { return binary<DivOp>(x, y); }
  mlir::Value neg(mlir::Value x) { return unary<NegOp>(x); }
  mlir::Value exp(mlir::Value x) { return unary<ExpOp>(x); }
  mlir::Value log(mlir::Value x) { return unary<LogOp>(x); }

  /// A constant with the type of `like`, and arithmetic with such a constant.
  mlir::Value constant(mlir::Value like, double value);
  mlir::Value addConstant(mlir::Value x, double value);
  mlir::Value scale(mlir::Value x, double factor);

  /// The sum in order; a single value is itself.
  mlir::Value sumOf(mlir::ValueRange values);
  mlir::Value compare(Predicate predicate, mlir::Value x, mlir::Value y);
  mlir::Value compare(Predicate predicate, mlir::Value x, double value);
  mlir::Value select(mlir::Value condition, mlir::Value onTrue,
                     mlir::Value onFalse);
  /// `value` where the condition holds, else 0.
  mlir::Value selectOrZero(mlir::Value condition, mlir::Value value);
  /// `x` itself if it has the element type already.
  mlir::Value cast(mlir::Value x, mlir::Type elementType);
  /// `x` in f32 if its type is narrow, else itself.
  mlir::Value widen(mlir::Value x);

  mlir::Value reduce(ReduceOpKind kind, mlir::Value x,
                     llvm::ArrayRef<int64_t> dims);
  mlir::Value reduceSum(mlir::Value x, llvm::ArrayRef<int64_t> dims) {
    return reduce(ReduceOpKind::sum, x, dims);
  }
  /// The sum in f32 if the type of `x` is narrow.
  mlir::Value reduceSumWide(mlir::Value x, llvm::ArrayRef<int64_t> dims);
  /// Combines all dims; yields a scalar.
  mlir::Value reduceAll(ReduceOpKind kind, mlir::Value x);
  /// Puts dim i of `x` at dim `dims[i]` of `shape`.
  mlir::Value broadcast(mlir::Value x, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<int64_t> dims);
  /// Undoes what a reduction over `dims` did to the shape of `like`.
  mlir::Value broadcastOver(mlir::Value x, mlir::Value like,
                            llvm::ArrayRef<int64_t> dims);
  /// A scalar repeated to the shape of `like`.
  mlir::Value fill(mlir::Value scalar, mlir::Value like);

  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  /// Elements [begin, begin + size) of one dim.
  mlir::Value slice(mlir::Value x, int64_t dim, int64_t begin, int64_t size);
  mlir::Value concat(mlir::ValueRange values, int64_t dim);
  /// Of the element type of `x`, or of `elementType`.
  mlir::Value contract(llvm::StringRef equation, mlir::Value x, mlir::Value y,
                       mlir::Type elementType = {});

  mlir::OpBuilder &builder;
  mlir::Location loc;
};

/// The dims of a tensor of `numDims` dims that are not in `dims`.
llvm::SmallVector<int64_t> otherDims(int64_t numDims,
                                     llvm::ArrayRef<int64_t> dims);

} // namespace weft::nn

#endif // WEFT_IR_NN_EXPRESSIONS_H
