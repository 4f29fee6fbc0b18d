// SPDX-License-Identifier: Apache-2.0
//
// `weft`: the command line. Each subcommand is a file of its own; this one only
// lists them and turns errors of usage into exit code 2.
#include "Commands.h"
#include "weft/Plan/Config.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/raw_ostream.h"

using namespace weft::tool;

// A mistyped command is the most likely slip: offer the nearest, or all.
static bool isKnownCommand(const CLI::App &app, llvm::StringRef name) {
  std::vector<std::string> names;
  for (const CLI::App *command : app.get_subcommands({}))
    names.push_back(command->get_name());
  if (name.starts_with("-") || llvm::is_contained(names, name))
    return true;
  llvm::errs() << "error: unknown command \"" << name << "\": expected "
               << llvm::join(names, ", ") << "\n";
  if (auto near = weft::nearest(name, names))
    llvm::errs() << "note: did you mean \"weft " << *near << "\"?\n";
  return false;
}

// What was printed counts only once it is written.
static int finishOutput(int result) {
  llvm::outs().flush();
  if (!llvm::outs().has_error())
    return result;
  llvm::errs() << "error: the output can't be written: "
               << llvm::outs().error().message() << "\n";
  llvm::outs().clear_error(); // else LLVM ends the process its own way
  return result == Done ? Storage : result;
}

int main(int argc, char **argv) {
  CLI::App app("Weft compiles a model into a distributed training program.");
  app.name("weft");
  app.require_subcommand(1);
  app.set_version_flag("--version",
                       "weft " WEFT_VERSION ", LLVM " LLVM_VERSION_STRING);
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
  if (argc > 1 && !isKnownCommand(app, argv[1]))
    return BadUsage;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // --help, --version
    llvm::errs() << "error: " << error.what() << "\n";
    llvm::errs() << "note: `weft --help` lists the commands\n";
    return BadUsage;
  }
  return finishOutput(result);
}
