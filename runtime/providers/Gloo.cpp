// SPDX-License-Identifier: Apache-2.0
//
// Gloo: the communicator between hosts without GPUs, over LibTorch's c10d.
//
// Gloo only moves bytes here. Its own ring sums start each chunk at another
// rank; reductions are built from exchanges and `combine` instead, so they add
// in ascending rank order like all other communicators. It neither checks
// sizes nor names a dead peer: the fingerprint and Liveness do.
//
// The wheel has no Gloo headers: gloo_headers/ declares the names that
// ProcessGroupGloo.hpp mentions.
#include "C10d.h"

#include <ATen/ops/from_blob.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <algorithm>
#include <cstring>

using namespace weft;
using c10::intrusive_ptr;

/// Up to this size all ranks gather all inputs and combine them: one exchange
/// instead of two.
static constexpr int64_t smallReduction = 64 * 1024;

namespace {
class GlooCommunicator final : public Communicator {
public:
  explicit GlooCommunicator(const Bootstrap &bootstrap);
  std::string_view name() const override { return "gloo"; }
  void leave(ExitCode code, int culprit) override {
    liveness->leave(code, culprit);
  }

protected:
  void onGroupAdded(const Group &group) override;
  void doAllGather(const Group &group, const void *input, void *output,
                   int64_t bytes) override;
  void doAllReduce(const Group &group, DType dtype, ReduceKind kind,
                   const void *input, void *output, int64_t count) override;
  void doReduceScatter(const Group &group, DType dtype, ReduceKind kind,
                       const void *input, void *output, int64_t count) override;
  void doAllToAll(const Group &group, const void *input, void *output,
                  int64_t bytes) override;
  void doPermute(const Group &group, const RankPairs &pairs, const void *input,
                 void *output, int64_t bytes) override;
  void doBroadcast(const Group &group, int root, void *data,
                   int64_t bytes) override;
  void doBarrier(const Group &group) override;

private:
  using Sizes = std::vector<int64_t>;
  intrusive_ptr<c10d::ProcessGroupGloo> makeGroup(const Group &group);
  template <typename Start> void finish(Start start) {
    finishWork(*liveness, "gloo", start);
  }
  /// sent[j] bytes to member j, received[i] bytes from member i.
  void exchange(const Group &group, const void *input, const Sizes &sent,
                void *output, const Sizes &received);
  void combineParts(DType dtype, ReduceKind kind, int numParts, void *output,
                    int64_t count);

  StorePointer store;
  std::unique_ptr<Liveness> liveness;
  intrusive_ptr<c10d::ProcessGroupGloo::Options> options;
  std::vector<intrusive_ptr<c10d::ProcessGroupGloo>> groups; // by group id
  std::vector<std::byte> received; // scratch of reductions
};
} // namespace

static at::Tensor bytesAt(const void *data, int64_t bytes) {
  // A tensor of no elements still wants an address.
  static std::byte nothing;
  void *address = bytes > 0 ? const_cast<void *>(data) : &nothing;
  return at::from_blob(address, {bytes}, at::kByte);
}

GlooCommunicator::GlooCommunicator(const Bootstrap &bootstrap)
    : Communicator(bootstrap.rank, bootstrap.worldSize),
      store(makeStore(bootstrap)), liveness(makeLiveness(bootstrap, store)) {
  options = c10d::ProcessGroupGloo::Options::create(
      milliseconds(bootstrap.timeoutSeconds));
  std::optional<std::string> interface =
      processEnvironment("GLOO_SOCKET_IFNAME");
  using Group = c10d::ProcessGroupGloo;
  options->devices.push_back(
      interface               ? Group::createDeviceForInterface(*interface)
      : bootstrap.isOneHost() ? Group::createDeviceForHostname("127.0.0.1")
                              : Group::createDefaultDevice());
  groups.push_back(makeGroup(world()));
}

intrusive_ptr<c10d::ProcessGroupGloo>
GlooCommunicator::makeGroup(const Group &group) {
  return c10::make_intrusive<c10d::ProcessGroupGloo>(
      groupStore(store, group), group.index, group.size(), options);
}

void GlooCommunicator::onGroupAdded(const Group &group) {
  groups.resize(std::max<size_t>(groups.size(), group.id + 1));
  groups[group.id] = makeGroup(group);
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

void GlooCommunicator::doAllGather(const Group &group, const void *input,
                                   void *output, int64_t bytes) {
  if (bytes == 0)
    return;
  at::Tensor in = bytesAt(input, bytes);
  at::Tensor out = bytesAt(output, bytes * group.size());
  finish([&] { return groups[group.id]->_allgather_base(out, in); });
}

void GlooCommunicator::exchange(const Group &group, const void *input,
                                const Sizes &sent, void *output,
                                const Sizes &receivedSizes) {
  auto sum = [](const Sizes &sizes) {
    int64_t total = 0;
    for (int64_t size : sizes)
      total += size;
    return total;
  };
  at::Tensor in = bytesAt(input, sum(sent));
  at::Tensor out = bytesAt(output, sum(receivedSizes));
  Sizes outSizes = receivedSizes, inSizes = sent;
  finish([&] {
    return groups[group.id]->alltoall_base(out, in, outSizes, inSizes);
  });
}

void GlooCommunicator::doAllToAll(const Group &group, const void *input,
                                  void *output, int64_t bytes) {
  if (bytes == 0)
    return;
  Sizes sizes(group.size(), bytes);
  exchange(group, input, sizes, output, sizes);
}

void GlooCommunicator::doPermute(const Group &group, const RankPairs &pairs,
                                 const void *input, void *output,
                                 int64_t bytes) {
  if (bytes == 0)
    return;
  Sizes sent(group.size(), 0), got(group.size(), 0);
  int from = sourceOf(pairs, group.index), to = targetOf(pairs, group.index);
  if (to >= 0)
    sent[to] = bytes;
  if (from >= 0)
    got[from] = bytes;
  else
    std::memset(output, 0, bytes);
  exchange(group, input, sent, output, got);
}

void GlooCommunicator::doBroadcast(const Group &group, int root, void *data,
                                   int64_t bytes) {
  if (bytes == 0)
    return;
  std::vector<at::Tensor> tensors{bytesAt(data, bytes)};
  c10d::BroadcastOptions from;
  from.rootRank = root;
  finish([&] { return groups[group.id]->broadcast(tensors, from); });
}

void GlooCommunicator::doBarrier(const Group &group) {
  finish([&] { return groups[group.id]->barrier(); });
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// Combines the parts of `count` elements in `received`, which lie by rank.
void GlooCommunicator::combineParts(DType dtype, ReduceKind kind, int numParts,
                                    void *output, int64_t count) {
  std::vector<const void *> parts;
  for (int r = 0; r < numParts; ++r)
    parts.push_back(received.data() + r * count * byteSize(dtype));
  combine(dtype, kind, parts, output, count);
}

void GlooCommunicator::doReduceScatter(const Group &group, DType dtype,
                                       ReduceKind kind, const void *input,
                                       void *output, int64_t count) {
  int64_t bytes = count * byteSize(dtype);
  received.resize(std::max<size_t>(received.size(), bytes * group.size()));
  doAllToAll(group, input, received.data(), bytes);
  combineParts(dtype, kind, group.size(), output, count);
}

void GlooCommunicator::doAllReduce(const Group &group, DType dtype,
                                   ReduceKind kind, const void *input,
                                   void *output, int64_t count) {
  int64_t element = byteSize(dtype), bytes = count * element;
  int n = group.size();
  if (bytes <= smallReduction) {
    received.resize(std::max<size_t>(received.size(), bytes * n));
    doAllGather(group, input, received.data(), bytes);
    return combineParts(dtype, kind, n, output, count);
  }
  // Part r is combined by member r, then everybody gets all parts.
  int64_t part = (count + n - 1) / n;
  auto partCount = [&](int r) {
    return std::clamp<int64_t>(count - r * part, 0, part);
  };
  Sizes parts(n);
  for (int r = 0; r < n; ++r)
    parts[r] = partCount(r) * element;
  int64_t own = parts[group.index];
  Sizes ownFromAll(n, own), ownToAll(n, own);
  received.resize(std::max<size_t>(received.size(), own * n));
  exchange(group, input, parts, received.data(), ownFromAll);
  std::vector<std::byte> copies(own * n);
  combineParts(dtype, kind, n, copies.data(), own / element);
  for (int r = 1; r < n; ++r)
    std::memcpy(copies.data() + r * own, copies.data(), own);
  exchange(group, copies.data(), ownToAll, output, parts);
}

extern "C" __attribute__((visibility("default"))) Communicator *
weft_make_communicator(const Bootstrap &bootstrap) {
  return new GlooCommunicator(bootstrap);
}
