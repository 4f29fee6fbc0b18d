// SPDX-License-Identifier: Apache-2.0
//
// Trainer: handshake, load, steps, dump.
#include "weft_runtime/Trainer.h"
#include "weft_runtime/BatchInputs.h"
#include "weft_runtime/Files.h"
#include "weft_runtime/Profile.h"
#include "weft_runtime/Progress.h"
#include "weft_runtime/Weights.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

using namespace weft;

//===----------------------------------------------------------------------===//
// Handshake
//===----------------------------------------------------------------------===//

namespace {
/// What every rank says about itself, of one size whatever it runs.
struct Introduction {
  char key[128] = {};
  char mesh[384] = {};
  int64_t abi = WEFT_ABI_VERSION;
  int64_t worldSize = 0;
};
} // namespace

static Introduction introduce(const Descriptor &descriptor, int worldSize) {
  Introduction own;
  descriptor.key.copy(own.key, sizeof(own.key) - 1);
  descriptor.mesh.text().copy(own.mesh, sizeof(own.mesh) - 1);
  own.worldSize = worldSize;
  return own;
}

static void checkWorldSize(const Descriptor &descriptor, int worldSize) {
  int64_t needed = descriptor.mesh.worldSize();
  if (needed == worldSize)
    return;
  std::string ranks =
      std::to_string(needed) + (needed == 1 ? " rank" : " ranks");
  throw Error(ExitCode::Usage,
              "mesh (" + descriptor.mesh.text() + ") needs " + ranks +
                  ": got " + std::to_string(worldSize),
              "start " + ranks + ", or compile for another mesh");
}

void weft::handshake(const Descriptor &descriptor, Communicator &communicator) {
  Introduction own = introduce(descriptor, communicator.worldSize());
  std::vector<Introduction> all(communicator.worldSize());
  communicator.allGather(communicator.world(), &own, all.data(), sizeof(own));
  for (size_t rank = 1; rank < all.size(); ++rank) {
    auto differ = [&](const std::string &what, const std::string &got,
                      const std::string &expected) {
      throw Error(ExitCode::RanksDisagree,
                  "rank " + std::to_string(rank) + " has another " + what +
                      " than rank 0: got " + quote(got) + ", expected " +
                      quote(expected),
                  "copy one artefact to all hosts and start it on every rank");
    };
    const Introduction &other = all[rank], &first = all[0];
    if (std::strcmp(other.key, first.key) != 0)
      differ("program", other.key, first.key);
    if (std::strcmp(other.mesh, first.mesh) != 0)
      differ("mesh", other.mesh, first.mesh);
    if (other.abi != first.abi)
      differ("ABI version", std::to_string(other.abi),
             std::to_string(first.abi));
    if (other.worldSize != first.worldSize)
      differ("world size", std::to_string(other.worldSize),
             std::to_string(first.worldSize));
  }
  checkWorldSize(descriptor, communicator.worldSize());
}

//===----------------------------------------------------------------------===//
// One rank
//===----------------------------------------------------------------------===//

namespace {
/// One rank's run: its memory, its data, and what to report.
class RankRun {
public:
  RankRun(const Program &program, Communicator &communicator,
          const TrainOptions &options);
  void train(const volatile std::sig_atomic_t &stopRequested);

private:
  StepReport runStep(int64_t step);
  void checkFinite(const StepReport &report) const;
  void openProfile();
  void writeProfile();
  std::string whereabouts(int64_t step) const;

  const Program &program;
  const Descriptor &descriptor;
  Communicator &communicator;
  const TrainOptions &options;
  Executor executor;
  int64_t steps;
  BatchInputs inputs;
  RunResults results;
  std::optional<Profile> profile;
  std::optional<FileWriter> profileFile;
};
} // namespace

/// Throws if the command line lacks what the program can't run without; all of
/// it in one message.
static void checkComplete(const TrainOptions &options,
                          const Descriptor &descriptor) {
  std::vector<std::string> missing;
  bool hasInputs =
      std::any_of(descriptor.slots.begin(), descriptor.slots.end(),
                  [](const Slot &slot) { return slot.kind == "input"; });
  if (hasInputs && options.data.empty())
    missing.emplace_back("--data PATH");
  bool hasSteps = options.steps > 0 || descriptor.optimizer.steps > 0;
  if (!hasSteps && options.measureMemory.empty())
    missing.emplace_back("--steps N");
  if (missing.empty())
    return;
  std::string list = missing.front();
  if (missing.size() > 1)
    list += " and " + missing.back();
  throw Error(ExitCode::Usage,
              "the command line is not complete: expected " + list,
              "add " + list + "; --help lists all options");
}

static int64_t numSteps(const TrainOptions &options,
                        const Descriptor &descriptor) {
  checkComplete(options, descriptor);
  return options.steps > 0 ? options.steps : descriptor.optimizer.steps;
}

void weft::checkInputs(const Program &program, const TrainOptions &options,
                       int numRanks) {
  const Descriptor &descriptor = program.descriptor;
  checkWorldSize(descriptor, numRanks);
  checkComplete(options, descriptor);
  if (!options.data.empty())
    TrainingData(options.data, descriptor);
  checkWeights(weightsFolder(options.weights, program), descriptor);
}

RankRun::RankRun(const Program &program, Communicator &communicator,
                 const TrainOptions &options)
    : program(program), descriptor(program.descriptor),
      communicator(communicator), options(options),
      executor(program, communicator), steps(numSteps(options, descriptor)),
      inputs(options, descriptor, communicator.rank()) {
  openProfile();
  loadWeights(weightsFolder(options.weights, program), descriptor,
              executor.regions(), communicator.rank());
}

/// Opens the file before the run that it describes.
void RankRun::openProfile() {
  if (options.profile.empty())
    return;
  profile.emplace(descriptor);
  executor.setProfile(&*profile);
  if (communicator.rank() == 0)
    profileFile.emplace(options.profile);
}

void RankRun::writeProfile() {
  if (!profile)
    return;
  ProfileReport report = profile->report(communicator);
  if (!profileFile)
    return;
  std::string json = profileJson(report), table = profileTable(report);
  profileFile->write(json.data(), static_cast<int64_t>(json.size()));
  profileFile->commit();
  std::fwrite(table.data(), 1, table.size(), stderr);
}

StepReport RankRun::runStep(int64_t step) {
  auto begin = std::chrono::steady_clock::now();
  if (profile)
    profile->beginStep();
  inputs.fill(step, executor.regions());
  if (profile)
    profile->enter(Profile::Outside::Host);
  bool keepsGradients = step == steps && !options.dump.empty();
  executor.runStep(step, learningRate(descriptor.optimizer, step, steps),
                   [&](const Call &call) {
                     if (keepsGradients && isUpdate(call))
                       results.gradients.take(descriptor, executor.regions());
                   });
  executor.checkFingerprint();
  if (profile)
    profile->endStep();
  std::chrono::duration<double, std::milli> took =
      std::chrono::steady_clock::now() - begin;
  StepReport report;
  report.step = step;
  report.loss = executor.scalar("loss");
  report.gradNorm = executor.scalar("grad_norm");
  report.tokens = executor.scalar("num_tokens");
  report.isSkipped = executor.scalar("skipped") != 0;
  report.stepMs = took.count();
  return report;
}

void RankRun::checkFinite(const StepReport &report) const {
  bool isLossFinite = std::isfinite(report.loss);
  if ((isLossFinite && std::isfinite(report.gradNorm)) || report.isSkipped)
    return;
  throw Error(ExitCode::NonFinite,
              isLossFinite ? "the gradient norm is not finite: got " +
                                 std::to_string(report.gradNorm)
                           : "the loss is not finite: got " +
                                 std::to_string(report.loss),
              "lower optimizer.lr, or set optimizer.skip_nonfinite = true");
}

std::string RankRun::whereabouts(int64_t step) const {
  std::string place = "step " + std::to_string(step) + ": ";
  std::string last = executor.lastCollective();
  return last.empty() ? place : place + "in " + last + ": ";
}

void RankRun::train(const volatile std::sig_atomic_t &stopRequested) {
  std::optional<Progress> progress;
  if (communicator.rank() == 0) {
    if (!options.dump.empty())
      makeDumpFolder(options.dump);
    progress.emplace(steps, options.logEvery, options.metrics);
  }
  results.losses.reserve(steps); // so that steps allocate nothing
  for (int64_t step = 1; step <= steps; ++step) {
    try {
      StepReport report = runStep(step);
      results.losses.push_back(report.loss);
      if (progress)
        progress->report(report);
      checkFinite(report);
      if (profile && step == 1 && steps > 1)
        profile->dropSteps();
    } catch (const PeerFailed &error) {
      throw PeerFailed(error.rank(), static_cast<int>(error.code()),
                       whereabouts(step) + error.what());
    } catch (const Error &error) {
      throw Error(error.code(), whereabouts(step) + error.what(), error.note());
    }
    if (stopRequested && step < steps)
      throw Error(ExitCode::Stopped,
                  "stopped by a signal after step " + std::to_string(step));
  }
  writeProfile();
  if (!options.dump.empty())
    writeDump(options.dump, program, executor.regions(), communicator, results);
}

void weft::trainRank(const Program &program, Communicator &communicator,
                     const TrainOptions &options,
                     const volatile std::sig_atomic_t &stopRequested) {
  handshake(program.descriptor, communicator);
  RankRun(program, communicator, options).train(stopRequested);
}

void weft::reportError(const Error &error, int rank, int worldSize) {
  std::string who = worldSize == 0 ? "error: "
                                   : "[rank " + std::to_string(rank) + "/" +
                                         std::to_string(worldSize) + "] ";
  std::string text = who + error.what() + "\n";
  if (!error.note().empty())
    text += "note: " + error.note() + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr); // one write: not mixed
}
