// SPDX-License-Identifier: Apache-2.0
//
// Judge: which of our checks rejects a mutant. In order: the verifiers of ops
// and phases, the static proofs of `weft check`, and training steps of all
// ranks on the interpreter against one device.
#ifndef WEFT_TEST_MUTANTS_JUDGE_H
#define WEFT_TEST_MUTANTS_JUDGE_H

#include "mlir/Pass/PassManager.h"
#include "weft/Interpreter/Simulate.h"
#include "weft/Plan/Config.h"

namespace weft::mutants {

/// Who rejects a mutant, and what it says.
struct Verdict {
  std::string killedBy; // verifier, check, numbers; empty if nobody does
  std::string message;
};

/// Judges the mutants of one artefact.
class Judge {
public:
  /// Runs one device. Null with diagnostics if the artefact itself does not
  /// pass.
  static std::unique_ptr<Judge> create(mlir::ModuleOp typed,
                                       mlir::ModuleOp scheduled,
                                       const Config &config,
                                       interpreter::RunInputs inputs);

  Verdict judgeTyped(mlir::ModuleOp mutant);
  Verdict judgeScheduled(mlir::ModuleOp mutant);
  /// Without numbers: a program that passes is to be built and run.
  Verdict judgeProgram(mlir::ModuleOp mutant);

private:
  Judge(mlir::ModuleOp scheduled, const Config &config,
        interpreter::RunInputs inputs)
      : scheduled(scheduled), config(config), inputs(std::move(inputs)) {}

  Verdict verify(mlir::ModuleOp mutant,
                 llvm::function_ref<void(mlir::OpPassManager &)> addPasses);
  Verdict prove(mlir::ModuleOp mutant);
  Verdict compare(mlir::ModuleOp mutant);

  mlir::ModuleOp scheduled;
  const Config &config;
  interpreter::RunInputs inputs;
  interpreter::RunResults device;
};

} // namespace weft::mutants

#endif // WEFT_TEST_MUTANTS_JUDGE_H
