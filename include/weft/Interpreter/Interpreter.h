// SPDX-License-Identifier: Apache-2.0
//
// The judge: runs functions of nn, dist and prog ops with plain loops, on one
// rank or on N virtual ranks in lockstep. Every SSA value holds one tensor per
// rank; collectives combine them by mesh groups, in ascending rank order.
//
// Global, annotated and typed programs are read *globally*: one rank, shapes
// as written, constrain and redistribute are the identity. Local programs and
// later ones are read on all ranks of the mesh.
#ifndef WEFT_INTERPRETER_INTERPRETER_H
#define WEFT_INTERPRETER_INTERPRETER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "weft/IR/Dist/Dist.h"
#include "weft/Interpreter/Tensor.h"

namespace weft::interpreter {

/// Who runs a program: the ranks of a mesh, or one rank.
struct Machine {
  Mesh mesh;
  int64_t numRanks = 1;
  Arithmetic arithmetic = Arithmetic::Exact;

  /// One rank, whatever the mesh: the global reading.
  static Machine global(Arithmetic arithmetic = Arithmetic::Exact);
  /// All ranks of `mesh`.
  static Machine ranksOf(const Mesh &mesh,
                         Arithmetic arithmetic = Arithmetic::Exact);
};

/// True if `module` is in its per-rank view: slots carry layouts, and the
/// function arguments bound to them have their local types.
bool isLocal(mlir::ModuleOp module);

/// The machine that `module` is read on: all ranks of its mesh if it is
/// local, else one.
Machine machineFor(mlir::ModuleOp module,
                   Arithmetic arithmetic = Arithmetic::Exact);

/// Evaluates one op without regions; fails with a diagnostic if the
/// interpreter has no meaning for it. `operands` hold one tensor per rank.
mlir::FailureOr<llvm::SmallVector<RankTensors>>
evaluateOp(mlir::Operation *op, llvm::ArrayRef<RankTensors> operands,
           const Machine &machine);

/// Runs `function` on `arguments`; fails with a diagnostic if their number or
/// shapes are not the function's, or on an op without meaning.
mlir::FailureOr<llvm::SmallVector<RankTensors>>
interpret(mlir::func::FuncOp function, llvm::ArrayRef<RankTensors> arguments,
          const Machine &machine);

/// True if the interpreter knows what the op named `opName` means.
bool hasMeaning(llvm::StringRef opName);

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_INTERPRETER_H
