// SPDX-License-Identifier: Apache-2.0
//
// Simulate: training steps of two programs on the interpreter, compared. The
// reference is read globally (one device), the subject may be local (all
// ranks of its mesh); both have the same slots.
#ifndef WEFT_INTERPRETER_SIMULATE_H
#define WEFT_INTERPRETER_SIMULATE_H

#include "weft/Interpreter/Batches.h"
#include <functional>

namespace weft::interpreter {

/// What a run needs beside its program.
struct RunInputs {
  TensorMap weights;
  Batches data;
  int64_t steps = 1;
  /// Microbatches of a step where the program has no schedule.
  int64_t microbatches = 1;
  /// The learning rate of a step, counted from 1.
  std::function<double(int64_t)> learningRate = [](int64_t) { return 0.01; };
  Arithmetic arithmetic = Arithmetic::Exact;
};

/// What a run leaves behind; tensors by their stored names.
struct RunResults {
  std::vector<double> losses; // one mean loss per step
  TensorMap gradients;        // of the last step, before the update
  TensorMap parameters;       // after the last step
  TensorMap state;            // of the optimizer, and metrics; by slot name
  /// Slots whose replicas differ between ranks, with the largest difference.
  std::map<std::string, double> deviations;
};

/// Runs `inputs.steps` steps of `module`; fails with a diagnostic.
mlir::FailureOr<RunResults> runSteps(mlir::ModuleOp module,
                                     const RunInputs &inputs);

/// How far two values may be apart, by norms:
/// |a - b| <= relative |b| + floor |all gradients|.
struct Tolerance {
  double relative = 1e-5;
  double floor = 1e-7;
};

/// One compared value.
struct Difference {
  std::string kind; // loss, gradient, parameter, state, replica
  std::string name;
  double distance; // |a - b|
  double norm;     // |b|
  double bound;

  /// NaN is never within bounds.
  bool isWithin() const { return distance <= bound; }
  /// How much of the bound is used.
  double severity() const;
};

/// All values of two runs, compared.
struct Comparison {
  std::vector<Difference> differences;

  bool agrees() const;
  /// The difference nearest to or furthest past its bound; null if none.
  const Difference *worst() const;
  /// One line per value out of bounds (all values if `isVerbose`), then a line
  /// with the worst and the verdict.
  void print(llvm::raw_ostream &os, bool isVerbose = false) const;
};

Comparison compareRuns(const RunResults &subject, const RunResults &reference,
                       Tolerance tolerance = {});

/// Runs both programs on the same inputs and compares them.
mlir::FailureOr<Comparison> simulate(mlir::ModuleOp subject,
                                     mlir::ModuleOp reference,
                                     const RunInputs &inputs,
                                     Tolerance tolerance = {});

/// Writes `loss.json`, `gradients.safetensors` and `parameters.safetensors`
/// into `folder`, as `train --dump` does.
llvm::Error writeDump(llvm::StringRef folder, const RunResults &results);

/// The Euclidean norm of all elements.
double normOf(const Tensor &tensor);
/// The norm of a - b, which have one shape; infinity if the shapes differ.
double distanceOf(const Tensor &a, const Tensor &b);

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_SIMULATE_H
