// SPDX-License-Identifier: Apache-2.0
//
// The pipe dialect: slots, and how functions are bound to them.
#ifndef WEFT_IR_PIPE_PIPE_H
#define WEFT_IR_PIPE_PIPE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "weft/IR/Dist/Dist.h"

#include "weft/IR/Pipe/PipeDialect.h.inc"
#define GET_OP_CLASSES
#include "weft/IR/Pipe/PipeOps.h.inc"

namespace weft::pipe {

/// The argument and result attribute that names a slot.
inline constexpr llvm::StringLiteral kSlotAttrName = "pipe.slot";

/// On an input slot of indices: they are less than this; and, as a unit, -100
/// stands for none.
inline constexpr llvm::StringLiteral kIndicesAttrName = "pipe.indices";
inline constexpr llvm::StringLiteral kIgnoresAttrName = "pipe.ignores";

/// Whether a function of the schedule is the optimizer's: others write no
/// parameters.
inline bool isUpdate(llvm::StringRef function) {
  return function.ends_with("_update");
}

/// The slot an argument or result is bound to, or null.
mlir::FlatSymbolRefAttr slotOfArgument(mlir::func::FuncOp function, int index);
mlir::FlatSymbolRefAttr slotOfResult(mlir::func::FuncOp function, int index);

/// Verifies that every argument and result of `function` is bound to a slot of
/// its type, with an error for each that is not.
mlir::LogicalResult verifyBindings(mlir::func::FuncOp function,
                                   mlir::SymbolTable &symbols);

/// The number of the result bound to `slot`, or -1.
int resultOfSlot(mlir::func::FuncOp function, llvm::StringRef slot);

/// Adds an argument of `type` bound to `slot`; returns its value.
mlir::BlockArgument addArgument(mlir::func::FuncOp function,
                                mlir::RankedTensorType type,
                                llvm::StringRef slot);
/// Appends `value` to the returned values, bound to `slot`.
void addResult(mlir::func::FuncOp function, mlir::Value value,
               llvm::StringRef slot);

/// Creates a slot at the end of the module's slots.
SlotOp createSlot(mlir::ModuleOp module, mlir::Location loc,
                  llvm::StringRef name, mlir::RankedTensorType type,
                  llvm::StringRef kind, llvm::StringRef lifetime);

} // namespace weft::pipe

#endif // WEFT_IR_PIPE_PIPE_H
