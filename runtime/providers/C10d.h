// SPDX-License-Identifier: Apache-2.0
//
// C10d: what the communicators over LibTorch's c10d share: the store that the
// ranks meet at, Liveness started through it, one backend a group, and the
// collectives that only move bytes. Gloo and NCCL add their reductions and the
// device their tensors lie on. c10d's headers take 10 s to compile.
#ifndef WEFT_RUNTIME_PROVIDERS_C10D_H
#define WEFT_RUNTIME_PROVIDERS_C10D_H

#include "weft_runtime/Bootstrap.h"
#include "weft_runtime/Liveness.h"

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <functional>

namespace weft {

inline std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
}

class C10dCommunicator : public Communicator {
public:
  void leave(ExitCode code, int culprit) override {
    liveness->leave(code, culprit);
  }

protected:
  using Backend = c10::intrusive_ptr<c10d::Backend>;
  using Store = c10::intrusive_ptr<c10d::Store>;
  using Sizes = std::vector<int64_t>;

  /// Joins the store and Liveness. The subclass adds the world's backend.
  explicit C10dCommunicator(const Bootstrap &bootstrap);

  /// The backend of a group that meets at `store`.
  virtual Backend makeBackend(const Store &store, const Group &group) = 0;
  /// `count` elements at `data` as a tensor of the backend's device.
  virtual at::Tensor view(const void *data, at::ScalarType type,
                          int64_t count) const = 0;

  void onGroupAdded(const Group &group) override;
  void doAllGather(const Group &group, const void *input, void *output,
                   int64_t bytes) override;
  void doAllToAll(const Group &group, const void *input, void *output,
                  int64_t bytes) override;
  void doPermute(const Group &group, const RankPairs &pairs, const void *input,
                 void *output, int64_t bytes) override;
  void doBroadcast(const Group &group, int root, void *data,
                   int64_t bytes) override;
  void doBarrier(const Group &group) override;

  at::Tensor bytesAt(const void *data, int64_t bytes) const {
    return view(data, at::kByte, bytes);
  }
  c10d::Backend &backend(const Group &group) { return *backends[group.id]; }
  /// sent[j] bytes to member j, received[i] bytes from member i.
  void exchange(const Group &group, const void *input, const Sizes &sent,
                void *output, const Sizes &received);
  /// Waits for the work that `start` starts. A failure that a peer's death
  /// explains names that peer.
  void
  finish(const std::function<c10::intrusive_ptr<c10d::Work>()> &start) const;

private:
  Store store;
  std::unique_ptr<Liveness> liveness;
  std::vector<Backend> backends; // by group id
};

} // namespace weft

#endif // WEFT_RUNTIME_PROVIDERS_C10D_H
