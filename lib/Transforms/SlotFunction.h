// SPDX-License-Identifier: Apache-2.0
//
// What the passes that make functions over slots share: building such a
// function, the loss terms of a module, and wishes over groups of mesh axes.
#ifndef WEFT_LIB_TRANSFORMS_SLOTFUNCTION_H
#define WEFT_LIB_TRANSFORMS_SLOTFUNCTION_H

#include "weft/IR/NN/Expressions.h"
#include "weft/IR/Pipe/Pipe.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

/// The mesh axes over which the samples and positions of a batch are spread:
/// loss sums, weights and gradients are sums over them.
inline constexpr llvm::StringLiteral kDataAxes[] = {"dp_replicate", "dp_shard",
                                                    "cp"};
/// All axes of the mesh of one stage.
inline constexpr llvm::StringLiteral kStageAxes[] = {"dp_replicate", "dp_shard",
                                                     "cp", "tp"};

/// `axis = placement` for each axis; axes the mesh lacks do no harm.
dist::ConstraintAttr wishForAxes(mlir::MLIRContext *context,
                                 llvm::ArrayRef<llvm::StringLiteral> axes,
                                 Placement placement);

/// `value` itself if there is no constraint.
mlir::Value constrain(nn::Expressions &e, mlir::Value value,
                      dist::ConstraintAttr constraint);

/// Constrains scalars and vectors as one vector, so that one collective
/// serves them all; yields them in their own shapes.
llvm::SmallVector<mlir::Value> constrainTogether(nn::Expressions &e,
                                                 mlir::ValueRange values,
                                                 dist::ConstraintAttr wish);

/// The slots of one term of the loss, coefficient * sum / weight.
struct LossTerm {
  pipe::SlotOp slot; // of the sum
  std::string sum, weight, seed;
  double coefficient;
};
/// The terms of a module in the order of their slots.
llvm::SmallVector<LossTerm> lossTerms(mlir::ModuleOp module);

/// The slots of a module by name, so that finding or adding one does not cost
/// a walk over all. All slots made while it lives are made through it.
class SlotTable {
public:
  explicit SlotTable(mlir::ModuleOp module);

  /// Null if there is none of that name.
  pipe::SlotOp lookup(llvm::StringRef name) const { return slots.lookup(name); }
  /// Makes a slot behind the others.
  pipe::SlotOp create(mlir::Location loc, llvm::StringRef name,
                      mlir::RankedTensorType type, llvm::StringRef kind,
                      llvm::StringRef lifetime);
  /// The slot of that name, made if there is none.
  pipe::SlotOp getOrCreate(mlir::Location loc, llvm::StringRef name,
                           mlir::RankedTensorType type, llvm::StringRef kind,
                           llvm::StringRef lifetime);

  const llvm::StringMap<pipe::SlotOp> &byName() const { return slots; }
  mlir::ModuleOp module;

private:
  llvm::StringMap<pipe::SlotOp> slots;
};

/// The arguments of a function by the slots they are bound to.
llvm::DenseMap<mlir::Attribute, mlir::BlockArgument>
argumentsBySlot(mlir::func::FuncOp function);

/// Gives a loss term's accumulator its lifetime and layout: one value per
/// step, each rank holding the part of its samples.
void markAccumulator(pipe::SlotOp slot);

/// Erases ops without uses and effects, last ones first.
void eraseDeadOps(mlir::func::FuncOp function);

/// A function that reads slots through its arguments and writes them through
/// its results; ops are built in front of the terminator. The function's type
/// and attributes are made once, by `finish`, so that a function over n slots
/// costs n steps.
class SlotFunction {
public:
  SlotFunction(mlir::func::FuncOp function, const SlotTable &slots);
  /// Makes an empty function at the end of the module.
  static SlotFunction create(const SlotTable &slots, mlir::Location loc,
                             llvm::StringRef name);
  SlotFunction(const SlotFunction &) = delete;
  ~SlotFunction() { assert(isFinished() && "arguments are not bound"); }

  /// The argument bound to `slot`, added if there is none.
  mlir::Value read(llvm::StringRef slot);
  /// Binds a further result to `slot`.
  void write(llvm::StringRef slot, mlir::Value value);
  /// Binds what was read and written since.
  void finish();
  /// Formulas at the end of the function.
  nn::Expressions at(mlir::Location loc) { return {builder, loc}; }

  mlir::func::FuncOp function;

private:
  bool isFinished() { return newArguments.empty() && newResults.empty(); }

  const SlotTable &slots;
  mlir::OpBuilder builder;
  llvm::StringMap<mlir::Value> arguments;
  /// Slots of arguments, values and slots of results, that the function's type
  /// does not have yet.
  llvm::SmallVector<mlir::Attribute> newArguments, newResultSlots;
  llvm::SmallVector<mlir::Value> newResults;
};

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_SLOTFUNCTION_H
