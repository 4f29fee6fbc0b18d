// SPDX-License-Identifier: Apache-2.0
//
// `weft run`: trains an artefact on ranks of this host. It asks the manifest
// for the mesh and becomes `train --spawn N`; the launcher, the checks and the
// exit codes are the runtime's, as under torchrun.
#include "ArtefactFiles.h"
#include "Commands.h"
#include "Environment.h"

#include "llvm/Support/raw_ostream.h"
#include <filesystem>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace weft;
using namespace weft::tool;

static const char *usage =
    R"(Trains an artefact of `weft compile`, one process per rank of its mesh.
Usage: weft run ARTEFACT --data FOLDER --steps N [OPTIONS]

  weft run build/ --data data/ --steps 100
  weft run build/ --data data/ --steps 100 --metrics loss.jsonl
  weft run build/ --help            the options of the program

Across hosts, start build/train by torchrun --no-python, srun or mpirun.
)";

// The number of ranks that the program of a manifest is compiled for.
static int64_t numRanks(const llvm::json::Object &manifest) {
  int64_t ranks = 1;
  if (const llvm::json::Array *mesh = manifest.getArray("mesh"))
    for (const llvm::json::Value &axis : *mesh)
      if (const llvm::json::Object *fields = axis.getAsObject())
        ranks *= fields->getInteger("size").value_or(1);
  return ranks;
}

// Why `train` can't be started, if that is known before.
static std::optional<std::string> whyNoLauncher(const fs::path &train) {
  std::error_code error;
  if (!fs::exists(train, error))
    return "\"" + train.parent_path().string() +
           "\" is no artefact: it has no \"train\"";
  if (access(train.c_str(), X_OK) != 0)
    return "\"" + train.string() + "\" is not executable";
  return std::nullopt;
}

static int runArtefact(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    llvm::outs() << usage;
    return arguments.empty() ? BadUsage : Done;
  }
  std::string folder = arguments[0];
  arguments.erase(arguments.begin());
  auto manifest = openArtefact(folder, {kProgramName.str()});
  if (!manifest)
    return BadInput;
  fs::path train = fs::absolute(fs::path(folder) / "train");
  if (auto reason = whyNoLauncher(train)) {
    llvm::errs() << "error: " << *reason << "\nnote: compile the model again\n";
    return BadInput;
  }
  // One rank needs no launcher, and is then easy to debug. A number given by
  // the user is the launcher's to refuse.
  int64_t ranks = numRanks(*manifest);
  bool isGiven = llvm::any_of(arguments, [](llvm::StringRef argument) {
    return argument == "--spawn" || argument.starts_with("--spawn=") ||
           argument.starts_with("--in-process") || argument == "--help";
  });
  if (ranks > 1 && !isGiven) {
    arguments.emplace_back("--spawn");
    arguments.push_back(std::to_string(ranks));
  }
  std::string reason = execute(train.string(), arguments);
  llvm::errs() << "error: \"" << train.string()
               << "\" can't be started: " << reason << "\n";
  return Internal;
}

void weft::tool::addRun(CLI::App &app, int &result) {
  CLI::App *run =
      app.add_subcommand("run", "train an artefact on ranks of this host");
  // The options are the program's own, --help too.
  run->prefix_command();
  run->set_help_flag();
  run->callback([run, &result] { result = runArtefact(run->remaining()); });
}
