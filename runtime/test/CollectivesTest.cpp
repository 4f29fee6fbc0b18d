// SPDX-License-Identifier: Apache-2.0
//
// Collectives: strides and buckets of a descriptor's collectives, on threads.
#include "weft_runtime/Collectives.h"
#include "weft_runtime/Executor.h"
#include "weft_runtime/InProcess.h"
#include "weft_runtime/Recording.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

using namespace weft;

namespace {

/// Runs collective 0 of a mesh of n on every rank: inputs hold rank * 1000 + i.
std::vector<std::vector<std::vector<float>>>
runStrided(int n, CollectiveKind kind, const std::vector<Operand> &operands,
           int64_t inScale, int64_t outScale) {
  Descriptor descriptor;
  descriptor.mesh.axes = {{"tp", "tp", n}};
  descriptor.collectives = {
      {0, kind, {0}, ReduceKind::Sum, operands, {}, "here"}};
  InProcessHub hub(n);
  std::vector<std::vector<std::vector<float>>> outputs(n);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank)
    threads.emplace_back([&, rank] {
      InProcessCommunicator communicator(hub, rank);
      CollectiveRunner runner(descriptor, communicator);
      std::vector<std::vector<float>> inputs;
      std::vector<const void *> in;
      std::vector<void *> out;
      for (const Operand &operand : operands) {
        int64_t count = kind == CollectiveKind::AllToAll
                            ? operand.splitOuter * operand.splitInner
                            : operand.outer * operand.inner;
        inputs.emplace_back(count * inScale);
        std::iota(inputs.back().begin(), inputs.back().end(), rank * 1000);
        outputs[rank].emplace_back(count * outScale);
      }
      for (size_t i = 0; i < operands.size(); ++i) {
        in.push_back(inputs[i].data());
        out.push_back(outputs[rank][i].data());
      }
      runner.start(0, in.data(), out.data());
      runner.finish(0);
    });
  for (std::thread &thread : threads)
    thread.join();
  return outputs;
}

using Floats = std::vector<float>;

TEST(Strides, all_gather_puts_blocks_inside_rows) {
  Operand rows{DType::F32, 2, 2}, flat{DType::F32, 1, 1};
  auto out = runStrided(2, CollectiveKind::AllGather, {rows, flat}, 1, 2);
  for (int rank : {0, 1}) {
    EXPECT_EQ(out[rank][0], (Floats{0, 1, 1000, 1001, 2, 3, 1002, 1003}));
    EXPECT_EQ(out[rank][1], (Floats{0, 1000}));
  }
}

TEST(Strides, reduce_scatter_takes_blocks_from_rows) {
  Operand rows{DType::F32, 2, 1}, flat{DType::F32, 1, 2};
  auto out = runStrided(2, CollectiveKind::ReduceScatter, {rows, flat}, 2, 1);
  EXPECT_EQ(out[0][0], (Floats{1000, 1004}));
  EXPECT_EQ(out[1][0], (Floats{1002, 1006}));
  EXPECT_EQ(out[0][1], (Floats{1000, 1002}));
  EXPECT_EQ(out[1][1], (Floats{1004, 1006}));
}

// [2, 2 x 1] on each of two ranks: columns become rows.
TEST(Strides, all_to_all_splits_and_joins_at_different_dims) {
  Operand operand{DType::F32, 1, 1, 2, 1, 1, 2};
  auto out = runStrided(2, CollectiveKind::AllToAll, {operand}, 2, 2);
  EXPECT_EQ(out[0][0], (Floats{0, 2, 1000, 1002}));
  EXPECT_EQ(out[1][0], (Floats{1, 3, 1001, 1003}));
}

TEST(Strides, a_large_operand_of_a_bucket_goes_alone) {
  Operand large{DType::F32, 1, 40000}, small{DType::F32, 1, 3};
  auto out =
      runStrided(3, CollectiveKind::AllReduce, {small, large, small}, 1, 1);
  for (int rank : {0, 1, 2})
    for (const Floats &values : out[rank])
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(values[i], 3000 + 3 * float(i));
}

/// What happens in a step, in order.
std::string events;

class SettlingCommunicator : public RecordingCommunicator {
public:
  using RecordingCommunicator::RecordingCommunicator;
  void settle() override { events += "settle "; }
};

// Peers may read parameters until they settle, and updates write those.
TEST(Executor, settles_before_every_update) {
  Program program;
  program.descriptor.mesh.axes = {{"tp", "tp", 2}};
  for (const char *name : {"stage0", "stage0_update"}) {
    Call call;
    call.function = name;
    program.descriptor.step.push_back(call);
  }
  program.functions["stage0"] = [](weft_context *, char *const *) {
    events += "stage ";
  };
  program.functions["stage0_update"] = [](weft_context *, char *const *) {
    events += "update ";
  };
  SettlingCommunicator communicator(0, 2);
  Executor executor(program, communicator);
  executor.runStep(1, 0.5, nullptr);
  EXPECT_EQ(events, "stage settle update ");
}

/// A stage that gathers twice and notes whether it finds the outputs in its
/// own memory.
Program gatheringProgram() {
  Program program;
  program.descriptor.mesh.axes = {{"tp", "tp", 2}};
  program.descriptor.regionBytes = {0, 0, 128, 0};
  for (int64_t id : {0, 1})
    program.descriptor.collectives.push_back({id,
                                              CollectiveKind::AllGather,
                                              {0},
                                              ReduceKind::Sum,
                                              {{DType::F32, 1, 4}},
                                              {},
                                              "here",
                                              /*gathered=*/1 - id});
  Call call;
  call.function = "stage0";
  program.descriptor.step.push_back(call);
  program.functions["stage0"] = [](weft_context *context,
                                   char *const *regions) {
    events.clear();
    for (int64_t id : {0, 1}) {
      const void *inputs[] = {regions[WEFT_REGION_MICROBATCH]};
      void *outputs[] = {regions[WEFT_REGION_MICROBATCH] + 32 * (id + 1)};
      context->start(context, id, inputs, outputs);
      context->wait(context, id);
      events += context->gathered[1 - id] == outputs[0] ? "own " : "other ";
    }
  };
  return program;
}

struct Elsewhere : RecordingCommunicator {
  using RecordingCommunicator::RecordingCommunicator;
  float other[8] = {};
  void doStart(Transfer &transfer) override {
    if (transfer.keepsInputs)
      transfer.gathered[0] = other;
  }
};

// With a guard, as memory is measured, all outputs are where the plan has them.
TEST(Executor, copies_what_it_could_keep_while_memory_is_measured) {
  Program program = gatheringProgram();
  for (int64_t guard : {int64_t{0}, Regions::guardBytes}) {
    Elsewhere communicator(0, 2);
    Executor(program, communicator, guard).runStep(1, 0.5, nullptr);
    EXPECT_EQ(events, guard ? "own own " : "other other ");
  }
}

struct Absent : RecordingCommunicator {
  using RecordingCommunicator::RecordingCommunicator;
  void doStart(Transfer &) override { throw PeerFailed(1, -1, "is gone"); }
};

// It has no unwind tables, so it computes to its end with what it finds.
TEST(Executor, a_program_whose_peer_is_gone_finds_memory_of_its_own) {
  Program program = gatheringProgram();
  Absent communicator(0, 2);
  Executor executor(program, communicator);
  EXPECT_THROW(executor.runStep(1, 0.5, nullptr), PeerFailed);
  EXPECT_EQ(events, "own own ");
}

} // namespace
