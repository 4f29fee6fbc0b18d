// SPDX-License-Identifier: Apache-2.0
//
// Functions of compiled programs, called as one rank, against plain loops.
#include "CompiledProgram.h"
#include <cmath>

using namespace weft;

namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

TEST(Program, UpdatesSlotsInPlace) {
  CompiledProgram program(R"(
    pipe.slot @w : tensor<3x5xf32> {kind = "parameter", lifetime = "run"}
    pipe.slot @g : tensor<3x5xf32> {kind = "gradient", lifetime = "run", of = @w}
    pipe.slot @lr : tensor<f32> {kind = "scalar", lifetime = "run"}
    func.func @stage0_update(%w: tensor<3x5xf32> {pipe.slot = @w},
                             %g: tensor<3x5xf32> {pipe.slot = @g},
                             %lr: tensor<f32> {pipe.slot = @lr})
        -> (tensor<3x5xf32> {pipe.slot = @w}, tensor<3x5xf32> {pipe.slot = @g}) {
      %zero = nn.constant dense<0.0> : tensor<3x5xf32>
      %rate = nn.broadcast %lr dims [] : (tensor<f32>) -> tensor<3x5xf32>
      %step = nn.mul %rate, %g : tensor<3x5xf32>
      %new = nn.sub %w, %step : tensor<3x5xf32>
      return %new, %zero : tensor<3x5xf32>, tensor<3x5xf32>
    })");
  Floats w(15), g(15), want(15);
  for (int i = 0; i < 15; ++i) {
    w[i] = 0.25f * i;
    g[i] = 1.0f - i;
    want[i] = w[i] - 0.5f * g[i];
  }
  program.set("w", w);
  program.set("g", g);
  program.set("lr", Floats{0.5f});
  program.call("stage0_update");
  EXPECT_EQ(program.get<float>("w"), want);
  EXPECT_EQ(program.get<float>("g"), Floats(15, 0.0f));
  // Everything is computed where it stays.
  EXPECT_EQ(program.descriptor.getObject("regions")->getInteger("microbatch"),
            0);
}

TEST(Program, SwapsSlots) {
  CompiledProgram program(R"(
    pipe.slot @a : tensor<3xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @b : tensor<3xf32> {kind = "activation", lifetime = "run"}
    func.func @swap(%a: tensor<3xf32> {pipe.slot = @a},
                    %b: tensor<3xf32> {pipe.slot = @b})
        -> (tensor<3xf32> {pipe.slot = @b}, tensor<3xf32> {pipe.slot = @a}) {
      return %a, %b : tensor<3xf32>, tensor<3xf32>
    })");
  program.set("a", Floats{1, 2, 3});
  program.set("b", Floats{4, 5, 6});
  program.call("swap");
  EXPECT_EQ(program.get<float>("a"), (Floats{4, 5, 6}));
  EXPECT_EQ(program.get<float>("b"), (Floats{1, 2, 3}));
}

TEST(Program, KeepsAnOldValueThatIsReadLater) {
  CompiledProgram program(R"(
    pipe.slot @a : tensor<2xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @s : tensor<f32> {kind = "scalar", lifetime = "run"}
    func.func @f(%a: tensor<2xf32> {pipe.slot = @a})
        -> (tensor<2xf32> {pipe.slot = @a}, tensor<f32> {pipe.slot = @s}) {
      %new = nn.exp %a : tensor<2xf32>
      %t = nn.reduce max %new dims [0] : (tensor<2xf32>) -> tensor<f32>
      %old = nn.reduce sum %a dims [0] : (tensor<2xf32>) -> tensor<f32>
      %s = nn.sub %old, %t : tensor<f32>
      return %new, %s : tensor<2xf32>, tensor<f32>
    })");
  program.set("a", Floats{1, 2});
  program.call("f");
  float two = std::exp(2.0f);
  EXPECT_NEAR(program.get<float>("a")[1], two, 1e-5);
  EXPECT_NEAR(program.get<float>("s")[0], 3 - two, 1e-5);
}

TEST(Program, MovesElements) {
  CompiledProgram program(R"(
    pipe.slot @x : tensor<2x3xf32> {kind = "input", lifetime = "microbatch"}
    pipe.slot @t : tensor<3x2xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @p : tensor<4x5xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @c : tensor<2x4xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @m : tensor<2x3xi1> {kind = "activation", lifetime = "run"}
    func.func @f(%x: tensor<2x3xf32> {pipe.slot = @x})
        -> (tensor<3x2xf32> {pipe.slot = @t}, tensor<4x5xf32> {pipe.slot = @p},
            tensor<2x4xf32> {pipe.slot = @c}, tensor<2x3xi1> {pipe.slot = @m}) {
      %t = nn.transpose %x permutation [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>
      %p = nn.pad %x low [1, 0] high [0, 0] interior [1, 1] : (tensor<2x3xf32>) -> tensor<4x5xf32>
      %s = nn.slice %x offsets [0, 2] sizes [2, 1] strides [1, 1] : (tensor<2x3xf32>) -> tensor<2x1xf32>
      %c = nn.concat %s, %x dim 1 : (tensor<2x1xf32>, tensor<2x3xf32>) -> tensor<2x4xf32>
      %i = nn.constant dense<[2.0, 3.0, 4.0]> : tensor<3xf32>
      %b = nn.broadcast %i dims [1] : (tensor<3xf32>) -> tensor<2x3xf32>
      %m = nn.compare lt %b, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>
      return %t, %p, %c, %m : tensor<3x2xf32>, tensor<4x5xf32>, tensor<2x4xf32>, tensor<2x3xi1>
    })");
  program.set("x", Floats{1, 2, 3, 4, 5, 6});
  program.call("f");
  EXPECT_EQ(program.get<float>("t"), (Floats{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(program.get<float>("p"), (Floats{0, 0, 0, 0, 0, 1, 0, 2, 0, 3,
                                             0, 0, 0, 0, 0, 4, 0, 5, 0, 6}));
  EXPECT_EQ(program.get<float>("c"), (Floats{3, 1, 2, 3, 6, 4, 5, 6}));
  EXPECT_EQ(program.get<char>("m"), (std::vector<char>{0, 0, 0, 1, 1, 1}));
}

/// 10 elements over (2, 2) are 5, then 3; valid 3, 2, 3, 2.
TEST(Program, KnowsItsCoordinates) {
  CompiledProgram program(R"(
    #mesh = #dist.mesh<dp = 2, tp = 2>
    module attributes {dist.mesh = #mesh} {
    pipe.slot @x : tensor<2x10xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @y : tensor<2x5xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @z : tensor<2x5xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @p : tensor<2x10xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @i : tensor<3xi64> {kind = "activation", lifetime = "run"}
    pipe.slot @v : tensor<3xf32> {kind = "activation", lifetime = "run"}
    func.func @f(%x: tensor<2x10xf32> {pipe.slot = @x})
        -> (tensor<2x5xf32> {pipe.slot = @y}, tensor<2x5xf32> {pipe.slot = @z},
            tensor<2x10xf32> {pipe.slot = @p}, tensor<3xi64> {pipe.slot = @i},
            tensor<3xf32> {pipe.slot = @v}) {
      %y = dist.shard_slice %x over #mesh ["tp"] dim 1 : tensor<2x10xf32> to tensor<2x5xf32>
      %two = nn.constant dense<2.0> : tensor<2x5xf32>
      %z0 = nn.mul %y, %two : tensor<2x5xf32>
      %end = dist.extent of 7 over #mesh ["tp"] : tensor<i64>
      %z = nn.mask_tail %z0, %end dim 1 value -1.0 : (tensor<2x5xf32>, tensor<i64>) -> tensor<2x5xf32>
      %p = dist.make_partial "sum" %x over #mesh ["dp", "tp"] : tensor<2x10xf32> to tensor<2x10xf32>
      %start = dist.coordinate over #mesh ["dp", "tp"] scale 3 : tensor<i64>
      %i = nn.iota dim 0 offset %start, tensor<i64> : tensor<3xi64>
      %valid = dist.extent of 10 over #mesh ["dp", "tp"] : tensor<i64>
      %one = nn.constant dense<1.0> : tensor<3xf32>
      %v = nn.mask_tail %one, %valid dim 0 value 0.0 : (tensor<3xf32>, tensor<i64>) -> tensor<3xf32>
      return %y, %z, %p, %i, %v : tensor<2x5xf32>, tensor<2x5xf32>, tensor<2x10xf32>, tensor<3xi64>, tensor<3xf32>
    }
    })");
  Floats x(20);
  for (int i = 0; i < 20; ++i)
    x[i] = i;
  program.set("x", x);
  const int64_t valid[] = {3, 2, 3, 2};
  for (int64_t rank = 0; rank < 4; ++rank) {
    int64_t tp = rank % 2;
    program.call("f", {rank / 2, tp});
    Floats y, z, v;
    for (int i = 0; i < 10; ++i) {
      y.push_back(x[i / 5 * 10 + tp * 5 + i % 5]);
      // 7 over 2: 4 a rank, so 4 and 3 are valid
      z.push_back(i % 5 < (tp == 0 ? 4 : 3) ? 2 * y.back() : -1);
    }
    for (int i = 0; i < 3; ++i)
      v.push_back(i < valid[rank]);
    EXPECT_EQ(program.get<float>("y"), y) << rank;
    EXPECT_EQ(program.get<float>("z"), z) << rank;
    EXPECT_EQ(program.get<float>("p"), rank == 0 ? x : Floats(20, 0)) << rank;
    EXPECT_EQ(program.get<int64_t>("i"),
              (Ints{3 * rank, 3 * rank + 1, 3 * rank + 2}));
    EXPECT_EQ(program.get<float>("v"), v) << rank;
  }
}

TEST(Program, FillsAWindowPastTheEndWithZeros) {
  CompiledProgram program(R"(
    #mesh = #dist.mesh<tp = 4>
    module attributes {dist.mesh = #mesh} {
    pipe.slot @x : tensor<5x20xi64> {kind = "activation", lifetime = "run"}
    pipe.slot @y : tensor<2x20xi64> {kind = "activation", lifetime = "run"}
    func.func @f(%x: tensor<5x20xi64> {pipe.slot = @x})
        -> (tensor<2x20xi64> {pipe.slot = @y}) {
      %y = dist.shard_slice %x over #mesh ["tp"] dim 0 : tensor<5x20xi64> to tensor<2x20xi64>
      return %y : tensor<2x20xi64>
    }
    })");
  Ints x(100);
  for (int i = 0; i < 100; ++i)
    x[i] = i + 1;
  program.set("x", x);
  for (int64_t rank = 0; rank < 4; ++rank) {
    program.call("f", {rank});
    Ints y(40, 0);
    for (int i = 0; i < 40 && rank * 40 + i < 100; ++i)
      y[i] = x[rank * 40 + i];
    EXPECT_EQ(program.get<int64_t>("y"), y) << rank;
  }
}

TEST(Program, StartsAndWaitsForEachCollective) {
  CompiledProgram program(R"(
    #mesh = #dist.mesh<dp = 2, tp = 2>
    module attributes {dist.mesh = #mesh} {
    pipe.slot @a : tensor<4xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @b : tensor<2x3xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @c : tensor<8xf32> {kind = "activation", lifetime = "run"}
    pipe.slot @d : tensor<2x6xf32> {kind = "activation", lifetime = "run"}
    func.func @f(%a: tensor<4xf32> {pipe.slot = @a}, %b: tensor<2x3xf32> {pipe.slot = @b})
        -> (tensor<4xf32> {pipe.slot = @a}, tensor<8xf32> {pipe.slot = @c}, tensor<2x6xf32> {pipe.slot = @d}) {
      %g:2 = dist.all_gather %a, %b over #mesh ["tp"] dims [0, 1] : (tensor<4xf32>, tensor<2x3xf32>) -> (tensor<8xf32>, tensor<2x6xf32>)
      %r = dist.all_reduce "max" %a over #mesh ["dp", "tp"] : (tensor<4xf32>) -> tensor<4xf32>
      return %r, %g#0, %g#1 : tensor<4xf32>, tensor<8xf32>, tensor<2x6xf32>
    }
    })");
  program.call("f", {0, 0});
  ASSERT_EQ(program.started.size(), 2u);
  EXPECT_EQ(program.waited, (Ints{0, 1}));
  EXPECT_EQ(program.marked, (Ints{0, 1, 2, 3})) << "each start, each wait";
  // Straight between slots, the reduction in place.
  EXPECT_EQ(program.started[0].inputs,
            (std::vector<const void *>{program.slot<float>("a").data(),
                                       program.slot<float>("b").data()}));
  EXPECT_EQ(program.started[0].outputs,
            (std::vector<void *>{program.slot<float>("c").data(),
                                 program.slot<float>("d").data()}));
  EXPECT_EQ(program.started[1].inputs[0], program.started[1].outputs[0]);
  EXPECT_EQ(program.started[1].inputs[0], program.slot<float>("a").data());
}

} // namespace
