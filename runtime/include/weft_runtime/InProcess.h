// SPDX-License-Identifier: Apache-2.0
//
// InProcess: the ranks of a run are threads of one process. The reference of
// the conformance suite, and a way to debug a distributed run in one debugger.
#ifndef WEFT_RUNTIME_INPROCESS_H
#define WEFT_RUNTIME_INPROCESS_H

#include "weft_runtime/PeerMemory.h"

namespace weft {

/// The heads of all ranks. Outlives the communicators.
class InProcessHub {
public:
  explicit InProcessHub(int worldSize);
  int worldSize() const { return static_cast<int>(heads.size()); }

private:
  friend class InProcessCommunicator;
  std::vector<std::unique_ptr<std::byte, void (*)(void *)>> heads;
};

class InProcessCommunicator final : public PeerMemoryCommunicator {
public:
  InProcessCommunicator(InProcessHub &hub, int rank);
  ~InProcessCommunicator() override;
  std::string_view name() const override { return "in_process"; }

protected:
  std::optional<int64_t> publish(const void *address) const override {
    return reinterpret_cast<intptr_t>(address);
  }
  std::byte *resolve(int, int64_t address) const override {
    return reinterpret_cast<std::byte *>(address);
  }
};

} // namespace weft

#endif // WEFT_RUNTIME_INPROCESS_H
