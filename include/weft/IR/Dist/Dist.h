// SPDX-License-Identifier: Apache-2.0
//
// The dist dialect: attributes, ops, and the questions other code asks of
// layouts in the IR. Algorithms on layouts live in weft/Layout.
#ifndef WEFT_IR_DIST_DIST_H
#define WEFT_IR_DIST_DIST_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "weft/Layout/Constraint.h"
#include "weft/Layout/Layout.h"
#include "weft/Layout/Mesh.h"
#include "weft/Layout/ShardingRule.h"
#include "llvm/ADT/Hashing.h"

namespace weft {
llvm::hash_code hash_value(const Mesh &mesh);
llvm::hash_code hash_value(const Layout &layout);
llvm::hash_code hash_value(const Constraint &constraint);
} // namespace weft

namespace weft::dist {
/// Checks operand and result layouts of a typed op against its sharding rule;
/// succeeds if no type carries a layout.
mlir::LogicalResult verifyLayouts(mlir::Operation *op);
} // namespace weft::dist

#include "weft/IR/Dist/DistDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "weft/IR/Dist/DistAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "weft/IR/Dist/DistInterfaces.h.inc"
#include "weft/IR/Dist/DistTypes.h.inc"
#define GET_OP_CLASSES
#include "weft/IR/Dist/DistOps.h.inc"

namespace weft::dist {

/// The module attribute that holds the mesh.
inline constexpr llvm::StringLiteral kMeshAttrName = "dist.mesh";

/// The mesh of the module around `op`; the empty mesh if it has none.
MeshAttr meshOf(mlir::Operation *op);

/// The layout a type carries, or null.
LayoutAttr layoutOf(mlir::Type type);

/// `type` with `layout` as encoding; a replicated layout is an encoding too.
mlir::RankedTensorType withLayout(mlir::RankedTensorType type,
                                  LayoutAttr layout);
mlir::RankedTensorType withoutLayout(mlir::RankedTensorType type);

/// The type each rank holds for a typed tensor.
mlir::RankedTensorType localType(mlir::RankedTensorType type);

/// Bytes of a memref or a tensor as it lies in memory (i1 as a byte), layouts
/// aside.
int64_t bytesOf(mlir::ShapedType type);

/// Names of `atoms` as an array attribute, whole axes merged:
/// [tp.0, tp.1] is ["tp"].
mlir::ArrayAttr axesAttr(MeshAttr mesh, llvm::ArrayRef<int> atoms);
/// The atoms that an axes attribute names, outermost first.
llvm::SmallVector<int, 4> atomsOf(MeshAttr mesh, mlir::ArrayAttr axes);
/// The number of ranks in a group over `axes`.
int64_t groupSize(MeshAttr mesh, mlir::ArrayAttr axes);

/// True for all_gather, all_reduce, reduce_scatter, all_to_all and permute.
bool isCollective(mlir::Operation *op);

/// `T` if both types are equal, else `T to U`: operand and result of a unary
/// op agree in the global phase and may differ in layout later.
mlir::ParseResult parseUnaryTypes(mlir::OpAsmParser &parser,
                                  mlir::Type &inputType,
                                  mlir::Type &resultType);
void printUnaryTypes(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                     mlir::Type inputType, mlir::Type resultType);

} // namespace weft::dist

#endif // WEFT_IR_DIST_DIST_H
