// SPDX-License-Identifier: Apache-2.0
//
// Numbers are compared in a child process: a mutant that passes the static
// checks may still make the interpreter crash, which is a rejection too.
#include "Judge.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "weft/Pipelines/Check.h"
#include "weft/Pipelines/Pipelines.h"
#include "weft/Transforms/Passes.h"
#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;

namespace weft::mutants {

namespace {
/// Keeps the first error instead of printing it.
class FirstError {
public:
  explicit FirstError(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (text.empty() &&
              diagnostic.getSeverity() == DiagnosticSeverity::Error)
            text = diagnostic.str();
          return success();
        }) {}
  std::string text;

private:
  ScopedDiagnosticHandler handler;
};

enum Outcome { Agrees = 0, Differs = 1, DoesNotRun = 2 };
} // namespace

Verdict Judge::verify(ModuleOp mutant,
                      llvm::function_ref<void(OpPassManager &)> addPasses) {
  FirstError error(mutant.getContext());
  PassManager passes(mutant.getContext());
  addPasses(passes);
  if (succeeded(mlir::verify(mutant)) && succeeded(passes.run(mutant)))
    return {};
  return {"verifier", error.text};
}

Verdict Judge::prove(ModuleOp mutant) {
  FirstError error(mutant.getContext());
  for (const Proof &proof : proveScheduled(mutant))
    if (!proof.holds)
      return {"check", error.text};
  return {};
}

Verdict Judge::compare(ModuleOp mutant) {
  int child = fork();
  if (child == 0) {
    FirstError error(mutant.getContext());
    auto ranks = interpreter::runSteps(mutant, inputs);
    int outcome = DoesNotRun;
    if (succeeded(ranks))
      outcome =
          interpreter::compareRuns(*ranks, device).agrees() ? Agrees : Differs;
    _exit(outcome);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status))
    return {"numbers", "the interpreter crashes"};
  switch (WEXITSTATUS(status)) {
  case Agrees:
    return {};
  case Differs:
    return {"numbers", "differs from one device"};
  default:
    return {"numbers", "does not run"};
  }
}

Verdict Judge::judgeScheduled(ModuleOp mutant) {
  Verdict verdict = verify(mutant, [](OpPassManager &passes) {
    passes.addPass(createVerifyLocalPass());
    passes.addPass(createVerifySchedulePass());
  });
  if (verdict.killedBy.empty())
    verdict = prove(mutant);
  return verdict.killedBy.empty() ? compare(mutant) : verdict;
}

Verdict Judge::judgeTyped(ModuleOp mutant) {
  Verdict verdict = verify(mutant, [](OpPassManager &passes) {
    passes.addPass(createVerifyTypedPass());
  });
  if (!verdict.killedBy.empty())
    return verdict;
  // What it means for ranks is seen in the program it becomes.
  verdict = verify(mutant, [&](OpPassManager &passes) {
    addPartitionPasses(passes, config);
    addSchedulePasses(passes, config);
  });
  return verdict.killedBy.empty() ? judgeScheduled(mutant) : verdict;
}

Verdict Judge::judgeProgram(ModuleOp mutant) {
  Verdict verdict = verify(mutant, [](OpPassManager &passes) {
    passes.addPass(createVerifyProgramPass());
  });
  if (!verdict.killedBy.empty())
    return verdict;
  FirstError error(mutant.getContext());
  Proof proof = proveProgram(scheduled, mutant);
  return proof.holds ? Verdict{} : Verdict{"check", error.text};
}

std::unique_ptr<Judge> Judge::create(ModuleOp typed, ModuleOp scheduled,
                                     const Config &config,
                                     interpreter::RunInputs inputs) {
  std::unique_ptr<Judge> judge(new Judge(scheduled, config, std::move(inputs)));
  auto device = interpreter::runSteps(typed, judge->inputs);
  if (failed(device))
    return nullptr;
  judge->device = *device;
  OwningOpRef<ModuleOp> control = scheduled.clone();
  Verdict verdict = judge->judgeScheduled(*control);
  if (verdict.killedBy.empty())
    return judge;
  scheduled.emitError("the program itself is rejected by the ")
      << verdict.killedBy << ": " << verdict.message;
  return nullptr;
}

} // namespace weft::mutants
