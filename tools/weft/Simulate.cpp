// SPDX-License-Identifier: Apache-2.0
//
// `weft simulate`: all ranks of an artefact in one process, on the
// interpreter, compared with the same program on one device.
#include "weft/Interpreter/Simulate.h"
#include "ArtefactFiles.h"
#include "Commands.h"
#include "Compiler.h"
#include "weft/Interpreter/Safetensors.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace weft;
using namespace weft::tool;
using namespace weft::interpreter;

namespace {
struct SimulateOptions {
  std::string artefact, data, weights, dump;
  int64_t steps = 1;
  bool isVerbose = false;
  bool isRounded = false;
};
} // namespace

/// The constant learning rate of both runs: schedules are not simulated.
static double learningRate(const llvm::json::Object &manifest) {
  const llvm::json::Object *optimizer = manifest.getObject("optimizer");
  return optimizer ? optimizer->getNumber("lr").value_or(0.0) : 0.0;
}

/// Weights, data and steps of both runs; prints what is missing.
static std::optional<RunInputs> collect(const SimulateOptions &options) {
  auto manifest = openArtefact(options.artefact,
                               {"ir/typed.mlirbc", "ir/scheduled.mlirbc"});
  if (!manifest)
    return std::nullopt;
  std::string weights = options.weights;
  if (weights.empty())
    if (const auto *known = manifest->getObject("weights"))
      weights = known->getString("path").value_or("").str();
  RunInputs inputs;
  auto tensors = readSafetensors(weights);
  auto batches = Batches::open(options.data);
  if (!tensors || !batches) {
    if (!tensors)
      llvm::errs() << "error: " << llvm::toString(tensors.takeError()) << "\n";
    if (!batches)
      llvm::errs() << "error: " << llvm::toString(batches.takeError()) << "\n";
    return std::nullopt;
  }
  inputs.weights = std::move(*tensors);
  inputs.data = std::move(*batches);
  inputs.steps = options.steps;
  double lr = learningRate(*manifest);
  inputs.learningRate = [lr](int64_t) { return lr; };
  return inputs;
}

/// The steps with every result rounded to its element type.
static mlir::FailureOr<RunResults> runRounded(mlir::ModuleOp module,
                                              RunInputs inputs) {
  inputs.arithmetic = Arithmetic::Rounded;
  return runSteps(module, inputs);
}

static int simulateArtefact(const SimulateOptions &options) {
  constexpr int64_t most = 1'000'000'000;
  if (options.steps < 1 || options.steps > most) {
    llvm::errs() << "error: option --steps is no number that fits: got "
                 << options.steps << ", expected 1 to " << most << "\n";
    return BadUsage;
  }
  std::optional<RunInputs> inputs = collect(options);
  if (!inputs)
    return BadInput;
  Compiler compiler;
  auto typed = readPhase(compiler.context(), options.artefact, Phase::Typed);
  auto local =
      readPhase(compiler.context(), options.artefact, Phase::Scheduled);
  if (!typed || !local)
    return BadInput;
  for (auto table : local->getOps<pipe::ScheduleOp>())
    for (auto entry : table.getEntries().getAsRange<mlir::DictionaryAttr>())
      if (auto number = entry.getAs<mlir::IntegerAttr>("microbatch"))
        inputs->microbatches =
            std::max(inputs->microbatches, number.getInt() + 1);
  auto ranks = runSteps(*local, *inputs);
  if (failed(ranks))
    return CompileFailed;
  if (!options.dump.empty()) {
    auto dumped = options.isRounded ? runRounded(*local, *inputs) : ranks;
    if (failed(dumped))
      return CompileFailed;
    if (llvm::Error error = writeDump(options.dump, *dumped)) {
      llvm::errs() << "error: " << llvm::toString(std::move(error)) << "\n";
      return BadInput;
    }
  }
  auto device = runSteps(*typed, *inputs);
  if (failed(device))
    return CompileFailed;
  Comparison comparison = compareRuns(*ranks, *device);
  comparison.print(llvm::outs(), options.isVerbose);
  return comparison.agrees() ? Done : CompileFailed;
}

void weft::tool::addSimulate(CLI::App &app, int &result) {
  auto options = std::make_shared<SimulateOptions>();
  CLI::App *command = app.add_subcommand(
      "simulate", "Run all ranks in one process and compare with one device");
  command->footer("The interpreter runs every rank of the scheduled program "
                  "in double precision,\nand the typed program on one device. "
                  "Loss, gradients and parameters must agree.\n\n"
                  "  weft simulate build/ --data data/ --steps 3");
  command->add_option("ARTEFACT", options->artefact, "made by weft compile")
      ->required();
  command->add_option("--data", options->data, "token or safetensors data")
      ->required();
  command->add_option("--weights", options->weights,
                      "folder of weights; the artefact's by default");
  command->add_option("--steps", options->steps, "training steps (default: 1)");
  command->add_option("--dump", options->dump,
                      "write losses, gradients and parameters here");
  command->add_flag("--rounded", options->isRounded,
                    "in the dump, round every result to its type");
  command->add_flag("--verbose", options->isVerbose, "list every tensor");
  command->callback(
      [options, &result] { result = simulateArtefact(*options); });
}
