// SPDX-License-Identifier: Apache-2.0
//
// Bootstrap: who this process is among the ranks, from the variables that
// torchrun, srun and mpirun set; and the communicator made from that.
#ifndef WEFT_RUNTIME_BOOTSTRAP_H
#define WEFT_RUNTIME_BOOTSTRAP_H

#include "weft_runtime/Communicator.h"

#include <functional>
#include <optional>
#include <string>

namespace weft {

struct Bootstrap {
  int rank = 0;
  int worldSize = 1;
  int localRank = 0;
  int localWorldSize = 1;
  std::string masterAddress = "127.0.0.1";
  int masterPort = 29500;
  /// Tells runs at one address and port apart (also restarts of one run).
  std::string runId;
  /// torchrun's agent already serves the store; this run is a client.
  bool usesAgentStore = false;
  /// Where else provider libraries may lie.
  std::vector<std::string> libraryFolders;
  /// How long a rank waits for its peers, at the start and in a collective.
  double timeoutSeconds = 600;

  /// Which host this is, the same text on all its ranks. WEFT_HOST replaces
  /// what the machine says, so that one can play several.
  std::string host;

  bool isOneHost() const { return localWorldSize == worldSize; }
  /// Whether all ranks must be on this machine to reach rank 0.
  bool isLoopback() const;
};

/// Looks a variable up; nothing if unset or empty.
using Environment =
    std::function<std::optional<std::string>(const std::string &)>;
std::optional<std::string> processEnvironment(const std::string &name);

/// Reads the launcher's variables; without any, one rank.
///
///   field           torchrun            srun                 mpirun
///   rank            RANK                SLURM_PROCID OMPI_COMM_WORLD_RANK
///   worldSize       WORLD_SIZE          SLURM_NTASKS         .._SIZE
///   localRank       LOCAL_RANK          SLURM_LOCALID        .._LOCAL_RANK
///   localWorldSize  LOCAL_WORLD_SIZE    SLURM_NNODES = 1     .._LOCAL_SIZE
///   runId           TORCHELASTIC_RUN_ID SLURM_JOB_ID.STEPID  PMIX_NAMESPACE
///
/// MASTER_ADDR and MASTER_PORT always come from the variables of this name. If
/// no variable tells the local world size, a loopback master address means one
/// host. Throws Error(Usage) naming a variable that is missing or no number.
Bootstrap readBootstrap(const Environment &environment);

/// The communicators, as messages list them.
inline constexpr const char *communicatorNames =
    "auto, shared_memory, gloo or nccl";
bool isCommunicatorName(const std::string &name);

/// What can be said before there are ranks: throws Error(Usage) if no
/// communicator is called `kind`, Error(InputFile) if its provider library is
/// not found.
void checkCommunicator(const std::string &kind,
                       const std::vector<std::string> &libraryFolders);

/// Throws Error(Usage) if none of this host's `numDevices` GPUs is left for
/// this rank: "nccl" wants one for each.
void requireDevice(const Bootstrap &bootstrap, int numDevices);

/// Makes the communicator called `kind`: auto is shared_memory inside a host
/// and gloo across. A world of one needs no peer and gets a communicator
/// without any. `sharedBytes` is what the run will allocate() in all.
std::unique_ptr<Communicator> makeCommunicator(const std::string &kind,
                                               const Bootstrap &bootstrap,
                                               int64_t sharedBytes);

/// The entry point of a provider library.
using CommunicatorFactory = Communicator *(*)(const Bootstrap &);
inline constexpr const char *communicatorFactoryName = "weft_make_communicator";

/// Finds a provider library by file name in lib and ../lib beside the
/// executable, in WEFT_LIB_PATH, then in `libraryFolders`; throws
/// Error(InputFile) listing them.
std::string findProvider(const std::string &fileName,
                         const std::vector<std::string> &libraryFolders);

} // namespace weft

#endif // WEFT_RUNTIME_BOOTSTRAP_H
