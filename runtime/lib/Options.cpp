// SPDX-License-Identifier: Apache-2.0
//
// Options: the command line of `train`. One table says name, place and help.
#include "weft_runtime/Error.h"
#include "weft_runtime/Trainer.h"

#include <charconv>
#include <functional>

using namespace weft;

namespace {
struct OptionEntry {
  const char *name;
  const char *value; // what --help calls it; null: a flag
  const char *help;
  std::function<void(TrainOptions &, const std::string &)> set;
};
} // namespace

template <typename T> static T parseNumber(const std::string &text, T least) {
  T value{};
  const char *end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < least)
    throw Error(ExitCode::Usage, "is no number that fits: got " + quote(text) +
                                     ", expected at least " +
                                     std::to_string(least));
  return value;
}

static auto text(std::string TrainOptions::*field) {
  return [field](TrainOptions &options, const std::string &value) {
    options.*field = value;
  };
}

template <typename T> static auto number(T TrainOptions::*field, T least) {
  return [=](TrainOptions &options, const std::string &value) {
    options.*field = parseNumber<T>(value, least);
  };
}

static void setOrder(TrainOptions &options, const std::string &value) {
  if (value != "sequential" && value != "shuffled")
    throw Error(ExitCode::Usage, "is unknown: got " + quote(value) +
                                     ", expected sequential or shuffled");
  options.order = value == "shuffled" ? Order::Shuffled : Order::Sequential;
}

static void setTimeout(TrainOptions &options, const std::string &value) {
  double seconds = 0;
  const char *end = value.data() + value.size();
  auto [stop, error] = std::from_chars(value.data(), end, seconds);
  // Not ">= 1e9": a number that is NaN is out of range.
  if (error != std::errc() || stop != end || !(seconds > 0 && seconds < 1e9))
    throw Error(ExitCode::Usage,
                "is no time that fits: got " + quote(value) +
                    ", expected seconds, more than 0 and less than 1e9");
  options.timeoutSeconds = seconds;
}

static void setCommunicator(TrainOptions &options, const std::string &value) {
  if (!isCommunicatorName(value))
    throw Error(ExitCode::Usage, "is unknown: got " + quote(value) +
                                     ", expected " + communicatorNames);
  options.communicator = value;
}

static const std::vector<OptionEntry> &table() {
  using O = TrainOptions;
  static const std::vector<OptionEntry> entries = {
      {"--data", "PATH", "token file, .safetensors file, or a folder of them",
       text(&O::data)},
      {"--steps", "N", "optimizer steps", number<int64_t>(&O::steps, 1)},
      {"--weights", "DIR",
       "folder of the stored parameters (default: the "
       "exported model's)",
       text(&O::weights)},
      {"--order", "ORDER", "sequential or shuffled (default: shuffled)",
       setOrder},
      {"--seed", "N", "of the shuffled order (default: 0)",
       number<uint64_t>(&O::seed, 0)},
      {"--log-every", "N", "steps between progress lines (default: 10)",
       number<int64_t>(&O::logEvery, 1)},
      {"--metrics", "FILE", "write one JSON line per step", text(&O::metrics)},
      {"--dump", "DIR", "write losses, gradients and parameters at the end",
       text(&O::dump)},
      {"--profile", "FILE", "write where the time of a step goes, print it too",
       text(&O::profile)},
      {"--communicator", "NAME", communicatorNames, setCommunicator},
      {"--run-id", "ID", "tells runs at one address apart", text(&O::runId)},
      {"--timeout", "SECONDS", "how long to wait for a peer (default: 600)",
       setTimeout},
      {"--spawn", "N", "start N local ranks", number<int>(&O::spawn, 1)},
      {"--in-process", "N", "run N ranks as threads of this process",
       number<int>(&O::inProcess, 1)},
      {"--measure-memory", "FILE",
       "run one step and compare the bytes it writes with the memory plan",
       text(&O::measureMemory)},
      {"--record", "FILE", "list the collectives of one step, without data",
       text(&O::record)},
      {"--rank", "R", "whose collectives to record (default: 0)",
       number<int>(&O::rank, 0)},
      {"--help", nullptr, "print this",
       [](O &options, const std::string &) { options.help = true; }},
  };
  return entries;
}

std::string weft::trainUsage() {
  std::string result = "usage: train --data PATH --steps N [options]\n";
  for (const OptionEntry &entry : table()) {
    std::string left = std::string("  ") + entry.name +
                       (entry.value ? std::string(" ") + entry.value : "");
    left.resize(26, ' ');
    result += left + entry.help + "\n";
  }
  return result + "Ranks come from RANK and WORLD_SIZE (torchrun), srun or "
                  "mpirun; without them there is one.\n";
}

TrainOptions
weft::parseTrainOptions(const std::vector<std::string> &arguments) {
  TrainOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    std::optional<std::string> value;
    if (size_t equal = name.find('='); equal != std::string::npos) {
      value = name.substr(equal + 1);
      name.resize(equal);
    }
    const OptionEntry *found = nullptr;
    for (const OptionEntry &entry : table())
      if (name == entry.name)
        found = &entry;
    if (!found)
      throw Error(ExitCode::Usage, "option is unknown: got " + quote(name),
                  "run train --help for the list");
    if (found->value && !value) {
      if (++i == arguments.size())
        throw Error(ExitCode::Usage, "option " + name + " lacks its value");
      value = arguments[i];
    }
    try {
      found->set(options, value.value_or(""));
    } catch (const Error &error) {
      throw Error(error.code(), "option " + name + " " + error.what());
    }
  }
  return options;
}
