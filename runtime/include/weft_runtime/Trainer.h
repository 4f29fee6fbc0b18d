// SPDX-License-Identifier: Apache-2.0
//
// Trainer: what `train` does on one rank, from the handshake to the dump.
#ifndef WEFT_RUNTIME_TRAINER_H
#define WEFT_RUNTIME_TRAINER_H

#include "weft_runtime/Bootstrap.h"
#include "weft_runtime/Descriptor.h"
#include "weft_runtime/TrainingData.h"

#include <csignal>
#include <string>

namespace weft {

struct TrainOptions {
  std::string data;
  std::string weights;      // empty: the descriptor's
  std::string metrics;      // empty: none
  std::string dump;         // empty: none
  std::string profile;      // empty: none
  std::string communicator; // empty: the descriptor's
  std::string runId;
  std::string measureMemory; // a file: compare a step with its memory plan
  std::string record; // a file: list the collectives of one step, then end
  int64_t steps = 0;  // 0: the descriptor's, if it has them
  int64_t logEvery = 10;
  uint64_t seed = 0;
  Order order = Order::Shuffled;
  int spawn = 0;             // local ranks to start, 0: this is a rank
  int inProcess = 0;         // ranks as threads, 0: none
  int rank = 0;              // whose collectives to record
  double timeoutSeconds = 0; // 0: the bootstrap's
  bool help = false;
};

/// Parses the command line; throws Error(Usage) naming the argument.
TrainOptions parseTrainOptions(const std::vector<std::string> &arguments);
/// The text of --help.
std::string trainUsage();

/// The learning rate of a step (from 1): linear warm-up, then the decay to
/// `lrMin` at the last of `steps`.
double learningRate(const OptimizerConfig &config, int64_t step, int64_t steps);

/// Compares key, mesh and world size of all ranks; throws Error(RanksDisagree)
/// naming the first that differs from rank 0, Error(Usage) if the mesh does
/// not fit the world size.
void handshake(const Descriptor &descriptor, Communicator &communicator);

/// Finds what is wrong with the command line and its files before ranks are
/// started, so that it is said once: throws Error(Usage) if an option is
/// missing or the mesh has not `numRanks` ranks, Error(InputFile) if data or
/// weights are not as the program needs them.
void checkInputs(const Program &program, const TrainOptions &options,
                 int numRanks);

/// Trains; returns when done or throws Error. `stopRequested` is set by a
/// signal handler.
void trainRank(const Program &program, Communicator &communicator,
               const TrainOptions &options,
               const volatile std::sig_atomic_t &stopRequested);

/// Runs one step on memory filled with a pattern, twice, and writes as JSON
/// what it changed in each region of each rank. Throws Error(Internal) if that
/// is not what was planned, to the byte, or if the step reads what nobody
/// wrote.
void measureRank(const Program &program, Communicator &communicator,
                 const TrainOptions &options);

/// Runs one step without data on the Recording communicator and writes a JSON
/// line per collective: {"function", "microbatch", "kind", "axes", "bytes",
/// "loc"}; bytes is what a rank puts in.
void recordRank(const Program &program, const TrainOptions &options);

/// Prints an error as `[rank 3/8] <message>` and its note; as `error:
/// <message>` where there are no ranks yet (`worldSize` 0).
void reportError(const Error &error, int rank, int worldSize);

} // namespace weft

#endif // WEFT_RUNTIME_TRAINER_H
