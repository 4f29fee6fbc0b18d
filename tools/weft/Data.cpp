// SPDX-License-Identifier: Apache-2.0
//
// `weft data`: hands its arguments to weft-data of the Python environment,
// where tokenizers are.
#include "Commands.h"
#include "Environment.h"

#include "llvm/Support/raw_ostream.h"

using namespace weft::tool;

static int runData(const std::vector<std::string> &arguments) {
  std::optional<std::string> program = findVenvProgram("weft-data");
  if (!program) {
    llvm::errs() << "error: weft-data is not installed: expected a Python "
                    "environment with Weft in $VIRTUAL_ENV or in a .venv "
                    "above "
                 << programFolder() << "\nnote: run tools/quickstart, or "
                 << "python3 -m venv .venv && .venv/bin/pip install -e "
                    "python\n";
    return BadUsage;
  }
  std::string reason = execute(*program, arguments);
  llvm::errs() << "error: " << *program << " can't be started: " << reason
               << "\n";
  return Internal;
}

void weft::tool::addData(CLI::App &app, int &result) {
  CLI::App *data = app.add_subcommand(
      "data", "make token files from text, and inspect them");
  // Everything behind `data` is weft-data's, --help too.
  data->prefix_command();
  data->set_help_flag();
  data->callback([data, &result] { result = runData(data->remaining()); });
}
