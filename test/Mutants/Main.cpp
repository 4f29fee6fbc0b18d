// SPDX-License-Identifier: Apache-2.0
//
// weft-mutants: makes every mutation of an artefact's IR, one at a time, and
// prints one JSON line for each: phase, kind, what, who rejects it. What no
// static check rejects in the program phase is built into a folder, to be run.
#include "Judge.h"
#include "Mutations.h"
#include "mlir/Pass/PassManager.h"
#include "weft/Interpreter/Safetensors.h"
#include "weft/Pipelines/Compile.h"
#include "weft/Pipelines/StepCollectives.h"
#include "weft/Target/Program.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace weft;
using namespace weft::mutants;
namespace cl = llvm::cl;

static cl::opt<std::string> artefact(cl::Positional, cl::Required,
                                     cl::desc("ARTEFACT"));
static cl::opt<std::string> data("data", cl::Required,
                                 cl::desc("token or safetensors data"));
static cl::opt<std::string> weights("weights", cl::Required,
                                    cl::desc("folder of weights"));
static cl::opt<std::string> programs("programs", cl::Required,
                                     cl::desc("folder for mutated programs"));
static cl::opt<int> every("every", cl::init(1),
                          cl::desc("of each kind, take one in so many"));
static cl::opt<int> builds("builds", cl::init(4),
                           cl::desc("programs to build of each kind"));

namespace {
/// Prints verdicts and thins out kinds.
class Report {
public:
  /// True if this mutation of its kind is to be taken.
  bool takes(StringRef phase, const Mutation &mutation) {
    return counts[(phase + "/" + mutation.kind).str()]++ % every == 0;
  }
  void add(StringRef phase, const Mutation &mutation, const Verdict &verdict,
           StringRef program = "") {
    llvm::json::Object line{{"phase", phase},
                            {"kind", mutation.kind},
                            {"what", mutation.what},
                            {"killed_by", verdict.killedBy},
                            {"message", verdict.message}};
    if (!program.empty())
      line["program"] = program;
    llvm::outs() << llvm::json::Value(std::move(line)) << "\n";
    llvm::outs().flush();
  }

private:
  llvm::StringMap<int> counts;
};
} // namespace

static void runPhase(Report &report, StringRef phase, ModuleOp module,
                     std::vector<Mutation> mutations,
                     llvm::function_ref<Verdict(ModuleOp)> judge) {
  for (const Mutation &mutation : mutations) {
    if (!report.takes(phase, mutation))
      continue;
    OwningOpRef<ModuleOp> mutant = mutate(module, mutation);
    report.add(phase, mutation, judge(*mutant));
  }
}

/// Ranks with an odd coordinate on one axis issue two calls in the other
/// order; no IR can say this, so it is done to the lists.
static void runOrder(Report &report, ModuleOp scheduled) {
  const Mesh &mesh = dist::meshOf(scheduled).getMesh();
  std::vector<CollectiveCall> calls = callsOfStep(scheduled);
  for (int axis = 0; axis < mesh.numAtoms(); ++axis)
    for (size_t i = 0; i + 1 < calls.size(); ++i) {
      Mutation mutation{"swap calls on some ranks",
                        "along " + mesh.atomName(axis) + ": " + calls[i].what +
                            " / " + calls[i + 1].what,
                        0,
                        {}};
      if (calls[i] == calls[i + 1] || !report.takes("scheduled", mutation))
        continue;
      std::vector<CollectiveCall> swapped(calls);
      std::swap(swapped[i], swapped[i + 1]);
      std::vector<llvm::ArrayRef<CollectiveCall>> lists;
      for (int64_t at = 0; at < mesh.atomSize(axis); ++at)
        lists.push_back(at % 2 ? swapped : calls);
      // Where the proof holds, every group meets in the same calls as before.
      Verdict verdict;
      if (auto message = proveOrder(mesh, {axis}, lists))
        verdict = {"check", *message};
      else
        verdict.message = "equivalent: the ranks of every group still meet in "
                          "the same calls";
      report.add("scheduled", mutation, verdict);
    }
}

static LogicalResult runProgram(Report &report, Judge &judge,
                                ModuleOp scheduled, const Config &config) {
  TargetConfig target;
  target.cpu = config.target.cpu;
  target.optLevel = 0;
  auto info = resolveTarget(target, scheduled.getLoc());
  OwningOpRef<ModuleOp> program = scheduled.clone();
  PassManager passes(scheduled.getContext());
  if (failed(info))
    return failure();
  addProgramPasses(passes, *info);
  if (failed(passes.run(*program)))
    return failure();
  llvm::StringMap<int> built;
  int numBuilt = 0;
  for (const Mutation &mutation : programMutations(*program)) {
    if (!report.takes("program", mutation))
      continue;
    OwningOpRef<ModuleOp> mutant = mutate(*program, mutation);
    Verdict verdict = judge.judgeProgram(*mutant);
    std::string folder;
    if (verdict.killedBy.empty() && built[mutation.kind]++ < builds) {
      folder = programs + "/" + std::to_string(numBuilt++);
      if (failed(emitProgram(*mutant, folder, target)))
        verdict = {"verifier", "cannot be emitted"}, folder.clear();
    } else if (verdict.killedBy.empty()) {
      continue; // not taken
    }
    report.add("program", mutation, verdict, folder);
  }
  return success();
}

static std::optional<interpreter::RunInputs> readInputs(const Config &config) {
  interpreter::RunInputs inputs;
  auto tensors = interpreter::readSafetensors(weights);
  auto batches = interpreter::Batches::open(data);
  if (!tensors || !batches) {
    llvm::errs() << "error: no weights or data\n";
    llvm::consumeError(tensors.takeError());
    llvm::consumeError(batches.takeError());
    return std::nullopt;
  }
  inputs.weights = std::move(*tensors);
  inputs.data = std::move(*batches);
  // Two steps: what goes wrong at the end of one is seen in the next.
  inputs.steps = 2;
  inputs.microbatches = config.step.microbatches;
  double lr = config.optimizer.lr;
  inputs.learningRate = [lr](int64_t) { return lr; };
  return inputs;
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "mutants of a compiled program\n");
  DialectRegistry registry;
  registerWeftDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  context.printOpOnDiagnostic(false);
  auto config = loadConfig(artefact + "/plan.toml", {});
  auto typed = readPhase(context, artefact, Phase::Typed);
  auto scheduled = readPhase(context, artefact, Phase::Scheduled);
  if (!config || !typed || !scheduled) {
    llvm::errs() << "error: \"" << artefact << "\" is no artefact\n";
    llvm::consumeError(config.takeError());
    return 3;
  }
  auto inputs = readInputs(*config);
  if (!inputs)
    return 3;
  auto judge = Judge::create(*typed, *scheduled, *config, *inputs);
  if (!judge)
    return 4;
  Report report;
  runPhase(report, "typed", *typed, typedMutations(*typed),
           [&](ModuleOp mutant) { return judge->judgeTyped(mutant); });
  runPhase(report, "scheduled", *scheduled, scheduledMutations(*scheduled),
           [&](ModuleOp mutant) { return judge->judgeScheduled(mutant); });
  runOrder(report, *scheduled);
  return succeeded(runProgram(report, *judge, *scheduled, *config)) ? 0 : 4;
}
