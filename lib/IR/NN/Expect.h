// SPDX-License-Identifier: Apache-2.0
//
// Checks that the verifiers of nn ops share. Each compares shapes and element
// types, never whole types: operands that differ only in layout agree. A
// failed check is reported on `op` as "<what> of <thing> is wrong: got <x>,
// expected <y>".
#ifndef WEFT_LIB_IR_NN_EXPECT_H
#define WEFT_LIB_IR_NN_EXPECT_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace weft::nn {

/// The shape and element type of a ranked tensor.
llvm::ArrayRef<int64_t> shapeOf(mlir::Value value);
mlir::Type elementTypeOf(mlir::Value value);

/// `value` has this shape.
mlir::LogicalResult expectShape(mlir::Operation *op, llvm::StringRef thing,
                                mlir::Value value,
                                llvm::ArrayRef<int64_t> shape);
/// `value` has this element type.
mlir::LogicalResult expectElementType(mlir::Operation *op,
                                      llvm::StringRef thing, mlir::Value value,
                                      mlir::Type elementType);
/// `value` has the element type `elementType`, or f32 if that is narrow: what
/// is summed over many elements need not be rounded.
mlir::LogicalResult expectSumType(mlir::Operation *op, llvm::StringRef thing,
                                  mlir::Value value, mlir::Type elementType);
/// `value` has the shape and element type of `reference`.
mlir::LogicalResult expectLike(mlir::Operation *op, llvm::StringRef thing,
                               mlir::Value value, mlir::Value reference);
/// `value` has this number of dims.
mlir::LogicalResult expectNumDims(mlir::Operation *op, llvm::StringRef thing,
                                  mlir::Value value, int64_t numDims);
/// `dim` is one of `numDims` dims, counted from the front.
mlir::LogicalResult expectDim(mlir::Operation *op, int64_t dim,
                              int64_t numDims);
/// `dims` are different dims of `numDims`, in increasing order.
mlir::LogicalResult expectIncreasingDims(mlir::Operation *op,
                                         llvm::ArrayRef<int64_t> dims,
                                         int64_t numDims);
/// The attribute `name` has one value per dim, none of them below `minimum`.
mlir::LogicalResult expectPerDim(mlir::Operation *op, llvm::StringRef name,
                                 llvm::ArrayRef<int64_t> values,
                                 int64_t numDims, int64_t minimum);

} // namespace weft::nn

#endif // WEFT_LIB_IR_NN_EXPECT_H
