// SPDX-License-Identifier: Apache-2.0
//
// Variance: along which mesh axes a value of a local function may differ
// between ranks. Slots say it of arguments; ops join their operands;
// collectives and coordinates add and remove axes.
#ifndef WEFT_LIB_PIPELINES_VARIANCE_H
#define WEFT_LIB_PIPELINES_VARIANCE_H

#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"

namespace weft {

/// A set of atomic axes, one bit each.
using AxisSet = uint64_t;

inline AxisSet axisBit(int atom) { return AxisSet(1) << atom; }
/// The axes of a collective or another op with `mesh` and `axes`.
AxisSet axesOf(mlir::Operation *op);
/// `"dp_shard"`, `"dp_shard", "tp"`.
std::string namesOf(const Mesh &mesh, AxisSet axes);
/// The axes that a slot's layout shards, and those it is partial over.
AxisSet shardedAxes(pipe::SlotOp slot);
AxisSet partialAxes(pipe::SlotOp slot);

/// The slot that an argument or result is bound to.
pipe::SlotOp slotOf(mlir::BlockArgument argument,
                    const mlir::SymbolTable &symbols);
pipe::SlotOp slotOf(mlir::OpOperand &returned,
                    const mlir::SymbolTable &symbols);

/// The collective behind a value, with the operand that became it: of the
/// collective itself, of a start, or of a wait. Null if there is none.
struct IssuedCollective {
  mlir::Operation *op = nullptr;
  mlir::Value operand;
};
IssuedCollective collectiveBehind(mlir::Value value);

/// The axes along which each value of `function` may differ.
class Variance {
public:
  Variance(mlir::func::FuncOp function, const mlir::SymbolTable &symbols);

  AxisSet of(mlir::Value value) const { return axes.lookup(value); }

private:
  void visit(mlir::Operation &op);

  llvm::DenseMap<mlir::Value, AxisSet> axes;
};

} // namespace weft

#endif // WEFT_LIB_PIPELINES_VARIANCE_H
