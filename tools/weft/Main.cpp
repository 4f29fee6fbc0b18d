// SPDX-License-Identifier: Apache-2.0
//
// `weft`: the command line. Each subcommand is a file of its own; this one only
// lists them and turns errors of usage into exit code 2.
#include "Commands.h"
#include "weft/Plan/Config.h"

#include "llvm/Support/raw_ostream.h"

using namespace weft::tool;

// A mistyped subcommand is the most likely slip: offer the nearest.
static void suggestCommand(const CLI::App &app, int argc, char **argv) {
  if (argc < 2 || argv[1][0] == '-')
    return;
  std::vector<std::string> names;
  for (const CLI::App *command : app.get_subcommands({}))
    names.push_back(command->get_name());
  auto near = weft::nearest(argv[1], names);
  if (near && *near != argv[1])
    llvm::errs() << "note: did you mean \"weft " << *near << "\"?\n";
}

int main(int argc, char **argv) {
  CLI::App app("Weft compiles a model into a distributed training program.");
  app.name("weft");
  app.require_subcommand(1);
  app.footer("A model goes from weft-export (Python) through `weft compile` "
             "to `weft run`.\n`weft COMMAND --help` explains each; `weft "
             "config keys` explains the plan file.");
  int result = Done;
  addData(app, result);
  addPlan(app, result);
  addCompile(app, result);
  addCheck(app, result);
  addSimulate(app, result);
  addRun(app, result);
  addConfig(app, result);
  addDoctor(app, result);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // --help
    llvm::errs() << "error: " << error.what() << "\n";
    suggestCommand(app, argc, argv);
    llvm::errs() << "note: `weft --help` lists the commands\n";
    return BadUsage;
  }
  return result;
}
