// SPDX-License-Identifier: Apache-2.0
//
// The nn dialect: what the model computes.
#ifndef WEFT_IR_NN_NN_H
#define WEFT_IR_NN_NN_H

#include "mlir/IR/Builders.h"
#include "weft/IR/Dist/Dist.h"
#include <optional>

namespace weft::nn {
/// Rule, adjoint and verifier of all elementwise ops, by op name.
weft::ShardingRule elementwiseRule(mlir::Operation *op);
llvm::SmallVector<mlir::Value> elementwiseAdjoint(mlir::Operation *op,
                                                  mlir::OpBuilder &builder,
                                                  mlir::ValueRange cotangents);
mlir::LogicalResult verifyElementwise(mlir::Operation *op);

/// `T` if all types are equal, else `(T, U) -> V`.
using dist::parseUnaryTypes;
using dist::printUnaryTypes;
mlir::ParseResult parseBinaryTypes(mlir::OpAsmParser &parser, mlir::Type &lhs,
                                   mlir::Type &rhs, mlir::Type &result);
void printBinaryTypes(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                      mlir::Type lhs, mlir::Type rhs, mlir::Type result);
mlir::ParseResult
parseVariadicTypes(mlir::OpAsmParser &parser,
                   llvm::ArrayRef<mlir::OpAsmParser::UnresolvedOperand> inputs,
                   llvm::SmallVectorImpl<mlir::Type> &inputTypes,
                   mlir::Type &result);
void printVariadicTypes(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                        mlir::ValueRange inputs, mlir::TypeRange inputTypes,
                        mlir::Type result);
/// `dense<0> : T`, and `to U` if the result has another type (a layout).
mlir::ParseResult parseConstantValue(mlir::OpAsmParser &parser,
                                     mlir::ElementsAttr &value,
                                     mlir::Type &result);
void printConstantValue(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                        mlir::ElementsAttr value, mlir::Type result);
} // namespace weft::nn

#include "weft/IR/NN/NNDialect.h.inc"
#include "weft/IR/NN/NNEnums.h.inc"
#include "weft/IR/NN/NNInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "weft/IR/NN/NNAttrs.h.inc"
#define GET_OP_CLASSES
#include "weft/IR/NN/NNOps.h.inc"

namespace weft::nn {

/// True for bf16 and f16: numbers of such types are stored and multiplied, sums
/// and functions of them are in f32.
inline bool isNarrowFloat(mlir::Type type) {
  return type.isBF16() || type.isF16();
}

/// True for ops that compute each element of the result from the elements at
/// the same position of the operands.
bool isElementwise(mlir::Operation *op);

/// True for rotary, attention and its gradient, whose kernels go through [B, H,
/// S, D] tensors row by row; false for null.
bool goesByRows(mlir::Operation *op);

/// `op` as a transpose between [B, H, S, D] and [B, S, H, D]; null if it is
/// none.
TransposeOp swapOfHeads(mlir::Operation *op);

/// The meaning of a unary or binary elementwise op on one element in double
/// precision; `op` is the name without the dialect ("add"). Aborts on an
/// unknown name.
double evaluateScalar(llvm::StringRef op, llvm::ArrayRef<double> operands);

/// The same as a function pointer; null for an unknown name.
using ScalarFunction = double (*)(const double *operands);
ScalarFunction lookupScalar(llvm::StringRef op);

/// A splat of `value` with the type of `like` (without layout).
mlir::Value splat(mlir::OpBuilder &builder, mlir::Location loc,
                  mlir::RankedTensorType type, double value);

/// The element of a constant whose elements are equal; truth is 1.
///
///   dense<-2> : tensor<4xi64>      ->  -2
///   dense<true> : tensor<i1>       ->  1
///   dense<[1, 2]> : tensor<2xi64>  ->  nothing, nor for another op's result
std::optional<double> splatElement(mlir::Value value);

/// The letters of "a,b->c".
struct Equation {
  std::string lhs, rhs, result;
};
/// Splits an equation; fails if it is not of the form "a,b->c".
mlir::FailureOr<Equation> parseEquation(llvm::StringRef text);

/// True if a contraction of these shapes is a dot product for each element of
/// a single row or column: then it is summed in 64 partials, else in one chain.
/// To be asked with the graph's shapes: what a shard looks like must not
/// decide how numbers are added.
///
///   "btd,od->bto"  4x8x64, 1x64   yes: one output feature
///   "btd,od->bto"  4x8x63, 1x63   no: less than 64 terms
///   "bto,od->btd"  1x1x64, 64x2   no: o is not last in the second operand
bool isDotProduct(const Equation &equation, llvm::ArrayRef<int64_t> lhs,
                  llvm::ArrayRef<int64_t> rhs);

} // namespace weft::nn

#endif // WEFT_IR_NN_NN_H
