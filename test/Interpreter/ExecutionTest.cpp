// SPDX-License-Identifier: Apache-2.0
//
// Steps over slots: one small program written for one device and for two
// ranks. loss = sum of x . w over the batch; w := w - lr * gradient.
#include "InterpretText.h"
#include "weft/Interpreter/Simulate.h"
#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"
#include <cmath>
#include <filesystem>
#include <fstream>

using namespace weft;
using namespace weft::interpreter;
using Values = std::vector<double>;

static const char *const kGlobal = R"(
  pipe.slot @w : tensor<3xf32> {kind = "parameter", lifetime = "run", stored = "w", trainable}
  pipe.slot @g.w : tensor<3xf32> {kind = "gradient", lifetime = "run", of = @w}
  pipe.slot @x : tensor<2x3xf32> {kind = "input", lifetime = "microbatch"}
  pipe.slot @loss : tensor<f32> {kind = "scalar", lifetime = "run"}
  pipe.slot @sum : tensor<f32> {kind = "scalar", lifetime = "step"}
  pipe.slot @lr : tensor<f32> {kind = "scalar", lifetime = "run"}
  func.func @stage0(%w: tensor<3xf32> {pipe.slot = @w}, %x: tensor<2x3xf32> {pipe.slot = @x}, %g: tensor<3xf32> {pipe.slot = @g.w}, %s: tensor<f32> {pipe.slot = @sum})
      -> (tensor<3xf32> {pipe.slot = @g.w}, tensor<f32> {pipe.slot = @sum}) {
    %p = nn.contract "bd,d->b" %x, %w : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
    %l = nn.reduce sum %p dims [0] : (tensor<2xf32>) -> tensor<f32>
    %d = nn.reduce sum %x dims [0] : (tensor<2x3xf32>) -> tensor<3xf32>
    %gn = nn.add %g, %d : tensor<3xf32>
    %sn = nn.add %s, %l : tensor<f32>
    return %gn, %sn : tensor<3xf32>, tensor<f32>
  }
  func.func @stage0_update(%w: tensor<3xf32> {pipe.slot = @w}, %g: tensor<3xf32> {pipe.slot = @g.w}, %s: tensor<f32> {pipe.slot = @sum}, %lr: tensor<f32> {pipe.slot = @lr})
      -> (tensor<3xf32> {pipe.slot = @w}, tensor<3xf32> {pipe.slot = @g.w}, tensor<f32> {pipe.slot = @loss}) {
    %r = nn.broadcast %lr dims [] : (tensor<f32>) -> tensor<3xf32>
    %m = nn.mul %r, %g : tensor<3xf32>
    %n = nn.sub %w, %m : tensor<3xf32>
    %z = nn.constant dense<0.0> : tensor<3xf32>
    return %n, %z, %s : tensor<3xf32>, tensor<3xf32>, tensor<f32>
  }
)";

/// Batch and parameter over two ranks; the parameter's shards are uneven.
static const char *const kLocal = R"(
#mesh = #dist.mesh<dp = 2>
module attributes {dist.mesh = #mesh} {
  pipe.slot @w : tensor<3xf32, #dist.layout<#mesh, dp = shard(0)>> {kind = "parameter", lifetime = "run", stored = "w", trainable}
  pipe.slot @g.w : tensor<3xf32, #dist.layout<#mesh, dp = shard(0)>> {kind = "gradient", lifetime = "run", of = @w}
  pipe.slot @x : tensor<2x3xf32, #dist.layout<#mesh, dp = shard(0)>> {kind = "input", lifetime = "microbatch"}
  pipe.slot @loss : tensor<f32, #dist.layout<#mesh>> {kind = "scalar", lifetime = "run"}
  pipe.slot @sum : tensor<f32, #dist.layout<#mesh, dp = partial(sum)>> {kind = "scalar", lifetime = "step"}
  pipe.slot @lr : tensor<f32, #dist.layout<#mesh>> {kind = "scalar", lifetime = "run"}
  func.func @stage0(%w: tensor<2xf32> {pipe.slot = @w}, %x: tensor<1x3xf32> {pipe.slot = @x}, %g: tensor<2xf32> {pipe.slot = @g.w}, %s: tensor<f32> {pipe.slot = @sum})
      -> (tensor<2xf32> {pipe.slot = @g.w}, tensor<f32> {pipe.slot = @sum}) {
    %a = dist.all_gather %w over #mesh ["dp"] dims [0] : (tensor<2xf32>) -> (tensor<4xf32>)
    %c = nn.slice %a offsets [0] sizes [3] strides [1] : (tensor<4xf32>) -> tensor<3xf32>
    %p = nn.contract "bd,d->b" %x, %c : (tensor<1x3xf32>, tensor<3xf32>) -> tensor<1xf32>
    %l = nn.reduce sum %p dims [0] : (tensor<1xf32>) -> tensor<f32>
    %d = nn.reduce sum %x dims [0] : (tensor<1x3xf32>) -> tensor<3xf32>
    %e = nn.pad %d low [0] high [1] interior [0] : (tensor<3xf32>) -> tensor<4xf32>
    %h = dist.reduce_scatter "sum" %e over #mesh ["dp"] dims [0] : (tensor<4xf32>) -> (tensor<2xf32>)
    %gn = nn.add %g, %h : tensor<2xf32>
    %sn = nn.add %s, %l : tensor<f32>
    return %gn, %sn : tensor<2xf32>, tensor<f32>
  }
  func.func @stage0_update(%w: tensor<2xf32> {pipe.slot = @w}, %g: tensor<2xf32> {pipe.slot = @g.w}, %s: tensor<f32> {pipe.slot = @sum}, %lr: tensor<f32> {pipe.slot = @lr})
      -> (tensor<2xf32> {pipe.slot = @w}, tensor<2xf32> {pipe.slot = @g.w}, tensor<f32> {pipe.slot = @loss}) {
    %r = nn.broadcast %lr dims [] : (tensor<f32>) -> tensor<2xf32>
    %m = nn.mul %r, %g : tensor<2xf32>
    %n = nn.sub %w, %m : tensor<2xf32>
    %z = nn.constant dense<0.0> : tensor<2xf32>
    %t = dist.all_reduce "sum" %s over #mesh ["dp"] : (tensor<f32>) -> (tensor<f32>)
    return %n, %z, %t : tensor<2xf32>, tensor<2xf32>, tensor<f32>
  }
}
)";

class ExecutionOfSteps : public testing::Test {
protected:
  ExecutionOfSteps() {
    inputs.weights["w"] = real({3}, {1, 2, 3});
    TensorMap data;
    data["x"] = real({4, 3}, {1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 1, 1});
    inputs.data = Batches::of(data);
    inputs.steps = 2;
    inputs.microbatches = 2;
    inputs.learningRate = [](int64_t step) { return 0.5 * step; };
  }
  TestContext context;
  RunInputs inputs;
};

TEST_F(ExecutionOfSteps, RunsMicrobatchesThenTheUpdate) {
  auto module = context.parse(kGlobal);
  auto results = runSteps(*module, inputs);
  ASSERT_TRUE(succeeded(results));
  // Step 1: gradient [2, 3, 4], w [0, .5, 1]; step 2: w [-2, -2.5, -3].
  EXPECT_EQ(results->losses, (Values{1 + 4 + 9 + 6, 0 + 1 + 3 + 1.5}));
  EXPECT_EQ(valuesOf(results->gradients.at("w")), (Values{2, 3, 4}));
  EXPECT_EQ(valuesOf(results->parameters.at("w")), (Values{-2, -2.5, -3}));
}

TEST_F(ExecutionOfSteps, RanksComputeWhatOneDeviceComputes) {
  auto global = context.parse(kGlobal), local = context.parse(kLocal);
  EXPECT_FALSE(isLocal(*global));
  EXPECT_TRUE(isLocal(*local));
  auto comparison = simulate(*local, *global, inputs);
  ASSERT_TRUE(succeeded(comparison));
  EXPECT_TRUE(comparison->agrees());
  EXPECT_EQ(comparison->worst()->distance, 0.0);
  EXPECT_EQ(comparison->differences.size(), 2u + 1u + 1u);
}

/// Negative twins: each collective that is lost or turned is found.
TEST_F(ExecutionOfSteps, FindsADroppedCollective) {
  const std::pair<const char *, const char *> twins[] = {
      {R"(%t = dist.all_reduce "sum" %s over #mesh ["dp"] : (tensor<f32>) -> (tensor<f32>))",
       R"(%t = nn.boundary %s {module = "m", side = "input", index = 0 : i64} : tensor<f32>)"},
      {R"(%h = dist.reduce_scatter "sum" %e over #mesh ["dp"] dims [0] : (tensor<4xf32>) -> (tensor<2xf32>))",
       R"(%h = dist.shard_slice %e over #mesh ["dp"] dim 0 : tensor<4xf32> to tensor<2xf32>)"},
      {R"(dist.reduce_scatter "sum")", R"(dist.reduce_scatter "max")"},
      {"offsets [0] sizes [3]", "offsets [1] sizes [3]"},
  };
  auto global = context.parse(kGlobal);
  for (auto [from, to] : twins) {
    std::string text = kLocal;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), strlen(from), to);
    auto local = context.parse(text);
    auto comparison = simulate(*local, *global, inputs);
    ASSERT_TRUE(succeeded(comparison));
    EXPECT_FALSE(comparison->agrees()) << to;
  }
}

/// Three tokens over two ranks; the loss sums their embeddings.
static const char *const kUneven = R"(
#mesh = #dist.mesh<dp = 2>
module attributes {dist.mesh = #mesh} {
  pipe.slot @w : tensor<3x1xf32, #dist.layout<#mesh>> {kind = "parameter", lifetime = "run", stored = "w"}
  pipe.slot @tokens : tensor<3xi64, #dist.layout<#mesh, dp = shard(0)>> {kind = "input", lifetime = "microbatch"}
  pipe.slot @loss : tensor<f32, #dist.layout<#mesh>> {kind = "scalar", lifetime = "run"}
  func.func @stage0(%w: tensor<3x1xf32> {pipe.slot = @w}, %t: tensor<2xi64> {pipe.slot = @tokens}) -> (tensor<f32> {pipe.slot = @loss}) {
    %e = nn.embedding %t, %w : (tensor<2xi64>, tensor<3x1xf32>) -> tensor<2x1xf32>
    %n = dist.extent of 3 over #mesh ["dp"] : tensor<i64>
    %m = nn.mask_tail %e, %n dim 0 value 0.0 : (tensor<2x1xf32>, tensor<i64>) -> tensor<2x1xf32>
    %l = nn.reduce sum %m dims [0, 1] : (tensor<2x1xf32>) -> tensor<f32>
    %a = dist.all_reduce "sum" %l over #mesh ["dp"] : (tensor<f32>) -> (tensor<f32>)
    return %a : tensor<f32>
  }
}
)";

TEST_F(ExecutionOfSteps, PaddingOfTokensIsSeen) {
  for (bool isMasked : {true, false}) {
    std::string text = kUneven;
    if (!isMasked)
      text.replace(text.find("sum %m"), 6, "sum %e");
    auto module = context.parse(text);
    Execution run(*module);
    TensorMap weights;
    weights["w"] = real({3, 1}, {1, 2, 4});
    ASSERT_TRUE(succeeded(run.load(weights)));
    ASSERT_TRUE(succeeded(run.set("tokens", whole({3}, {0, 2, 2}))));
    ASSERT_TRUE(succeeded(run.call("stage0", /*microbatch=*/0)));
    double loss = run.global("loss").elements()[0].real;
    if (isMasked)
      EXPECT_EQ(loss, 1 + 4 + 4);
    else
      EXPECT_TRUE(std::isnan(loss)) << loss;
  }
}

TEST_F(ExecutionOfSteps, FollowsTheSchedule) {
  std::string text = kGlobal;
  text += "pipe.schedule [{call = @stage0, microbatch = 0 : i64}, "
          "{call = @stage0_update}]";
  auto module = context.parse(text);
  EXPECT_EQ(numScheduledMicrobatches(*module), 1);
  auto results = runSteps(*module, inputs);
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(results->losses.front(), 1 + 4);
}

TEST_F(ExecutionOfSteps, NamesAMissingTensor) {
  auto module = context.parse(kGlobal);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(context.get(),
                                        [&](mlir::Diagnostic &diagnostic) {
                                          message = diagnostic.str();
                                          return mlir::success();
                                        });
  inputs.weights.clear();
  EXPECT_TRUE(failed(runSteps(*module, inputs)));
  EXPECT_EQ(message, "'pipe.slot' op stored tensor is missing: got no \"w\" "
                     "among 0 tensors");
}

TEST(Files, SafetensorsGoThereAndBack) {
  TensorMap tensors;
  tensors["half"] = Tensor::of(ElementKind::BF16, {2}, {1.5, -2});
  tensors["real"] = real({1, 2}, {0.1f, 3});
  tensors["mask"] = Tensor::of(ElementKind::I1, {2}, {1, 0});
  tensors["index"] = whole({}, {-100});
  std::string path = testing::TempDir() + "weft-there-and-back.safetensors";
  ASSERT_FALSE(bool(writeSafetensors(path, tensors)));
  auto read = readSafetensors(path);
  ASSERT_TRUE(bool(read));
  EXPECT_TRUE(*read == tensors);
  llvm::sys::fs::remove(path);
}

/// The header says how long the file is; one byte less is missed.
TEST(Files, CutSafetensorsAreRefused) {
  TensorMap tensors;
  tensors["first"] = real({2}, {1, 2});
  tensors["last"] = whole({1}, {3});
  std::string path = testing::TempDir() + "weft-cut.safetensors";
  ASSERT_FALSE(bool(writeSafetensors(path, tensors)));
  EXPECT_FALSE(bool(checkSafetensors(path)));
  uint64_t size = 0;
  ASSERT_FALSE(llvm::sys::fs::file_size(path, size));
  std::string expected = std::to_string(size);
  for (uint64_t left = size; left-- > 0;) {
    std::filesystem::resize_file(path, left);
    if (left < 8)
      expected = "at least 8";
    else if (left < size - 16)
      expected = std::to_string(size - 16 - 8) + " behind the first 8";
    std::string message = llvm::toString(checkSafetensors(path));
    EXPECT_EQ(message,
              "\"" + path + "\" is cut off or no safetensors file: got " +
                  std::to_string(left) + " bytes, expected " + expected);
    EXPECT_EQ(llvm::toString(readSafetensors(path).takeError()), message);
  }
  llvm::sys::fs::remove(path);
}

TEST(Files, TokenSamplesOverlapByOne) {
  std::string path = testing::TempDir() + "weft-tokens.bin";
  {
    std::ofstream file(path, std::ios::binary);
    int32_t header[256] = {20240520, 1, 7};
    uint16_t tokens[7] = {10, 11, 12, 13, 14, 15, 16};
    file.write(reinterpret_cast<char *>(header), sizeof(header));
    file.write(reinterpret_cast<char *>(tokens), sizeof(tokens));
  }
  auto batches = Batches::open(path);
  ASSERT_TRUE(bool(batches));
  auto labels = batches->samples("labels", {2, 3}, 1);
  ASSERT_TRUE(bool(labels));
  EXPECT_EQ(valuesOf(*labels), (Values{14, 15, 16, 11, 12, 13}));
  llvm::sys::fs::remove(path);
  auto missing = Batches::open(path);
  EXPECT_EQ(llvm::toString(missing.takeError()),
            "\"" + path + "\" does not exist");
}
