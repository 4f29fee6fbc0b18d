// SPDX-License-Identifier: Apache-2.0
//
// `weft check`: every static proof on an artefact. The IR of its three phases
// is read again and verified as if it were new, so that an edit by hand is
// found; then all ranks are walked through the collectives of a step.
#include "Commands.h"
#include "Compiler.h"
#include "weft/IR/Dist/Dist.h"
#include "weft/Pipelines/StepCollectives.h"
#include "weft/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace weft;
using namespace weft::tool;

namespace {
/// A phase, the passes that close it and what they prove.
struct Proof {
  Phase phase;
  const char *claim;
  void (*addPasses)(PassManager &);
};
} // namespace

static const Proof proofs[] = {
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

static bool proveCollectives(ModuleOp module) {
  const Mesh &mesh = dist::meshOf(module).getMesh();
  std::vector<CollectiveCall> calls = callsOfStep(module);
  // One stage: all ranks run one program, so they share one list.
  std::vector<llvm::ArrayRef<CollectiveCall>> ranks(mesh.numRanks(), calls);
  auto message = proveOrder(mesh, ranks);
  claim("the " + std::to_string(mesh.numRanks()) + " ranks issue " +
            std::to_string(calls.size()) +
            " collectives each in one order, and none waits for ever",
        !message);
  if (message)
    llvm::errs() << "error: " << *message << "\n";
  return !message;
}

static int checkArtefact(const std::string &artefact) {
  Compiler compiler;
  bool holds = true;
  for (const Proof &proof : proofs) {
    // Reading runs the verifiers of all ops and types.
    OwningOpRef<ModuleOp> module =
        readPhase(compiler.context(), artefact, proof.phase);
    PassManager passes(&compiler.context());
    proof.addPasses(passes);
    bool isProved = module && succeeded(passes.run(*module));
    claim((toString(proof.phase) + ": " + proof.claim).str(), isProved);
    if (!isProved)
      llvm::errs() << "note: \"" << artefact << "/ir/" << toString(proof.phase)
                   << ".mlirbc\" is not as `weft compile` makes it: compile "
                      "the model again\n";
    holds &= isProved;
    if (isProved && proof.phase == Phase::Scheduled)
      holds &= proveCollectives(*module);
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
