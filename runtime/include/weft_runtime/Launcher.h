// SPDX-License-Identifier: Apache-2.0
//
// Launcher: starts the ranks of one host and waits for them; what `weft run`
// and `train --spawn` call.
#ifndef WEFT_RUNTIME_LAUNCHER_H
#define WEFT_RUNTIME_LAUNCHER_H

#include <string>
#include <vector>

namespace weft {

struct LaunchOptions {
  int numRanks = 1;
  /// Empty: one that no other run has.
  std::string runId;
  /// How long the others may take to leave after the first has failed.
  double graceSeconds = 1.5;
  /// How long ranks may take to end their step after SIGTERM or SIGINT.
  double stopSeconds = 5;
};

/// Starts `arguments` (path first) once per rank with the variables of
/// torchrun set and this process's output, and returns the exit code of the
/// run:
///
///   all ranks end with 0             0
///   a rank is killed                 10, and the message names it
///   a rank ends with another code    that code; of several the first that is
///                                    neither 10 nor 20
///   SIGTERM or SIGINT to this        20, handed on to the ranks
///   process
///
/// After the first failure the others have `graceSeconds` to leave by
/// themselves, after a signal `stopSeconds`; then they are killed. Ranks do not
/// outlive this process.
int spawnLocalRanks(const std::vector<std::string> &arguments,
                    const LaunchOptions &options);

} // namespace weft

#endif // WEFT_RUNTIME_LAUNCHER_H
