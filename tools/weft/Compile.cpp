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
  weft::CompileJob job;
  PlanOptions plan;
  bool isUnfused = false;
  bool isTimed = false;
};
} // namespace

/// A path as a shell reads it back.
static std::string shellWord(llvm::StringRef path) {
  if (path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                             "XYZ0123456789_-./+,:=@%") ==
      llvm::StringRef::npos)
    return path.str();
  std::string word = "'";
  for (char c : path)
    word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

static int compile(const CompileOptions &options) {
  std::optional<weft::Config> config = options.plan.load();
  if (!config)
    return BadUsage;
  if (!fs::exists(fs::path(options.job.model) / "model.mlir")) {
    llvm::errs() << "error: \"" << options.job.model
                 << "\" is no exported model: it has no \"model.mlir\"\n"
                 << "note: make one by `weft-export --hf CONFIG -o "
                 << options.job.model << "`\n";
    return BadInput;
  }
  auto start = std::chrono::steady_clock::now();
  Compiler compiler;
  weft::CompileJob job = options.job;
  job.launcher = programFolder() + "/train";
  job.libraries =
      fs::path(programFolder()).parent_path().append("lib").string();
  job.fusion = options.isUnfused ? weft::Fusion::Off : weft::Fusion::On;
  mlir::DefaultTimingManager timer; // prints to stderr when it goes
  timer.setEnabled(options.isTimed);
  mlir::TimingScope timing = timer.getRootScope();
  job.timing = &timing;
  auto status = weft::compileModel(compiler.context(), job, *config);
  if (int code = compiler.exitCode(status))
    return code;
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  int64_t ranks = config->numRanks();
  llvm::outs() << "compiled \"" << options.job.model << "\" for " << ranks
               << (ranks == 1 ? " rank" : " ranks") << " into \""
               << options.job.output << "\" in "
               << llvm::format("%.1f", seconds.count()) << " s\n";
  if (job.last)
    llvm::outs() << "stopped at the " << toString(*job.last) << " phase\n";
  else
    llvm::outs() << "next: weft run " << shellWord(options.job.output)
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
  command->add_option("MODEL", options->job.model, "folder made by weft-export")
      ->required();
  command
      ->add_option("-o,--output", options->job.output, "folder of the artefact")
      ->required();
  command->add_flag("--verify-each-numerics", options->job.verifyNumerics,
                    "run the program on the interpreter around every pass "
                    "and compare");
  command->add_flag("--no-fusion", options->isUnfused,
                    "one loop per op, to see whether fusion is at fault; the "
                    "numbers stay the same");
  command
      ->add_option("--to", options->job.last,
                   "stop at this phase (global, typed, scheduled); only ir/ "
                   "and plan.toml are written")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, weft::Phase>{
              {"global", weft::Phase::Global},
              {"typed", weft::Phase::Typed},
              {"scheduled", weft::Phase::Scheduled}},
          CLI::ignore_case));
  command->add_flag("--timing", options->isTimed,
                    "print where the seconds went, pass by pass, to stderr");
  options->plan.addTo(*command);
  command->callback([options, &result] { result = compile(*options); });
}
