// SPDX-License-Identifier: Apache-2.0
//
// `weft check`: every static proof on an artefact. The IR of its three phases
// is read again and verified as if it were new, so that an edit by hand is
// found; then the scheduled program is proved (weft/Pipelines/Check.h), lowered
// again, and compared with what was built. Before, all files are compared with
// the manifest: what is proved of the IR holds for the program only if both
// are of one compilation.
#include "weft/Pipelines/Check.h"
#include "ArtefactFiles.h"
#include "Commands.h"
#include "Compiler.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace weft;
using namespace weft::tool;

namespace {
struct CheckOptions {
  std::string artefact, budget;
};

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

/// The program phase of a scheduled module; null with diagnostics.
static OwningOpRef<ModuleOp>
lowerAgain(ModuleOp scheduled, const weft::Config &config, Fusion fusion) {
  TargetConfig target;
  target.cpu = config.target.cpu;
  auto info = resolveTarget(target, scheduled.getLoc());
  OwningOpRef<ModuleOp> program = scheduled.clone();
  PassManager passes(scheduled.getContext());
  if (failed(info))
    return {};
  addProgramPasses(passes, *info, fusion);
  return succeeded(passes.run(*program)) ? std::move(program) : nullptr;
}

/// Proves the program, its size and that it is the one that was built.
static bool proveBuilt(ModuleOp scheduled, const CheckOptions &options) {
  auto config = loadConfig(options.artefact + "/plan.toml", {});
  if (!config) {
    llvm::errs() << llvm::toString(config.takeError()) << "\n";
    return false;
  }
  // One that stops at a phase has no program to compare with.
  llvm::Expected<llvm::json::Object> manifest = readManifest(options.artefact);
  bool isBuilt = bool(manifest);
  llvm::consumeError(manifest.takeError());
  bool isFused = !isBuilt || manifest->getBoolean("fused").value_or(true);
  OwningOpRef<ModuleOp> program =
      lowerAgain(scheduled, *config, isFused ? Fusion::On : Fusion::Off);
  if (!program) {
    claim("program: it can be made of the scheduled IR", false);
    return false;
  }
  weft::Proof calls = proveProgram(scheduled, *program);
  claim(calls.claim, calls.holds);
  auto memory =
      (*program)->getAttrOfType<DictionaryAttr>(prog::kMemoryAttrName);
  int64_t peak = memory.getAs<IntegerAttr>("peak").getInt();
  auto budget = options.budget.empty() ? std::optional<int64_t>()
                                       : parseByteSize(options.budget);
  bool fits = !budget || peak <= *budget;
  claim("a rank needs " + std::to_string(peak) + " bytes" +
            (budget ? ", of " + std::to_string(*budget) + " at most" : ""),
        fits);
  if (!isBuilt)
    return calls.holds && fits;
  bool isSame = manifest->getString("key") == contentKey(*program);
  claim("program.so is made of this IR", isSame);
  return calls.holds && fits && isSame;
}

/// Verifies one phase; the scheduled one is also proved.
static bool provePhase(Compiler &compiler, const CheckOptions &options,
                       const ClosedPhase &closed) {
  const std::string &artefact = options.artefact;
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
    return proveSchedule(*module) && proveBuilt(*module, options);
  return isProved;
}

static int checkArtefact(const CheckOptions &options) {
  if (!options.budget.empty() && !parseByteSize(options.budget)) {
    llvm::errs() << "error: \"--budget\" is no size: got \"" << options.budget
                 << "\", expected one such as \"2 GiB\"\n";
    return BadUsage;
  }
  const std::string &artefact = options.artefact;
  if (!llvm::sys::fs::is_directory(artefact + "/ir") && !isArtefact(artefact))
    return BadInput;
  std::vector<std::string> unreadable;
  // One that stops at a phase has no program, and no manifest of it.
  bool hasProgram =
      llvm::any_of(ArrayRef<StringRef>{"manifest.json", "program.so", "train"},
                   [&](StringRef name) {
                     return llvm::sys::fs::exists(artefact + "/" + name);
                   });
  bool isComplete = !hasProgram || proveFiles(artefact, unreadable);
  Compiler compiler;
  bool holds = true;
  for (const ClosedPhase &closed : closedPhases)
    if (!llvm::is_contained(unreadable,
                            ("ir/" + toString(closed.phase) + ".mlirbc").str()))
      holds &= provePhase(compiler, options, closed);
  if (!holds)
    return CompileFailed;
  return isComplete ? Done : BadInput;
}

void weft::tool::addCheck(CLI::App &app, int &result) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App *command =
      app.add_subcommand("check", "Prove an artefact sound without running it");
  command->footer("  weft check build/\n  weft check build/ --budget '16 GiB'");
  command->add_option("ARTEFACT", options->artefact, "made by weft compile")
      ->required();
  command->add_option("--budget", options->budget,
                      "fail if a rank needs more memory");
  command->callback([options, &result] { result = checkArtefact(*options); });
}
