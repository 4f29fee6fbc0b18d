// SPDX-License-Identifier: Apache-2.0
//
// `weft check`: every static proof on an artefact. The IR of its three phases
// is read again and verified as if it were new, so that an edit by hand is
// found; then the scheduled program is proved (weft/Pipelines/Check.h). Before,
// all files are compared with the manifest: what is proved of the IR holds for
// the program only if both are of one compilation.
#include "weft/Pipelines/Check.h"
#include "ArtefactFiles.h"
#include "Commands.h"
#include "Compiler.h"
#include "weft/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
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

/// Compares the files of an artefact; fills in those that can't be proved.
static bool proveFiles(const std::string &artefact,
                       std::vector<std::string> &unreadable) {
  llvm::Expected<llvm::json::Object> manifest = readManifest(artefact);
  if (!manifest) {
    llvm::errs() << "error: " << llvm::toString(manifest.takeError())
                 << "\nnote: compile the model again\n";
    claim("files: there is a manifest to compare them with", false);
    return false;
  }
  std::vector<FileProblem> problems = compareFiles(artefact, *manifest);
  bool isUsable = printProblems(problems);
  for (const FileProblem &problem : problems)
    if (!problem.isEdited)
      unreadable.push_back(problem.name);
  claim("files: what the manifest records is what is there", isUsable);
  return isUsable;
}

/// Verifies one phase; the scheduled one is also proved.
static bool provePhase(Compiler &compiler, const std::string &artefact,
                       const ClosedPhase &closed) {
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
  if (isProved && closed.phase == Phase::Scheduled)
    return proveSchedule(*module);
  return isProved;
}

static int checkArtefact(const std::string &artefact) {
  if (!llvm::sys::fs::is_directory(artefact + "/ir") && !isArtefact(artefact))
    return BadInput;
  std::vector<std::string> unreadable;
  bool isComplete = proveFiles(artefact, unreadable);
  Compiler compiler;
  bool holds = true;
  for (const ClosedPhase &closed : closedPhases)
    if (!llvm::is_contained(unreadable,
                            ("ir/" + toString(closed.phase) + ".mlirbc").str()))
      holds &= provePhase(compiler, artefact, closed);
  if (!holds)
    return CompileFailed;
  return isComplete ? Done : BadInput;
}

void weft::tool::addCheck(CLI::App &app, int &result) {
  auto artefact = std::make_shared<std::string>();
  CLI::App *command =
      app.add_subcommand("check", "Prove an artefact sound without running it");
  command->footer("  weft check build/");
  command->add_option("ARTEFACT", *artefact, "made by weft compile")
      ->required();
  command->callback([artefact, &result] { result = checkArtefact(*artefact); });
}
