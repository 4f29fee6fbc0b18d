// SPDX-License-Identifier: Apache-2.0
//
// Reading the plan for a command.
#include "PlanOptions.h"

#include "weft/Target/ObjectEmitter.h"
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

// `weft.toml:3:7: `, or nothing for a default.
static std::string placeOf(const Config &config, llvm::StringRef key) {
  llvm::StringRef origin = config.originOf(key);
  return origin == "default" ? "" : origin.str() + ": ";
}

static bool isKnownCpu(const Config &config) {
  const std::string &cpu = config.target.cpu;
  std::vector<std::string> known = knownCpus();
  if (cpu == "native" || llvm::is_contained(known, cpu))
    return true;
  llvm::errs() << placeOf(config, "target.cpu")
               << "error: key \"target.cpu\" is no 64-bit CPU that LLVM knows: "
                  "got \""
               << cpu << "\"";
  if (auto near = nearest(cpu, known))
    llvm::errs() << "; did you mean \"" << *near << "\"?";
  llvm::errs() << "\nnote: write \"native\" for this machine's, or a name such "
                  "as \"x86-64-v3\"\n";
  return false;
}

// What the user asked for and won't get, as there is no axis to get it on.
static void remarkOnIdleKeys(const Config &config) {
  const std::pair<const char *, bool> wishes[] = {
      {"plan.sequence_parallel", config.plan.sequenceParallel},
      {"plan.loss_parallel", config.plan.lossParallel}};
  for (auto [key, isWished] : wishes)
    if (isWished && config.mesh.tp == 1)
      llvm::errs() << placeOf(config, key) << "remark: key \"" << key
                   << "\" = true changes nothing: mesh.tp is 1\n";
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
  if (!isKnownCpu(*config))
    return std::nullopt;
  remarkOnIdleKeys(*config);
  return std::move(*config);
}
