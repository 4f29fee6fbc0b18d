// SPDX-License-Identifier: Apache-2.0
//
// C10d: store, liveness, and movement.
#include "C10d.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <csignal>
#include <cstdio>
#include <numeric>
#include <unistd.h>

using namespace weft;

/// The store of this run: rank 0 serves it, unless torchrun's agent does; the
/// prefix keeps apart the runs that an agent serves.
static c10::intrusive_ptr<c10d::Store> makeStore(const Bootstrap &bootstrap) {
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

static LivenessOptions
livenessOptions(const Bootstrap &bootstrap,
                const c10::intrusive_ptr<c10d::Store> &store) {
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
  return options;
}

C10dCommunicator::C10dCommunicator(const Bootstrap &bootstrap)
    : Communicator(bootstrap.rank, bootstrap.worldSize) {
  // c10d and Gloo write to sockets without MSG_NOSIGNAL, and rely on Python
  // for a dead peer to be an error (EPIPE) and not this process's end.
  std::signal(SIGPIPE, SIG_IGN);
  store = makeStore(bootstrap);
  liveness = std::make_unique<Liveness>(livenessOptions(bootstrap, store));
}

void C10dCommunicator::onGroupAdded(const Group &group) {
  backends.resize(std::max<size_t>(backends.size(), group.id + 1));
  if (group.size() == 1)
    return; // nobody to meet
  // One id stands for several groups of the mesh, told apart by their first
  // rank.
  std::string prefix = "group" + std::to_string(group.id) + "." +
                       std::to_string(group.ranks.front());
  backends[group.id] =
      makeBackend(c10::make_intrusive<c10d::PrefixStore>(prefix, store), group);
}

void C10dCommunicator::finish(
    const std::function<c10::intrusive_ptr<c10d::Work>()> &start) const {
  try {
    start()->wait();
  } catch (const std::exception &error) {
    if (std::optional<PeerFailed> reason = liveness->explainFailure(1.0))
      throw *reason;
    throw Error(ExitCode::Internal,
                std::string(name()) + " failed: " + error.what());
  }
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

void C10dCommunicator::exchange(const Group &group, const void *input,
                                const Sizes &sent, void *output,
                                const Sizes &received) {
  auto sum = [](const Sizes &sizes) {
    return std::accumulate(sizes.begin(), sizes.end(), int64_t(0));
  };
  at::Tensor in = bytesAt(input, sum(sent));
  at::Tensor out = bytesAt(output, sum(received));
  Sizes inSizes = sent, outSizes = received;
  finish(
      [&] { return backend(group).alltoall_base(out, in, outSizes, inSizes); });
}

void C10dCommunicator::doAllGather(const Group &group, const void *input,
                                   void *output, int64_t bytes) {
  if (bytes == 0)
    return;
  at::Tensor in = bytesAt(input, bytes);
  at::Tensor out = bytesAt(output, bytes * group.size());
  finish([&] { return backend(group)._allgather_base(out, in); });
}

void C10dCommunicator::doAllToAll(const Group &group, const void *input,
                                  void *output, int64_t bytes) {
  if (bytes == 0)
    return;
  Sizes sizes(group.size(), bytes);
  exchange(group, input, sizes, output, sizes);
}

void C10dCommunicator::doPermute(const Group &group, const RankPairs &pairs,
                                 const void *input, void *output,
                                 int64_t bytes) {
  if (bytes == 0)
    return;
  Sizes sent(group.size(), 0), received(group.size(), 0);
  int from = sourceOf(pairs, group.index), to = targetOf(pairs, group.index);
  if (to >= 0)
    sent[to] = bytes;
  if (from >= 0)
    received[from] = bytes;
  else
    bytesAt(output, bytes).zero_();
  exchange(group, input, sent, output, received);
}

void C10dCommunicator::doBroadcast(const Group &group, int root, void *data,
                                   int64_t bytes) {
  if (bytes == 0)
    return;
  std::vector<at::Tensor> tensors{bytesAt(data, bytes)};
  c10d::BroadcastOptions from;
  from.rootRank = root;
  finish([&] { return backend(group).broadcast(tensors, from); });
}

void C10dCommunicator::doBarrier(const Group &group) {
  finish([&] { return backend(group).barrier(); });
}
