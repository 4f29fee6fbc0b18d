// SPDX-License-Identifier: Apache-2.0
//
// What dist ops mean on the tensors of all ranks.
#ifndef WEFT_LIB_INTERPRETER_COLLECTIVES_H
#define WEFT_LIB_INTERPRETER_COLLECTIVES_H

#include "weft/Interpreter/Interpreter.h"

namespace weft::interpreter {

/// Evaluates a dist op without regions; nothing if `op` is not one.
std::optional<llvm::SmallVector<RankTensors>>
evaluateDist(mlir::Operation *op, llvm::ArrayRef<RankTensors> operands,
             const Machine &machine);

/// `a` and `b` combined by `kind`, element by element. In rounded arithmetic
/// the result is rounded to the element type, or to f32 if that is narrow: a
/// reduction over ranks rounds to bf16 once, at its end.
Tensor combined(ReduceKind kind, const Tensor &a, const Tensor &b,
                Arithmetic arithmetic);

/// Sum 0, product 1, max and min the infinities (integers: their bounds).
double neutralElement(ReduceKind kind, ElementKind element);

} // namespace weft::interpreter

#endif // WEFT_LIB_INTERPRETER_COLLECTIVES_H
