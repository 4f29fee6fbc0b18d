// SPDX-License-Identifier: Apache-2.0
//
// `weft run`: trains an artefact on ranks of this host. It asks the program
// for its mesh and becomes `train --spawn N`; the launcher, the checks and the
// exit codes are the runtime's, as under torchrun.
#include "Commands.h"
#include "Environment.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <dlfcn.h>
#include <filesystem>

namespace fs = std::filesystem;
using namespace weft::tool;

static const char *usage =
    R"(Trains an artefact of `weft compile`, one process per rank of its mesh.
Usage: weft run ARTEFACT --data FOLDER --steps N [OPTIONS]

  weft run build/ --data data/ --steps 100
  weft run build/ --data data/ --steps 100 --metrics loss.jsonl
  weft run build/ --help            the options of the program

Across hosts, start build/train by torchrun --no-python, srun or mpirun.
)";

// The number of ranks that the program in `path` is compiled for.
static llvm::Expected<int64_t> numRanks(const fs::path &path) {
  auto failure = [&](const llvm::Twine &reason) {
    return llvm::createStringError("\"" + path.string() +
                                   "\" is no program: " + reason);
  };
  void *program = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!program)
    return failure(dlerror());
  auto *text = static_cast<const char *>(dlsym(program, "weft_program"));
  if (!text)
    return failure("it has no descriptor");
  llvm::Expected<llvm::json::Value> descriptor = llvm::json::parse(text);
  if (!descriptor)
    return failure(llvm::toString(descriptor.takeError()));
  const llvm::json::Object *object = descriptor->getAsObject();
  const llvm::json::Array *mesh = object ? object->getArray("mesh") : nullptr;
  if (!mesh)
    return failure("its descriptor has no mesh");
  int64_t ranks = 1;
  for (const llvm::json::Value &axis : *mesh)
    if (const llvm::json::Object *fields = axis.getAsObject())
      ranks *= fields->getInteger("size").value_or(1);
  return ranks;
}

static int runArtefact(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    llvm::outs() << usage;
    return arguments.empty() ? BadUsage : Done;
  }
  fs::path folder = arguments[0];
  arguments.erase(arguments.begin());
  std::error_code error;
  if (!fs::exists(folder / "train", error)) {
    llvm::errs() << "error: \"" << folder.string()
                 << "\" is no artefact: it has no \"train\"\n"
                 << "note: make one by `weft compile MODEL -c PLAN -o "
                 << folder.string() << "`\n";
    return BadInput;
  }
  llvm::Expected<int64_t> ranks = numRanks(fs::absolute(folder / "program.so"));
  if (!ranks) {
    llvm::errs() << "error: " << llvm::toString(ranks.takeError()) << "\n";
    return BadInput;
  }
  // One rank needs no launcher, and is then easy to debug.
  if (*ranks > 1) {
    arguments.push_back("--spawn");
    arguments.push_back(std::to_string(*ranks));
  }
  std::string train = fs::absolute(folder / "train").string();
  std::string reason = execute(train, arguments);
  llvm::errs() << "error: \"" << train << "\" can't be started: " << reason
               << "\n";
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
