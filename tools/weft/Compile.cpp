// SPDX-License-Identifier: Apache-2.0
//
// `weft compile`: a model and a plan become an artefact.
#include "Commands.h"
#include "Compiler.h"
#include "Environment.h"
#include "PlanOptions.h"

#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <filesystem>

namespace fs = std::filesystem;
using namespace weft::tool;

namespace {
struct CompileOptions {
  std::string model, output;
  PlanOptions plan;
  bool verifyNumerics = false;
};
} // namespace

static int compile(const CompileOptions &options) {
  std::optional<weft::Config> config = options.plan.load();
  if (!config)
    return BadUsage;
  if (!fs::exists(fs::path(options.model) / "model.mlir")) {
    llvm::errs() << "error: \"" << options.model
                 << "\" is no exported model: it has no \"model.mlir\"\n"
                 << "note: make one by `weft-export --hf CONFIG -o "
                 << options.model << "`\n";
    return BadInput;
  }
  auto start = std::chrono::steady_clock::now();
  Compiler compiler;
  auto status = weft::compileModel(
      compiler.context(), options.model, options.output,
      programFolder() + "/train", *config, options.verifyNumerics);
  if (int code = compiler.exitCode(status))
    return code;
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  llvm::outs() << "compiled \"" << options.model << "\" for "
               << config->numRanks() << " ranks into \"" << options.output
               << "\" in " << llvm::format("%.1f", seconds.count()) << " s\n"
               << "next: weft run " << options.output
               << " --data DATA --steps 100\n";
  return Done;
}

void weft::tool::addCompile(CLI::App &app, int &result) {
  auto options = std::make_shared<CompileOptions>();
  CLI::App *command =
      app.add_subcommand("compile", "Compile a model and a plan");
  command->footer("Writes an artefact: the native program, the IR of three "
                  "phases, the plan and a manifest.\n\n"
                  "  weft compile model/ -c weft.toml -o build/\n"
                  "  weft compile model/ --set mesh.tp=2 -o build/");
  command->add_option("MODEL", options->model, "folder made by weft-export")
      ->required();
  command->add_option("-o,--output", options->output, "folder of the artefact")
      ->required();
  command->add_flag("--verify-each-numerics", options->verifyNumerics,
                    "run the program on the interpreter around every pass "
                    "and compare");
  options->plan.addTo(*command);
  command->callback([options, &result] { result = compile(*options); });
}
