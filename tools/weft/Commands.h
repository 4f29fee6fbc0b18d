// SPDX-License-Identifier: Apache-2.0
//
// The subcommands of `weft`, one file each. A subcommand adds itself to the
// command line and, when chosen, does its work and leaves its exit code.
#ifndef WEFT_TOOLS_WEFT_COMMANDS_H
#define WEFT_TOOLS_WEFT_COMMANDS_H

#include <CLI/CLI.hpp>

namespace weft::tool {

/// What a command may return; the programs that `weft` starts use the rest.
enum ExitCode : int {
  Done = 0,
  BadUsage = 2, // command line or plan file
  BadInput = 3, // an input file
  CompileFailed = 4,
  PlanImpossible = 5, // the plan does not fit the model or the machine
  Storage = 13,       // an output that can't be written
  Internal = 70,
};

/// Adds a subcommand to `app`; it writes its exit code to `result`.
void addCheck(CLI::App &app, int &result);
void addCompile(CLI::App &app, int &result);
void addConfig(CLI::App &app, int &result);
void addData(CLI::App &app, int &result);
void addDoctor(CLI::App &app, int &result);
void addPlan(CLI::App &app, int &result);
void addRun(CLI::App &app, int &result);
void addSimulate(CLI::App &app, int &result);

} // namespace weft::tool

#endif // WEFT_TOOLS_WEFT_COMMANDS_H
