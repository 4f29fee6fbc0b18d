// SPDX-License-Identifier: Apache-2.0
//
// train: the launcher that lies beside program.so in an artefact. It finds the
// program ($ORIGIN/program.so, or WEFT_PROGRAM), then is one rank, N threads,
// N processes, or a recorder.
#include "weft_runtime/Bootstrap.h"
#include "weft_runtime/Executor.h"
#include "weft_runtime/InProcess.h"
#include "weft_runtime/Launcher.h"
#include "weft_runtime/Trainer.h"

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

using namespace weft;
namespace fs = std::filesystem;

static volatile std::sig_atomic_t stopRequested = 0;

static void requestStop(int) { stopRequested = 1; }

static void catchSignals() {
  struct sigaction action{};
  action.sa_handler = requestStop;
  for (int signal : {SIGTERM, SIGINT})
    sigaction(signal, &action, nullptr);
}

static std::string programPath() {
  if (std::optional<std::string> given = processEnvironment("WEFT_PROGRAM"))
    return *given;
  return fs::read_symlink("/proc/self/exe").replace_filename("program.so");
}

/// Ends the rank's part in the run with the error's code, telling the peers
/// who is to blame.
static int leaveWith(const Error &error, Communicator &communicator) {
  int culprit = communicator.rank();
  if (const auto *failed = dynamic_cast<const PeerFailed *>(&error))
    culprit = failed->rank();
  communicator.leave(error.code(), culprit);
  reportError(error, communicator.rank(), communicator.worldSize());
  return static_cast<int>(error.code());
}

static int runRank(const Program &program, Communicator &communicator,
                   const TrainOptions &options) {
  try {
    if (options.measureMemory.empty())
      trainRank(program, communicator, options, stopRequested);
    else
      measureRank(program, communicator, options);
    return 0;
  } catch (const Error &error) {
    return leaveWith(error, communicator);
  } catch (const std::exception &error) {
    return leaveWith(Error(ExitCode::Internal, error.what()), communicator);
  }
}

static int runThreads(const Program &program, const TrainOptions &options) {
  InProcessHub hub(options.inProcess);
  std::vector<int> codes(options.inProcess, 0);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < options.inProcess; ++rank)
    threads.emplace_back([&, rank] {
      InProcessCommunicator communicator(hub, rank);
      codes[rank] = runRank(program, communicator, options);
    });
  for (std::thread &thread : threads)
    thread.join();
  const int peer = static_cast<int>(ExitCode::PeerFailed);
  int result = 0; // the cause before what follows from it
  for (int code : codes)
    if (result == 0 || (result == peer && code != 0))
      result = code;
  return result;
}

static const std::string &communicatorOf(const Program &program,
                                         const TrainOptions &options) {
  return options.communicator.empty() ? program.descriptor.communicator
                                      : options.communicator;
}

static int spawn(const TrainOptions &options, int argc, char **argv) {
  std::vector<std::string> arguments{fs::read_symlink("/proc/self/exe")};
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--spawn")
      ++i; // and its value
    else if (!argument.starts_with("--spawn="))
      arguments.push_back(argument);
  }
  Program program = loadProgram(programPath());
  checkCommunicator(communicatorOf(program, options),
                    program.descriptor.libraries);
  checkInputs(program, options, options.spawn);
  LaunchOptions launch;
  launch.numRanks = options.spawn;
  launch.runId = options.runId;
  return spawnLocalRanks(arguments, launch);
}

static int run(int argc, char **argv) {
  TrainOptions options = parseTrainOptions({argv + 1, argv + argc});
  if (options.help) {
    std::fputs(trainUsage().c_str(), stdout);
    return 0;
  }
  if (!options.record.empty()) { // one rank's, however many are asked for
    recordRank(loadProgram(programPath()), options);
    return 0;
  }
  if (options.spawn > 0)
    return spawn(options, argc, argv);
  Program program = loadProgram(programPath());
  catchSignals();
  if (options.inProcess > 0) {
    checkInputs(program, options, options.inProcess);
    return runThreads(program, options);
  }

  Bootstrap bootstrap = readBootstrap(processEnvironment);
  bootstrap.libraryFolders = program.descriptor.libraries;
  if (!options.runId.empty())
    bootstrap.runId = options.runId;
  if (options.timeoutSeconds > 0)
    bootstrap.timeoutSeconds = options.timeoutSeconds;
  std::unique_ptr<Communicator> communicator =
      makeCommunicator(communicatorOf(program, options), bootstrap,
                       Executor::sharedBytes(program.descriptor));
  return runRank(program, *communicator, options);
}

int main(int argc, char **argv) {
  int rank = 0, worldSize = 0; // a process alone is no rank yet
  try {
    Bootstrap bootstrap = readBootstrap(processEnvironment);
    rank = bootstrap.rank;
    worldSize = bootstrap.worldSize > 1 ? bootstrap.worldSize : 0;
    return run(argc, argv);
  } catch (const Error &error) {
    reportError(error, rank, worldSize);
    return static_cast<int>(error.code());
  } catch (const std::exception &error) {
    reportError(Error(ExitCode::Internal, error.what()), rank, worldSize);
    return static_cast<int>(ExitCode::Internal);
  }
}
