// SPDX-License-Identifier: Apache-2.0
//
// Which gathered values a program reads where the runtime says, and that it
// does.
#include "CompiledProgram.h"
#include "weft/Target/Program.h"

using namespace weft;

namespace {

using Floats = std::vector<float>;

/// A stage that uses what it gathers of @w, twice the same value.
const char *const kStage = R"(
  #mesh = #dist.mesh<dp = 2>
  module attributes {dist.mesh = #mesh} {
  pipe.slot @w : tensor<2x3xf32> {kind = "parameter", lifetime = "run"}
  pipe.slot @y : tensor<4x3xf32> {kind = "activation", lifetime = "run"}
  pipe.slot @z : tensor<3x4xf32> {kind = "activation", lifetime = "run"}
  func.func @stage0(%w: tensor<2x3xf32> {pipe.slot = @w})
      -> (tensor<4x3xf32> {pipe.slot = @y}, tensor<3x4xf32> {pipe.slot = @z}) {
    %g = dist.all_gather %w over #mesh ["dp"] dims [0] : (tensor<2x3xf32>) -> tensor<4x3xf32>
    %y = nn.neg %g : tensor<4x3xf32>
    %z = nn.transpose %g permutation [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
    return %y, %z : tensor<4x3xf32>, tensor<3x4xf32>
  }
  })";

TEST(Gather, ReadsWhatIsGatheredWhereTheRuntimeSays) {
  CompiledProgram program(kStage);
  program.set("w", Floats{1, 2, 3, 4, 5, 6});
  Floats elsewhere = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  program.gathered = {elsewhere.data()};
  program.call("stage0");
  EXPECT_EQ(program.get<float>("y"),
            (Floats{-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12}));
  EXPECT_EQ(program.get<float>("z"),
            (Floats{1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12}));
  // What it asks for is planned memory: a communicator may have to write.
  ASSERT_EQ(program.started.size(), 1u);
  EXPECT_NE(program.started[0].outputs[0], elsewhere.data());
}

/// Texts in kStage and what takes their place, so that the value has to be
/// where it is planned.
struct Variant {
  const char *name;
  std::vector<std::pair<const char *, const char *>> edits;
};

const Variant variants[] = {
    {"Unchanged", {}},
    {"OfTheUpdate", {{"@stage0", "@stage0_update"}}},
    {"OfAnActivationOfTheStep",
     {{R"(@w : tensor<2x3xf32> {kind = "parameter", lifetime = "run"})",
       R"(@w : tensor<2x3xf32> {kind = "activation", lifetime = "step"})"}}},
    {"IntoASlot",
     {{"return %y,", "return %g,"}, {"%y = nn.neg %g : tensor<4x3xf32>", ""}}},
    {"OfWhatTheStageWrites",
     {{R"((tensor<4x3xf32> {pipe.slot = @y},)",
       R"((tensor<2x3xf32> {pipe.slot = @w}, tensor<4x3xf32> {pipe.slot = @y},)"},
      {"return %y, %z : ", "%v = nn.neg %w : tensor<2x3xf32>\n"
                           "return %v, %y, %z : tensor<2x3xf32>, "}}},
    {"OfWhatAnotherFunctionWrites",
     {{"module attributes {dist.mesh = #mesh} {",
       R"(module attributes {dist.mesh = #mesh} {
          func.func @seed(%w: tensor<2x3xf32> {pipe.slot = @w})
              -> (tensor<2x3xf32> {pipe.slot = @w}) {
            %v = nn.neg %w : tensor<2x3xf32>
            return %v : tensor<2x3xf32>
          })"}}},
    {"GatheredOn",
     {{R"(@y : tensor<4x3xf32>)", R"(@y : tensor<8x3xf32>)"},
      {R"((tensor<4x3xf32> {pipe.slot = @y})",
       R"((tensor<8x3xf32> {pipe.slot = @y})"},
      {"%y = nn.neg %g : tensor<4x3xf32>",
       R"(%h = dist.all_gather %g over #mesh ["dp"] dims [0] : (tensor<4x3xf32>) -> tensor<8x3xf32>
          %y = nn.neg %h : tensor<8x3xf32>)"},
      {"return %y, %z : tensor<4x3xf32>", "return %y, %z : tensor<8x3xf32>"}}},
};

class GatherVariant : public testing::TestWithParam<Variant> {};

TEST_P(GatherVariant, IsWhereItIsPlannedUnlessOnlyTheUpdateWrites) {
  std::string text = kStage;
  for (auto [from, to] : GetParam().edits) {
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), strlen(from), to);
  }
  mlir::MLIRContext context{programDialects()};
  auto module = lowerToProgram(context, text);
  ASSERT_TRUE(module);
  bool isUnchanged = GetParam().edits.empty();
  EXPECT_EQ(gatheredBuffers(*module).size(), isUnchanged ? 1u : 0u);
  auto descriptor = buildDescriptor(*module);
  ASSERT_TRUE(succeeded(descriptor));
  for (const llvm::json::Value &each : *descriptor->getArray("collectives"))
    EXPECT_EQ(each.getAsObject()->getInteger("gathered").has_value(),
              isUnchanged);
}

INSTANTIATE_TEST_SUITE_P(All, GatherVariant, testing::ValuesIn(variants),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });

// With and without an op that writes over what was gathered.
TEST(Gather, IsWhereItIsPlannedIfSomethingElseWritesThere) {
  for (bool isOverwritten : {false, true}) {
    std::string text = R"(
      #mesh = #dist.mesh<dp = 2>
      module attributes {dist.mesh = #mesh} {
      pipe.slot @w : tensor<8xf32> {kind = "parameter", lifetime = "run"}
      pipe.slot @y : tensor<16xf32> {kind = "activation", lifetime = "run"}
      func.func @stage0() {
        %w = prog.buffer "run" slot @w : memref<8xf32>
        %y = prog.buffer "run" slot @y : memref<16xf32>
        %g = prog.buffer "microbatch" : memref<16xf32>
        prog.collective "all_gather" 0 ins(%w : memref<8xf32>) outs(%g : memref<16xf32>) over #mesh ["dp"] reduce "sum" dims [0] concat []
        prog.wait 0(%w, %g : memref<8xf32>, memref<16xf32>)
        prog.copy %g to %y : memref<16xf32> to memref<16xf32>
        OVERWRITE
        return
      }
      })";
    text.replace(text.find("OVERWRITE"), 9,
                 isOverwritten
                     ? "prog.copy %y to %g : memref<16xf32> to memref<16xf32>"
                     : "");
    mlir::MLIRContext context{programDialects()};
    auto module = lowerToProgram(context, text);
    ASSERT_TRUE(module);
    EXPECT_EQ(gatheredBuffers(*module).size(), isOverwritten ? 0u : 1u);
  }
}

} // namespace
