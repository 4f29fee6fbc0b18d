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

/// Up to this size all ranks gather all inputs and combine them: one exchange
/// instead of two.
static constexpr int64_t smallReduction = 64 * 1024;

namespace {
class GlooCommunicator final : public C10dCommunicator {
public:
  explicit GlooCommunicator(const Bootstrap &bootstrap);
  std::string_view name() const override { return "gloo"; }

protected:
  Backend makeBackend(const Store &store, const Group &group) override {
    return c10::make_intrusive<c10d::ProcessGroupGloo>(store, group.index,
                                                       group.size(), options);
  }
  at::Tensor view(const void *data, at::ScalarType type,
                  int64_t count) const override;
  void doAllReduce(const Group &group, DType dtype, ReduceKind kind,
                   const void *input, void *output, int64_t count) override;
  void doReduceScatter(const Group &group, DType dtype, ReduceKind kind,
                       const void *input, void *output, int64_t count) override;

private:
  std::byte *scratch(int64_t bytes) {
    received.resize(std::max<size_t>(received.size(), bytes));
    return received.data();
  }
  void combineParts(DType dtype, ReduceKind kind, int numParts, void *output,
                    int64_t count);

  c10::intrusive_ptr<c10d::ProcessGroupGloo::Options> options;
  std::vector<std::byte> received; // scratch of reductions
};
} // namespace

GlooCommunicator::GlooCommunicator(const Bootstrap &bootstrap)
    : C10dCommunicator(bootstrap) {
  using Gloo = c10d::ProcessGroupGloo;
  options = Gloo::Options::create(milliseconds(bootstrap.timeoutSeconds));
  std::optional<std::string> interface =
      processEnvironment("GLOO_SOCKET_IFNAME");
  options->devices.push_back(
      interface                ? Gloo::createDeviceForInterface(*interface)
      : bootstrap.isLoopback() ? Gloo::createDeviceForHostname("127.0.0.1")
                               : Gloo::createDefaultDevice());
  onGroupAdded(world());
}

at::Tensor GlooCommunicator::view(const void *data, at::ScalarType type,
                                  int64_t count) const {
  // A tensor of no elements still wants an address.
  static std::byte nothing;
  void *address = count > 0 ? const_cast<void *>(data) : &nothing;
  return at::from_blob(address, {count}, type);
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
  void *outputs[] = {output};
  combine(dtype, kind, parts, outputs, count);
}

void GlooCommunicator::doReduceScatter(const Group &group, DType dtype,
                                       ReduceKind kind, const void *input,
                                       void *output, int64_t count) {
  int64_t bytes = count * byteSize(dtype);
  doAllToAll(group, input, scratch(bytes * group.size()), bytes);
  combineParts(dtype, kind, group.size(), output, count);
}

void GlooCommunicator::doAllReduce(const Group &group, DType dtype,
                                   ReduceKind kind, const void *input,
                                   void *output, int64_t count) {
  int64_t element = byteSize(dtype), bytes = count * element;
  int n = group.size();
  if (bytes <= smallReduction) {
    doAllGather(group, input, scratch(bytes * n), bytes);
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
  exchange(group, input, parts, scratch(own * n), ownFromAll);
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
