// SPDX-License-Identifier: Apache-2.0
//
// Placements: what each value of a local function is of the global one, found
// again from slots, rules and collectives alone.
//
// Local types don't say how a tensor lies; a broadcast or a merged dim leaves
// several ways open. So each value has, per mesh axis, the set of placements
// it may have; an op that fits none of its operands' placements is a fault.
#ifndef WEFT_LIB_PIPELINES_PLACEMENTS_H
#define WEFT_LIB_PIPELINES_PLACEMENTS_H

#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"

namespace weft {

/// A set of placements of one value along one axis.
using PlacementSet = uint32_t;

inline constexpr PlacementSet kReplicated = 1;
/// A scalar that counts from the first element of a shard.
inline constexpr PlacementSet kShardStart = 2;
inline constexpr PlacementSet kAnyPlacement = ~PlacementSet(0);
inline PlacementSet partialSet(ReduceKind kind) {
  return PlacementSet(4) << static_cast<int>(kind);
}
inline PlacementSet shardSet(int dim) { return PlacementSet(64) << dim; }

/// `replicate`, `shard(0) or shard(1)`, `partial(sum)`.
std::string toString(PlacementSet set);

/// The slot that an argument or result is bound to, or null.
pipe::SlotOp slotOf(mlir::BlockArgument argument,
                    const mlir::SymbolTable &symbols);
pipe::SlotOp slotOf(mlir::OpOperand &returned,
                    const mlir::SymbolTable &symbols);
/// How a slot's value lies along `axis`.
PlacementSet placementOf(pipe::SlotOp slot, int axis);

/// The collective behind a value, with the operand that became it: of the
/// collective itself, of a start, or of a wait. Null if there is none.
struct IssuedCollective {
  mlir::Operation *op = nullptr;
  mlir::Value operand;
  int index = 0; // of the operand
};
IssuedCollective collectiveBehind(mlir::Value value);

/// The placements of all values of a function.
class Placements {
public:
  /// What to do of an op that fits none of its operands' placements.
  enum class OnFault { Report, Ignore };
  Placements(mlir::func::FuncOp function, const mlir::SymbolTable &symbols,
             OnFault onFault = OnFault::Report);

  PlacementSet of(mlir::Value value, int axis) const {
    auto found = sets.find(value);
    return found == sets.end() ? kReplicated : found->second[axis];
  }
  bool areSound() const { return isSound; }
  int64_t numOps() const { return ops; }

private:
  void visit(mlir::Operation &op);
  PlacementSet visitResult(mlir::OpResult result, int axis);
  PlacementSet visitRule(mlir::OpResult result, const ShardingRule &rule,
                         int axis);

  const Mesh &mesh;
  OnFault onFault;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<PlacementSet, 4>> sets;
  bool isSound = true;
  int64_t ops = 0;
};

} // namespace weft

#endif // WEFT_LIB_PIPELINES_PLACEMENTS_H
