// SPDX-License-Identifier: Apache-2.0
//
// `weft check`: every static proof on an artefact. The IR of its three phases
// is read again and verified as if it were new, so that an edit by hand is
// found; then the scheduled program is proved (weft/Pipelines/Check.h).
#include "weft/Pipelines/Check.h"
#include "Commands.h"
#include "Compiler.h"
#include "weft/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace weft;
using namespace weft::tool;

namespace {
/// A phase, the passes that close it and what they prove.
struct ClosedPhase {
  Phase phase;
  const char *claim;
  void (*addPasses)(PassManager &);
};
} // namespace

static const ClosedPhase closedPhases[] = {
    {Phase::Global, "the model is plain nn ops",
     [](PassManager &passes) { passes.addPass(createVerifyGlobalPass()); }},
    {Phase::Typed, "every op's layouts agree with its sharding rule",
     [](PassManager &passes) { passes.addPass(createVerifyTypedPass()); }},
    {Phase::Scheduled,
     "the program is one rank's view; every microbatch runs once, every "
     "parameter is updated once",
     [](PassManager &passes) {
       passes.addPass(createVerifyLocalPass());
       passes.addPass(createVerifySchedulePass());
     }},
};

static void claim(llvm::StringRef what, bool holds) {
  llvm::outs() << (holds ? "ok      " : "FAILED  ") << what << "\n";
}

static bool proveSchedule(ModuleOp module) {
  bool holds = true;
  for (const weft::Proof &proof : proveScheduled(module)) {
    claim(proof.claim, proof.holds);
    holds &= proof.holds;
  }
  return holds;
}

static int checkArtefact(const std::string &artefact) {
  Compiler compiler;
  bool holds = true;
  for (const ClosedPhase &closed : closedPhases) {
    // Reading runs the verifiers of all ops and types.
    OwningOpRef<ModuleOp> module =
        readPhase(compiler.context(), artefact, closed.phase);
    PassManager passes(&compiler.context());
    closed.addPasses(passes);
    bool isProved = module && succeeded(passes.run(*module));
    claim((toString(closed.phase) + ": " + closed.claim).str(), isProved);
    if (!isProved)
      llvm::errs() << "note: \"" << artefact << "/ir/" << toString(closed.phase)
                   << ".mlirbc\" is not as `weft compile` makes it: compile "
                      "the model again\n";
    holds &= isProved;
    if (isProved && closed.phase == Phase::Scheduled)
      holds &= proveSchedule(*module);
  }
  return holds ? Done : CompileFailed;
}

void weft::tool::addCheck(CLI::App &app, int &result) {
  auto artefact = std::make_shared<std::string>();
  CLI::App *command =
      app.add_subcommand("check", "Prove an artefact sound without running it");
  command->footer("  weft check build/");
  command->add_option("ARTEFACT", *artefact, "made by weft compile")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->callback([artefact, &result] { result = checkArtefact(*artefact); });
}
