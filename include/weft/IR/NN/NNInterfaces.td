// SPDX-License-Identifier: Apache-2.0
//
// Interfaces of nn ops: the adjoint, the decomposition, the shard's offset.
#ifndef WEFT_IR_NN_INTERFACES
#define WEFT_IR_NN_INTERFACES

include "mlir/IR/OpBase.td"

def AdjointOpInterface : OpInterface<"AdjointOpInterface"> {
  let description = [{
    Reverse-mode derivative on *global* ops: no collective has a hand-written
    adjoint, since communication follows from the layouts of what is built
    here.
  }];
  let cppNamespace = "::weft::nn";
  let methods = [
    InterfaceMethod<[{
      Builds the cotangents of the operands from those of the results. A null
      cotangent is zero. Returns one value per operand, null where the operand
      is not differentiable or its cotangent is zero.
    }], "::llvm::SmallVector<::mlir::Value>", "buildAdjoint",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$cotangents)>,
  ];
}

def DecomposeOpInterface : OpInterface<"DecomposeOpInterface"> {
  let description = [{
    A composite op's meaning in elementary ops; used where a whole factor is
    to stay sharded, and by the tests.
  }];
  let cppNamespace = "::weft::nn";
  let methods = [
    InterfaceMethod<"Builds the decomposition; returns the results' values.",
                    "::llvm::SmallVector<::mlir::Value>", "decompose",
                    (ins "::mlir::OpBuilder &":$builder)>,
  ];
}

def OffsetOpInterface : OpInterface<"OffsetOpInterface"> {
  let description = [{
    The op has an indexed or positional factor: a shard is given the global
    index of its first element along that factor as an operand.
  }];
  let cppNamespace = "::weft::nn";
  let methods = [
    InterfaceMethod<"The offset operand, or null.", "::mlir::Value",
                    "getShardOffset", (ins), "return $_op.getOffset();">,
    InterfaceMethod<"Sets the offset operand.", "void", "setShardOffset",
                    (ins "::mlir::Value":$offset),
                    "$_op.getOffsetMutable().assign(offset);">,
  ];
}

#endif // WEFT_IR_NN_INTERFACES
