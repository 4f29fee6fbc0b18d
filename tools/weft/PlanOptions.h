// SPDX-License-Identifier: Apache-2.0
//
// The options by which every command that needs a plan is given one.
#ifndef WEFT_TOOLS_WEFT_PLANOPTIONS_H
#define WEFT_TOOLS_WEFT_PLANOPTIONS_H

#include "weft/Plan/Config.h"
#include <CLI/CLI.hpp>

namespace weft::tool {

struct PlanOptions {
  std::string file;              // -c
  std::vector<std::string> sets; // --set
  std::optional<int64_t> world;  // --world

  void addTo(CLI::App &command);
  /// The config with its mesh resolved; prints the errors if there are any.
  std::optional<Config> load() const;
};

} // namespace weft::tool

#endif // WEFT_TOOLS_WEFT_PLANOPTIONS_H
