// SPDX-License-Identifier: Apache-2.0
//
// `weft config`: the resolved plan file with the origin of each value, and the
// schema with its help.
#include "Commands.h"
#include "PlanOptions.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace weft;
using namespace weft::tool;

static int show(const PlanOptions &options) {
  std::optional<Config> config = options.load();
  if (!config)
    return BadUsage;
  llvm::outs() << toToml(*config, ShowOrigins::Yes);
  return Done;
}

static int printKeys(const std::string &only) {
  llvm::StringRef section;
  bool isFound = false;
  for (const ConfigKey &key : configKeys()) {
    if (!only.empty() && key.section != only && key.dotted() != only)
      continue;
    isFound = true;
    if (key.section != section)
      llvm::outs() << (section.empty() ? "[" : "\n[") << key.section << "]\n";
    section = key.section;
    llvm::outs() << llvm::formatv("{0,-22} {1}\n", key.name, key.help);
    auto detail = [](const char *name, llvm::StringRef text) {
      if (!text.empty())
        llvm::outs() << llvm::formatv("{0,-22}   {1}: {2}\n", "", name, text);
    };
    detail("default", key.defaultText);
    detail("values", key.allowed);
    detail("range", key.interval);
    detail("in this version", key.supported);
  }
  if (isFound)
    return Done;
  llvm::errs() << "error: no section or key \"" << only
               << "\"; `weft config keys` lists all\n";
  return BadUsage;
}

void weft::tool::addConfig(CLI::App &app, int &result) {
  CLI::App *config = app.add_subcommand(
      "config", "show the resolved plan, and which keys there are");
  config->require_subcommand(1);

  auto options = std::make_shared<PlanOptions>();
  CLI::App *showCommand = config->add_subcommand(
      "show", "print every key with its value and where it came from");
  options->addTo(*showCommand);
  showCommand->footer("Example:\n  weft config show -c weft.toml --set "
                      "mesh.tp=2\n\nThe output is itself a plan file.");
  showCommand->callback([options, &result] { result = show(*options); });

  auto only = std::make_shared<std::string>();
  CLI::App *keysCommand = config->add_subcommand(
      "keys", "print every key with its meaning, default and allowed values");
  keysCommand->add_option("only", *only, "a section or key: fsdp, mesh.tp");
  keysCommand->callback([only, &result] { result = printKeys(*only); });
}
