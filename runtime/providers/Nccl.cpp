// SPDX-License-Identifier: Apache-2.0
//
// NCCL: the communicator between GPUs, over LibTorch's c10d. Buffers are
// device memory, and calls are ordered on the current stream: a call returns
// before its output is complete, and what follows on the stream sees it.
// Reductions are NCCL's own; their order is fixed only in deterministic mode.
#include "C10d.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

using namespace weft;
using c10::intrusive_ptr;

namespace {
class NcclCommunicator final : public Communicator {
public:
  explicit NcclCommunicator(const Bootstrap &bootstrap);
  std::string_view name() const override { return "nccl"; }
  void *allocate(int64_t bytes) override;
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
  using Backend = c10d::ProcessGroupNCCL;
  intrusive_ptr<Backend> makeGroup(const Group &group);
  at::Tensor view(const void *data, at::ScalarType type, int64_t count) const;
  at::Tensor bytesAt(const void *data, int64_t bytes) const {
    return view(data, at::kByte, bytes);
  }
  void exchange(const Group &group, at::Tensor in, std::vector<int64_t> sent,
                at::Tensor out, std::vector<int64_t> received);
  template <typename Start> void finish(Start start) {
    finishWork(*liveness, "nccl", start);
  }

  StorePointer store;
  std::unique_ptr<Liveness> liveness;
  c10::Device device;
  intrusive_ptr<Backend::Options> options;
  std::vector<intrusive_ptr<Backend>> groups; // by group id
  std::vector<at::Tensor> allocated;
};
} // namespace

static at::ScalarType scalarType(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return at::kDouble;
  case DType::F32:
    return at::kFloat;
  case DType::BF16:
    return at::kBFloat16;
  case DType::F16:
    return at::kHalf;
  case DType::I64:
    return at::kLong;
  case DType::I32:
    return at::kInt;
  case DType::I1:
    return at::kByte;
  }
  return at::kByte;
}

static c10d::ReduceOp reduceOp(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::Sum:
    return c10d::ReduceOp::SUM;
  case ReduceKind::Max:
    return c10d::ReduceOp::MAX;
  case ReduceKind::Min:
    return c10d::ReduceOp::MIN;
  }
  return c10d::ReduceOp::SUM;
}

NcclCommunicator::NcclCommunicator(const Bootstrap &bootstrap)
    : Communicator(bootstrap.rank, bootstrap.worldSize),
      store(makeStore(bootstrap)), liveness(makeLiveness(bootstrap, store)),
      device(c10::kCUDA, static_cast<c10::DeviceIndex>(bootstrap.localRank)),
      options(Backend::Options::create()) {
  c10::cuda::set_device(device.index());
  options->timeout = milliseconds(bootstrap.timeoutSeconds);
  groups.push_back(makeGroup(world()));
}

intrusive_ptr<c10d::ProcessGroupNCCL>
NcclCommunicator::makeGroup(const Group &group) {
  return c10::make_intrusive<Backend>(groupStore(store, group), group.index,
                                      group.size(), options);
}

void NcclCommunicator::onGroupAdded(const Group &group) {
  groups.resize(std::max<size_t>(groups.size(), group.id + 1));
  groups[group.id] = makeGroup(group);
}

void *NcclCommunicator::allocate(int64_t bytes) {
  allocated.push_back(
      at::zeros({bytes}, at::TensorOptions(at::kByte).device(device)));
  return allocated.back().data_ptr();
}

at::Tensor NcclCommunicator::view(const void *data, at::ScalarType type,
                                  int64_t count) const {
  return at::from_blob(const_cast<void *>(data), {count},
                       at::TensorOptions(type).device(device));
}

void NcclCommunicator::doAllGather(const Group &group, const void *input,
                                   void *output, int64_t bytes) {
  at::Tensor in = bytesAt(input, bytes);
  at::Tensor out = bytesAt(output, bytes * group.size());
  finish([&] { return groups[group.id]->_allgather_base(out, in); });
}

void NcclCommunicator::doAllReduce(const Group &group, DType dtype,
                                   ReduceKind kind, const void *input,
                                   void *output, int64_t count) {
  std::vector<at::Tensor> out{view(output, scalarType(dtype), count)};
  if (input != output)
    out[0].copy_(view(input, scalarType(dtype), count));
  c10d::AllreduceOptions how;
  how.reduceOp = reduceOp(kind);
  finish([&] { return groups[group.id]->allreduce(out, how); });
}

void NcclCommunicator::doReduceScatter(const Group &group, DType dtype,
                                       ReduceKind kind, const void *input,
                                       void *output, int64_t count) {
  at::Tensor in = view(input, scalarType(dtype), count * group.size());
  at::Tensor out = view(output, scalarType(dtype), count);
  c10d::ReduceScatterOptions how;
  how.reduceOp = reduceOp(kind);
  finish([&] { return groups[group.id]->_reduce_scatter_base(out, in, how); });
}

void NcclCommunicator::exchange(const Group &group, at::Tensor in,
                                std::vector<int64_t> sent, at::Tensor out,
                                std::vector<int64_t> received) {
  finish([&] {
    return groups[group.id]->alltoall_base(out, in, received, sent,
                                           c10d::AllToAllOptions());
  });
}

void NcclCommunicator::doAllToAll(const Group &group, const void *input,
                                  void *output, int64_t bytes) {
  std::vector<int64_t> sizes(group.size(), bytes);
  exchange(group, bytesAt(input, bytes * group.size()), sizes,
           bytesAt(output, bytes * group.size()), sizes);
}

void NcclCommunicator::doPermute(const Group &group, const RankPairs &pairs,
                                 const void *input, void *output,
                                 int64_t bytes) {
  std::vector<int64_t> sent(group.size(), 0), received(group.size(), 0);
  int from = sourceOf(pairs, group.index), to = targetOf(pairs, group.index);
  if (to >= 0)
    sent[to] = bytes;
  if (from >= 0)
    received[from] = bytes;
  else
    bytesAt(output, bytes).zero_();
  exchange(group, bytesAt(input, to >= 0 ? bytes : 0), sent,
           bytesAt(output, from >= 0 ? bytes : 0), received);
}

void NcclCommunicator::doBroadcast(const Group &group, int root, void *data,
                                   int64_t bytes) {
  std::vector<at::Tensor> tensors{bytesAt(data, bytes)};
  c10d::BroadcastOptions from;
  from.rootRank = root;
  finish([&] { return groups[group.id]->broadcast(tensors, from); });
}

void NcclCommunicator::doBarrier(const Group &group) {
  finish([&] { return groups[group.id]->barrier(); });
}

extern "C" __attribute__((visibility("default"))) Communicator *
weft_make_communicator(const Bootstrap &bootstrap) {
  return new NcclCommunicator(bootstrap);
}
