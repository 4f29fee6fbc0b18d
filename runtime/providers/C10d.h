// SPDX-License-Identifier: Apache-2.0
//
// C10d: what the Gloo and the NCCL communicator share: the store that the
// ranks meet at, and Liveness started through it. Included by those two files
// only: c10d's headers take 10 s to compile.
#ifndef WEFT_RUNTIME_PROVIDERS_C10D_H
#define WEFT_RUNTIME_PROVIDERS_C10D_H

#include "weft_runtime/Bootstrap.h"
#include "weft_runtime/Liveness.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdio>
#include <unistd.h>

namespace weft {

using StorePointer = c10::intrusive_ptr<c10d::Store>;

inline std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
}

/// The store of this run: rank 0 serves it, unless torchrun's agent does; the
/// prefix keeps apart the runs that an agent serves.
inline StorePointer makeStore(const Bootstrap &bootstrap) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(bootstrap.masterPort);
  options.isServer = bootstrap.rank == 0 && !bootstrap.usesAgentStore;
  options.waitWorkers = false;
  options.timeout = milliseconds(bootstrap.timeoutSeconds);
  auto tcp =
      c10::make_intrusive<c10d::TCPStore>(bootstrap.masterAddress, options);
  return c10::make_intrusive<c10d::PrefixStore>("weft/" + bootstrap.runId,
                                                std::move(tcp));
}

/// The store of one group. One id stands for several groups of the mesh, told
/// apart by their first rank.
inline StorePointer groupStore(const StorePointer &store, const Group &group) {
  return c10::make_intrusive<c10d::PrefixStore>(
      "group" + std::to_string(group.id) + "." +
          std::to_string(group.ranks.front()),
      store);
}

inline std::unique_ptr<Liveness> makeLiveness(const Bootstrap &bootstrap,
                                              const StorePointer &store) {
  LivenessOptions options;
  options.rank = bootstrap.rank;
  options.worldSize = bootstrap.worldSize;
  options.timeoutSeconds = bootstrap.timeoutSeconds;
  options.publish = [store](int port) {
    store->set("liveness", std::to_string(port));
  };
  options.lookUp = [store, host = bootstrap.masterAddress] {
    return std::pair(host, std::stoi(store->get_to_str("liveness")));
  };
  options.onAbandoned = [rank = bootstrap.rank,
                         size = bootstrap.worldSize](int dead) {
    std::fprintf(stderr, "[rank %d/%d] rank %d died\n", rank, size, dead);
    _exit(static_cast<int>(ExitCode::PeerFailed));
  };
  return std::make_unique<Liveness>(std::move(options));
}

/// Waits for the work that `start` starts. A failure that a peer's death
/// explains names that peer.
template <typename Start>
void finishWork(Liveness &liveness, const char *library, Start start) {
  try {
    start()->wait();
  } catch (const std::exception &error) {
    if (std::optional<PeerFailed> reason = liveness.explainFailure(1.0))
      throw *reason;
    throw Error(ExitCode::Internal,
                std::string(library) + " failed: " + error.what());
  }
}

} // namespace weft

#endif // WEFT_RUNTIME_PROVIDERS_C10D_H
