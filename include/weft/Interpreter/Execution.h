// SPDX-License-Identifier: Apache-2.0
//
// Execution: a module's slots with their values, and the calls of a step on
// them. Functions exchange values through slots only: an argument reads its
// slot, a result writes it.
#ifndef WEFT_INTERPRETER_EXECUTION_H
#define WEFT_INTERPRETER_EXECUTION_H

#include "weft/IR/Pipe/Pipe.h"
#include "weft/Interpreter/Interpreter.h"
#include "llvm/ADT/StringMap.h"
#include <limits>
#include <map>

namespace weft::interpreter {

/// Named global tensors: weights, gradients, inputs.
using TensorMap = std::map<std::string, Tensor>;

class Execution {
public:
  /// Reads `module` globally or, if it is local, on all ranks of its mesh.
  /// Keeps a reference to the module.
  explicit Execution(mlir::ModuleOp module,
                     Arithmetic arithmetic = Arithmetic::Exact);

  /// What uneven floating parameters hold in their padding. NaN by default,
  /// so a program that reads padding shows it.
  double parameterPadding = std::numeric_limits<double>::quiet_NaN();

  const Machine &machine() const { return ranks; }
  /// Slots in program order.
  llvm::ArrayRef<pipe::SlotOp> slots() const { return slotOps; }

  /// Gives parameters and buffers their stored tensors; fails with a
  /// diagnostic if one is missing or has another shape.
  mlir::LogicalResult load(const TensorMap &stored);
  /// Gives a slot a value. Padding is NaN in parameters, an id that embeds as
  /// NaN in a slot named `tokens`, else 0 (which is a class for labels).
  mlir::LogicalResult set(llvm::StringRef slot, const Tensor &global,
                          int64_t microbatch = 0);
  /// Sets a slot of one element, if the module has it.
  void setScalar(llvm::StringRef slot, double value);

  /// The global value of a slot; zeros if it has none yet.
  Tensor global(llvm::StringRef slot, int64_t microbatch = 0) const;
  /// The largest difference between replicas of a slot's elements.
  double deviation(llvm::StringRef slot) const;

  /// Runs one function. Slots that hold state (gradients, optimizer, scalars)
  /// are zero before they are first written; reading another slot that has no
  /// value is an error.
  mlir::LogicalResult call(llvm::StringRef function, int64_t microbatch = 0);
  /// Runs all calls of one step: those of `pipe.schedule`, or else weigh of
  /// every microbatch, seed, stage0 of every microbatch, stage0_reduce,
  /// stage0_update, as far as these functions exist. Step slots are zero when
  /// it begins. `beforeCall` sees each function's name first.
  mlir::LogicalResult
  step(int64_t microbatches,
       llvm::function_ref<void(llvm::StringRef)> beforeCall = nullptr);

private:
  struct Call {
    std::string function;
    int64_t microbatch;
  };
  std::vector<Call> callsOfStep(int64_t microbatches) const;
  pipe::SlotOp slotNamed(llvm::StringRef name) const {
    return slotByName.lookup(name);
  }
  /// The place of a slot's value: one per microbatch for that lifetime.
  std::pair<std::string, int64_t> keyOf(pipe::SlotOp slot,
                                        int64_t microbatch) const;
  mlir::FailureOr<RankTensors> read(pipe::SlotOp slot,
                                    int64_t microbatch) const;
  RankTensors distributed(pipe::SlotOp slot, const Tensor &global) const;

  mlir::ModuleOp module;
  Machine ranks;
  std::vector<pipe::SlotOp> slotOps;
  llvm::StringMap<pipe::SlotOp> slotByName;
  std::map<std::pair<std::string, int64_t>, RankTensors> values;
};

/// The number of microbatches in the module's schedule; 0 without one.
int64_t numScheduledMicrobatches(mlir::ModuleOp module);

/// The name of a parameter in weights files and dumps: its stored tensor, or
/// its slot.
llvm::StringRef storedName(pipe::SlotOp parameter);

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_EXECUTION_H
