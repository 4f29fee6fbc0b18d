// SPDX-License-Identifier: Apache-2.0
//
// Recording: notes which calls a rank makes, and moves no data. Outputs keep
// what they hold. One rank is enough; it needs no peers.
#ifndef WEFT_RUNTIME_RECORDING_H
#define WEFT_RUNTIME_RECORDING_H

#include "weft_runtime/Communicator.h"

#include <string>

namespace weft {

/// One call: `bytes` is what the rank puts in.
struct RecordedCall {
  std::string method;
  std::vector<int> ranks;
  int64_t bytes = 0;
  bool operator==(const RecordedCall &) const = default;
};

class RecordingCommunicator : public Communicator {
public:
  using Communicator::Communicator;
  std::string_view name() const override { return "recording"; }
  const std::vector<RecordedCall> &calls() const { return recorded; }

protected:
  void doStart(Transfer &transfer) override {
    int64_t bytes = 0;
    for (const BucketOperand &operand : transfer.bucket.operands)
      bytes += operand.input.count * operand.input.bytes();
    recorded.push_back({std::string(toString(transfer.bucket.kind)),
                        transfer.group.ranks, bytes});
  }
  void doAllGather(const Group &group, const void *, void *,
                   int64_t bytes) override {
    note("all_gather", group, bytes);
  }
  void doAllReduce(const Group &group, DType dtype, ReduceKind, const void *,
                   void *, int64_t count) override {
    note("all_reduce", group, count * byteSize(dtype));
  }
  void doReduceScatter(const Group &group, DType dtype, ReduceKind,
                       const void *, void *, int64_t count) override {
    note("reduce_scatter", group, group.size() * count * byteSize(dtype));
  }
  void doAllToAll(const Group &group, const void *, void *,
                  int64_t bytes) override {
    note("all_to_all", group, group.size() * bytes);
  }
  void doPermute(const Group &group, const RankPairs &, const void *, void *,
                 int64_t bytes) override {
    note("permute", group, bytes);
  }
  void doBroadcast(const Group &group, int, void *, int64_t bytes) override {
    note("broadcast", group, bytes);
  }
  void doBarrier(const Group &group) override { note("barrier", group, 0); }

private:
  void note(const char *method, const Group &group, int64_t bytes) {
    recorded.push_back({method, group.ranks, bytes});
  }
  std::vector<RecordedCall> recorded;
};

} // namespace weft

#endif // WEFT_RUNTIME_RECORDING_H
