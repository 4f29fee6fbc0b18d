// SPDX-License-Identifier: Apache-2.0
//
// Reading the plan for a command.
#include "PlanOptions.h"

#include "llvm/Support/raw_ostream.h"

using namespace weft;
using namespace weft::tool;

void PlanOptions::addTo(CLI::App &command) {
  command.add_option("-c,--config", file, "the plan file (TOML)")
      ->type_name("FILE");
  command
      .add_option("--set", sets,
                  "override one key: --set mesh.tp=2; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      .add_option("--world", world,
                  "number of ranks: fills in an axis of -1, and checks the "
                  "product of the mesh")
      ->type_name("N");
}

std::optional<Config> PlanOptions::load() const {
  llvm::Expected<Config> config = loadConfig(file, sets);
  if (!config) {
    llvm::errs() << llvm::toString(config.takeError()) << "\n";
    return std::nullopt;
  }
  if (llvm::Error error = resolveMesh(*config, world)) {
    llvm::errs() << llvm::toString(std::move(error)) << "\n";
    return std::nullopt;
  }
  return std::move(*config);
}
