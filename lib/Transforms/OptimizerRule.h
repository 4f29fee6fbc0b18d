// SPDX-License-Identifier: Apache-2.0
//
// OptimizerRule: one step of an optimizer on one parameter, as formulas.
// The order of operations is PyTorch's.
#ifndef WEFT_LIB_TRANSFORMS_OPTIMIZERRULE_H
#define WEFT_LIB_TRANSFORMS_OPTIMIZERRULE_H

#include "weft/IR/NN/Expressions.h"

namespace weft {

enum class OptimizerKind { AdamW, Sgd };

struct OptimizerRule {
  OptimizerKind kind;
  double beta1, beta2, eps, weightDecay, momentum;

  /// The prefixes of the state slots: m, v; m; or none.
  llvm::SmallVector<llvm::StringRef> stateNames() const;
};

/// Scalars of a step that all parameters share (f32); those an optimizer does
/// not have are null.
struct StepScalars {
  mlir::Value lr;
  mlir::Value decay;    // 1 - lr * weight decay
  mlir::Value stepSize; // lr / (1 - beta1^step)
  mlir::Value root;     // sqrt(1 - beta2^step)
};
/// From the learning rate (f32) and the number of the step from 1 (f32).
StepScalars buildStepScalars(nn::Expressions &e, const OptimizerRule &rule,
                             mlir::Value lr, mlir::Value step);

struct OptimizerState {
  mlir::Value parameter; // f32
  llvm::SmallVector<mlir::Value> state;
};
/// The parameter and its state after the step.
OptimizerState buildStep(nn::Expressions &e, const OptimizerRule &rule,
                         const StepScalars &scalars,
                         const OptimizerState &before, mlir::Value gradient);

} // namespace weft

#endif // WEFT_LIB_TRANSFORMS_OPTIMIZERRULE_H
