// SPDX-License-Identifier: Apache-2.0
//
// Translation validation (`--verify-each-numerics`): what a module computes on
// seeded random inputs, in double precision, before and after each pass.
//
//   1. Observe the module: every slot and result it leaves after the calls of
//      a step (of @model, while there are no stages), as global tensors. A
//      local module runs on all ranks, others globally.
//   2. After a pass observe again; names that both know must agree. The pass
//      in between is at fault if they do not.
//   3. Before differentiation the loss's derivative along a random direction
//      is observed by central differences, after it from the gradients.
#ifndef WEFT_INTERPRETER_VERIFYNUMERICS_H
#define WEFT_INTERPRETER_VERIFYNUMERICS_H

#include "mlir/Pass/PassInstrumentation.h"
#include "weft/Interpreter/Simulate.h"

namespace weft::interpreter {

/// Seeded random values for slots, the same before and after a pass.
struct RandomInputs {
  uint64_t seed = 0;
  int64_t microbatches = 2;
  /// Integer inputs are below this.
  int64_t indexBound = 8;

  /// As given, with the index bound of the module's embeddings.
  static RandomInputs forModule(mlir::ModuleOp module, uint64_t seed = 0);
  /// Uniform in [-0.5, 0.5); not negative for optimizer state; indices of
  /// `labels` are -100 in one of four places.
  Tensor valueOf(pipe::SlotOp slot, int64_t microbatch) const;
  /// A direction to differentiate along.
  Tensor directionOf(pipe::SlotOp parameter) const;
};

/// What `module` computes on `inputs`, by name; the derivative of the loss is
/// "derivative of the loss". Fails with a diagnostic if it cannot be run.
mlir::FailureOr<TensorMap> observe(mlir::ModuleOp module,
                                   const RandomInputs &inputs);

/// False for programs past the scheduled phase, or without functions.
bool canObserve(mlir::ModuleOp module);

/// Compares what both observations know.
Comparison compareObservations(const TensorMap &after, const TensorMap &before);

/// Outlives the pass manager and says in the end what was found.
struct NumericsReport {
  int64_t numCompared = 0;          // values, over all passes
  std::vector<std::string> atFault; // flags of passes, in order
};

/// Add to a pass manager without multithreading; emits an error on the module
/// after a pass that changed what it computes.
class NumericsInstrumentation : public mlir::PassInstrumentation {
public:
  /// `microbatches` is the number that the schedule will have.
  explicit NumericsInstrumentation(NumericsReport &report, uint64_t seed = 0,
                                   int64_t microbatches = 2)
      : report(report), seed(seed), microbatches(microbatches) {}

  void runBeforePass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override;

private:
  NumericsReport &report;
  uint64_t seed;
  int64_t microbatches;
  std::optional<RandomInputs> inputs;
  std::optional<TensorMap> before;
  std::optional<mlir::OperationFingerPrint> fingerPrint;
};

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_VERIFYNUMERICS_H
