// SPDX-License-Identifier: Apache-2.0
//
// Kernels only move and convert bf16, by integer operations; but a load or a
// store of bf16 that a CPU has no instruction for, such as a masked one before
// AVX-512, is taken apart into scalars of a type that it doesn't have either,
// and LLVM then rounds with calls of a library. Loads of integers never need
// that.
//
// 1. Change the memrefs' types, and those of functions that take them.
// 2. Cast the other operands and results of whatever uses such a memref.
#include "Bf16Memory.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {

/// The type with 16-bit integers in place of bf16.
static Type withIntegers(Type type) {
  Type integer = IntegerType::get(type.getContext(), 16);
  if (type.isBF16())
    return integer;
  auto shaped = dyn_cast<ShapedType>(type);
  return shaped && shaped.getElementType().isBF16() ? shaped.clone(integer)
                                                    : type;
}

static bool isLoadedBf16(Value value) {
  Type type = value.getType();
  return !isa<MemRefType>(type) && withIntegers(type) != type;
}

static void castAround(Operation *op) {
  OpBuilder builder(op);
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    if (isLoadedBf16(value))
      operand.set(arith::BitcastOp::create(
          builder, op->getLoc(), withIntegers(value.getType()), value));
  }
  builder.setInsertionPointAfter(op);
  for (Value result : op->getResults()) {
    if (!isLoadedBf16(result))
      continue;
    Type type = result.getType();
    result.setType(withIntegers(type));
    auto cast = arith::BitcastOp::create(builder, op->getLoc(), type, result);
    result.replaceAllUsesExcept(cast, cast);
  }
}

void keepBf16AsIntegers(ModuleOp module) {
  llvm::SetVector<Operation *> users;
  auto change = [&](Value value) {
    Type type = value.getType();
    if (!isa<MemRefType>(type) || withIntegers(type) == type)
      return;
    value.setType(withIntegers(type));
    users.insert(value.user_begin(), value.user_end());
  };
  module.walk([&](Operation *op) {
    llvm::for_each(op->getResults(), change);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), change);
  });
  module.walk([](func::FuncOp function) {
    auto inputs =
        llvm::map_to_vector(function.getArgumentTypes(), withIntegers);
    function.setType(FunctionType::get(function.getContext(), inputs,
                                       function.getResultTypes()));
  });
  llvm::for_each(users, castAround);
}

} // namespace weft
