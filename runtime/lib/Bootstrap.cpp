// SPDX-License-Identifier: Apache-2.0
//
// Bootstrap: launcher variables and the choice of a communicator.
#include "weft_runtime/Bootstrap.h"
#include "weft_runtime/Hierarchical.h"
#include "weft_runtime/SharedMemory.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <xxhash.h>

using namespace weft;
namespace fs = std::filesystem;

std::optional<std::string> weft::processEnvironment(const std::string &name) {
  const char *value = std::getenv(name.c_str());
  if (!value || !*value)
    return std::nullopt;
  return value;
}

static std::optional<int> number(const Environment &environment,
                                 const std::string &name) {
  std::optional<std::string> text = environment(name);
  if (!text)
    return std::nullopt;
  int value = 0;
  const char *end = text->data() + text->size();
  if (std::from_chars(text->data(), end, value).ptr != end || value < 0)
    throw Error(ExitCode::Usage,
                "variable " + name + " is no number: got " + quote(*text));
  return value;
}

namespace {
/// The variables of one launcher.
struct LauncherNames {
  const char *rank, *worldSize, *localRank, *localWorldSize, *runId;
};
} // namespace

static constexpr LauncherNames launchers[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE",
     "TORCHELASTIC_RUN_ID"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
     "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE",
     "PMIX_NAMESPACE"},
    {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "WEFT_UNSET",
     "SLURM_JOB_ID"},
};

static std::string runIdOf(const Environment &environment,
                           const LauncherNames &names) {
  if (std::optional<std::string> given = environment("WEFT_RUN_ID"))
    return *given;
  std::string id = environment(names.runId).value_or("");
  for (const char *part : {"SLURM_STEP_ID", "TORCHELASTIC_RESTART_COUNT"})
    if (std::optional<std::string> value = environment(part))
      id += "." + *value;
  return id;
}

bool Bootstrap::isLoopback() const {
  return masterAddress == "localhost" || masterAddress == "::1" ||
         masterAddress.starts_with("127.");
}

/// Containers share the boot id of their machine, and clones a host name.
static std::string machineName() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return name + ("." + boot);
}

Bootstrap weft::readBootstrap(const Environment &environment) {
  Bootstrap result;
  for (const LauncherNames &names : launchers) {
    std::optional<int> rank = number(environment, names.rank);
    std::optional<int> size = number(environment, names.worldSize);
    if (!rank && !size)
      continue;
    if (!rank || !size)
      throw Error(ExitCode::Usage,
                  std::string("variable ") +
                      (rank ? names.worldSize : names.rank) + " is missing",
                  "start the ranks with torchrun, srun, mpirun or weft run");
    if (*rank >= *size)
      throw Error(ExitCode::Usage,
                  "the rank is out of range: got " + std::to_string(*rank) +
                      ", expected less than " + std::to_string(*size));
    result.rank = *rank;
    result.worldSize = *size;
    result.localRank = number(environment, names.localRank).value_or(*rank);
    result.runId = runIdOf(environment, names);
    result.masterAddress =
        environment("MASTER_ADDR").value_or(result.masterAddress);
    result.masterPort =
        number(environment, "MASTER_PORT").value_or(result.masterPort);
    bool isOneHost = number(environment, "SLURM_NNODES").value_or(0) == 1 ||
                     (!environment("SLURM_NNODES") && result.isLoopback());
    result.localWorldSize = number(environment, names.localWorldSize)
                                .value_or(isOneHost ? *size : 1);
    result.host = environment("WEFT_HOST").value_or(machineName());
    result.usesAgentStore =
        environment("TORCHELASTIC_USE_AGENT_STORE") == "True";
    return result;
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Communicators
//===----------------------------------------------------------------------===//

static fs::path executableFolder() {
  std::error_code failed;
  return fs::read_symlink("/proc/self/exe", failed).parent_path();
}

/// Whether a communicator lies in a library of its own.
static bool isProvided(const std::string &kind) {
  return kind == "gloo" || kind == "nccl";
}

static std::string providerFile(const std::string &kind) {
  return "libweft_" + kind + ".so";
}

std::string weft::findProvider(const std::string &fileName,
                               const std::vector<std::string> &libraryFolders) {
  std::vector<fs::path> folders{executableFolder() / "lib",
                                executableFolder() / ".." / "lib"};
  if (std::optional<std::string> given = processEnvironment("WEFT_LIB_PATH"))
    for (size_t begin = 0; begin <= given->size();) {
      size_t end = std::min(given->find(':', begin), given->size());
      folders.emplace_back(given->substr(begin, end - begin));
      begin = end + 1;
    }
  folders.insert(folders.end(), libraryFolders.begin(), libraryFolders.end());
  std::string tried;
  for (const fs::path &folder : folders) {
    if (fs::exists(folder / fileName))
      return (folder / fileName).string();
    tried += (tried.empty() ? "" : ", ") + folder.string();
  }
  throw Error(ExitCode::InputFile,
              "provider library " + quote(fileName) +
                  " is not found: looked in " + tried,
              "set WEFT_LIB_PATH to the folder that holds it; in a build of "
              "Weft, cmake --build build/release makes it");
}

bool weft::isCommunicatorName(const std::string &name) {
  return name == "auto" || name == "shared_memory" || isProvided(name);
}

void weft::checkCommunicator(const std::string &kind,
                             const std::vector<std::string> &libraryFolders) {
  if (!isCommunicatorName(kind))
    throw Error(ExitCode::Usage, "communicator is unknown: got " + quote(kind) +
                                     ", expected " + communicatorNames);
  if (isProvided(kind))
    findProvider(providerFile(kind), libraryFolders);
}

static std::unique_ptr<Communicator> loadProvider(const std::string &kind,
                                                  const Bootstrap &bootstrap) {
  std::string path = findProvider(providerFile(kind), bootstrap.libraryFolders);
  // Kept for the life of the process: LibTorch does not like to be unloaded.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  void *factory = library ? dlsym(library, communicatorFactoryName) : nullptr;
  if (!factory)
    throw Error(ExitCode::InputFile,
                "provider library " + quote(path) +
                    " does not load: " + dlerror(),
                "set WEFT_LIB_PATH to the folder of LibTorch, or use "
                "communicator \"shared_memory\"");
  return std::unique_ptr<Communicator>(
      reinterpret_cast<CommunicatorFactory>(factory)(bootstrap));
}

void weft::requireDevice(const Bootstrap &bootstrap, int numDevices) {
  if (bootstrap.localRank < numDevices)
    return;
  throw Error(
      ExitCode::Usage,
      "communicator \"nccl\" needs a GPU for each rank of a host: got " +
          std::to_string(numDevices) + ", expected at least " +
          std::to_string(bootstrap.localRank + 1),
      "take --communicator auto, or start fewer ranks on this host");
}

static SharedMemoryOptions sharedOptions(const Bootstrap &bootstrap,
                                         int64_t sharedBytes) {
  SharedMemoryOptions options;
  options.arenaBytes = sharedBytes;
  int rank = bootstrap.rank, size = bootstrap.worldSize;
  options.onAbandoned = [rank, size](int dead) {
    std::fprintf(stderr, "[rank %d/%d] rank %d died\n", rank, size, dead);
    _exit(static_cast<int>(ExitCode::PeerFailed));
  };
  return options;
}

static std::unique_ptr<Communicator>
makeSharedMemory(const Bootstrap &bootstrap, int64_t sharedBytes) {
  if (!bootstrap.isOneHost())
    throw Error(ExitCode::Usage,
                "communicator \"shared_memory\" spans hosts: got " +
                    std::to_string(bootstrap.localWorldSize) + " of " +
                    std::to_string(bootstrap.worldSize) + " ranks on this one",
                "set target.communicator = \"auto\"");
  return std::make_unique<SharedMemoryCommunicator>(
      bootstrap, sharedOptions(bootstrap, sharedBytes));
}

namespace {
/// The communicator of a world of one: every group has one member, so the base
/// class does all.
class AloneCommunicator final : public Communicator {
public:
  AloneCommunicator() : Communicator(0, 1) {}
  std::string_view name() const override { return "alone"; }

protected:
  void doAllGather(const Group &, const void *, void *, int64_t) override {}
  void doAllReduce(const Group &, DType, ReduceKind, const void *, void *,
                   int64_t) override {}
  void doReduceScatter(const Group &, DType, ReduceKind, const void *, void *,
                       int64_t) override {}
  void doAllToAll(const Group &, const void *, void *, int64_t) override {}
  void doPermute(const Group &, const RankPairs &, const void *, void *,
                 int64_t) override {}
  void doBroadcast(const Group &, int, void *, int64_t) override {}
  void doBarrier(const Group &) override {}
};
} // namespace

/// Gloo between all ranks, shared memory between those of this host.
static std::unique_ptr<Communicator>
makeHierarchical(const Bootstrap &bootstrap, int64_t sharedBytes) {
  std::unique_ptr<Communicator> across = loadProvider("gloo", bootstrap);
  uint64_t own = XXH64(bootstrap.host.data(), bootstrap.host.size(), 0);
  std::vector<uint64_t> hosts(bootstrap.worldSize);
  across->allGather(across->world(), &own, hosts.data(), sizeof(own));

  Bootstrap inner = bootstrap;
  SharedMemoryOptions options = sharedOptions(bootstrap, sharedBytes);
  for (int rank = 0; rank < bootstrap.worldSize; ++rank)
    if (hosts[rank] == own) {
      if (rank == bootstrap.rank)
        inner.rank = static_cast<int>(options.names.size());
      options.names.push_back(rank);
    }
  inner.worldSize = inner.localWorldSize =
      static_cast<int>(options.names.size());
  inner.runId += "@" + std::to_string(own);
  std::unique_ptr<Communicator> local;
  if (inner.worldSize == 1)
    local = std::make_unique<AloneCommunicator>();
  else
    local =
        std::make_unique<SharedMemoryCommunicator>(inner, std::move(options));
  return std::make_unique<HierarchicalCommunicator>(
      std::move(across), std::move(local), std::move(hosts));
}

std::unique_ptr<Communicator> weft::makeCommunicator(const std::string &kind,
                                                     const Bootstrap &bootstrap,
                                                     int64_t sharedBytes) {
  if (bootstrap.worldSize == 1)
    return std::make_unique<AloneCommunicator>();
  if (kind == "auto" && !bootstrap.isOneHost())
    return makeHierarchical(bootstrap, sharedBytes);
  if (kind == "auto" || kind == "shared_memory")
    return makeSharedMemory(bootstrap, sharedBytes);
  checkCommunicator(kind, bootstrap.libraryFolders);
  return loadProvider(kind, bootstrap);
}
