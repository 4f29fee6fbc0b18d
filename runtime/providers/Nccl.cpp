// SPDX-License-Identifier: Apache-2.0
//
// NCCL: the communicator between GPUs, over LibTorch's c10d. Buffers are
// device memory, and calls are ordered on the current stream: a call returns
// before its output is complete, and what follows on the stream sees it.
// Reductions are NCCL's own; their order is fixed only in deterministic mode.
#include "C10d.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

using namespace weft;

namespace {
class NcclCommunicator final : public C10dCommunicator {
public:
  explicit NcclCommunicator(const Bootstrap &bootstrap);
  std::string_view name() const override { return "nccl"; }
  void *allocate(int64_t bytes, int64_t exchanged) override;

protected:
  Backend makeBackend(const Store &store, const Group &group) override {
    return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, group.index,
                                                       group.size(), options);
  }
  at::Tensor view(const void *data, at::ScalarType type,
                  int64_t count) const override {
    return at::from_blob(const_cast<void *>(data), {count},
                         at::TensorOptions(type).device(device));
  }
  void doAllReduce(const Group &group, DType dtype, ReduceKind kind,
                   const void *input, void *output, int64_t count) override;
  void doReduceScatter(const Group &group, DType dtype, ReduceKind kind,
                       const void *input, void *output, int64_t count) override;

private:
  c10::Device device;
  c10::intrusive_ptr<c10d::ProcessGroupNCCL::Options> options;
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
    : C10dCommunicator(bootstrap),
      device(c10::kCUDA, static_cast<c10::DeviceIndex>(bootstrap.localRank)),
      options(c10d::ProcessGroupNCCL::Options::create()) {
  c10::cuda::set_device(device.index());
  options->timeout = milliseconds(bootstrap.timeoutSeconds);
  onGroupAdded(world());
}

void *NcclCommunicator::allocate(int64_t bytes, int64_t) {
  allocated.push_back(
      at::zeros({bytes}, at::TensorOptions(at::kByte).device(device)));
  return allocated.back().data_ptr();
}

void NcclCommunicator::doAllReduce(const Group &group, DType dtype,
                                   ReduceKind kind, const void *input,
                                   void *output, int64_t count) {
  std::vector<at::Tensor> out{view(output, scalarType(dtype), count)};
  if (input != output)
    out[0].copy_(view(input, scalarType(dtype), count));
  c10d::AllreduceOptions how;
  how.reduceOp = reduceOp(kind);
  finish([&] { return backend(group).allreduce(out, how); });
}

void NcclCommunicator::doReduceScatter(const Group &group, DType dtype,
                                       ReduceKind kind, const void *input,
                                       void *output, int64_t count) {
  at::Tensor in = view(input, scalarType(dtype), count * group.size());
  at::Tensor out = view(output, scalarType(dtype), count);
  c10d::ReduceScatterOptions how;
  how.reduceOp = reduceOp(kind);
  finish([&] { return backend(group)._reduce_scatter_base(out, in, how); });
}

extern "C" __attribute__((visibility("default"))) Communicator *
weft_make_communicator(const Bootstrap &bootstrap) {
  requireDevice(bootstrap, c10::cuda::device_count());
  return new NcclCommunicator(bootstrap);
}
