// SPDX-License-Identifier: Apache-2.0
//
// The static proofs, each on a sound program and on twins that differ from it
// by one fault.
#include "weft/Pipelines/Check.h"
#include "mlir/Parser/Parser.h"
#include "weft/Pipelines/Compile.h"
#include "llvm/ADT/StringExtras.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace weft;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

/// One linear layer over a batch, sharded by dp_shard, rows of the weight by
/// tp: what scheduled IR looks like.
constexpr llvm::StringLiteral kHead = R"(
#mesh = #dist.mesh<dp_replicate = 2, dp_shard = 2, tp = 2>
module attributes {dist.mesh = #mesh} {
pipe.slot @x : tensor<8x4xf32, #dist.layout<#mesh, dp_replicate = shard(0), dp_shard = shard(0)>> {kind = "input", lifetime = "microbatch"}
pipe.slot @w : tensor<8x4xf32, #dist.layout<#mesh, tp = shard(0), dp_shard = shard(0)>> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @g.w : tensor<8x4xf32, #dist.layout<#mesh, tp = shard(0), dp_shard = shard(0)>> {kind = "gradient", lifetime = "run", of = @w}
pipe.slot @sum : tensor<f32, #dist.layout<#mesh>> {kind = "scalar", lifetime = "step"}
pipe.schedule [{call = @stage0, microbatch = 0 : i64}, {call = @update}]
func.func @stage0(%x: tensor<2x4xf32> {pipe.slot = @x}, %w: tensor<2x4xf32> {pipe.slot = @w}, %old: tensor<2x4xf32> {pipe.slot = @g.w})
    -> (tensor<2x4xf32> {pipe.slot = @g.w}, tensor<f32> {pipe.slot = @sum}) {
)";

constexpr llvm::StringLiteral kBody = R"(
  %whole = dist.all_gather %w over #mesh ["dp_shard"] dims [0] : (tensor<2x4xf32>) -> tensor<4x4xf32>
  %y = nn.contract "bi,oi->bo" %x, %whole : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %part = nn.reduce sum %y dims [0, 1] : (tensor<2x4xf32>) -> tensor<f32>
  %total = dist.all_reduce "sum" %part over #mesh ["dp_replicate", "dp_shard", "tp"] : (tensor<f32>) -> tensor<f32>
  %dw = nn.contract "bo,bi->oi" %y, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32> loc("layer")
  %shard = dist.reduce_scatter "sum" %dw over #mesh ["dp_shard"] dims [0] : (tensor<4x4xf32>) -> tensor<2x4xf32>
  %mean = dist.all_reduce "sum" %shard over #mesh ["dp_replicate"] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %new = nn.sum_of %old, %mean : tensor<2x4xf32> loc("layer")
  return %new, %total : tensor<2x4xf32>, tensor<f32>
}
func.func @update(%w: tensor<2x4xf32> {pipe.slot = @w}, %g: tensor<2x4xf32> {pipe.slot = @g.w})
    -> (tensor<2x4xf32> {pipe.slot = @w}, tensor<2x4xf32> {pipe.slot = @g.w}) {
  %moved = nn.sub %w, %g : tensor<2x4xf32>
  %zero = nn.constant dense<0.0> : tensor<2x4xf32>
  return %moved, %zero : tensor<2x4xf32>, tensor<2x4xf32>
}
}
)";

/// The sum of a gradient over dp_shard, and a slice in its place.
constexpr llvm::StringLiteral kScatter =
    R"(dist.reduce_scatter "sum" %dw over #mesh ["dp_shard"] dims [0] : (tensor<4x4xf32>) -> tensor<2x4xf32>)";
constexpr llvm::StringLiteral kSlice =
    R"(dist.shard_slice %dw over #mesh ["dp_shard"] dim 0 : tensor<4x4xf32> to tensor<2x4xf32>)";

/// Text to be replaced once.
struct Edit {
  std::string from, to;
};

/// Two microbatches.
static const Edit kTwice = {
    "microbatch = 0 : i64}",
    "microbatch = 0 : i64}, {call = @stage0, microbatch = 1 "
    ": i64}"};

class CheckTest : public ::testing::Test {
protected:
  CheckTest() {
    DialectRegistry registry;
    registerWeftDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
  }

  /// What `proof` finds wrong with the program after the edits.
  std::vector<std::string> findings(Proof (*proof)(ModuleOp),
                                    llvm::ArrayRef<Edit> edits) {
    std::string text = (kHead + kBody).str();
    for (const Edit &edit : edits) {
      size_t at = text.find(edit.from);
      EXPECT_NE(at, std::string::npos) << edit.from;
      text.replace(at, edit.from.size(), edit.to);
    }
    std::vector<std::string> messages;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      messages.push_back(diagnostic.str());
      for (Diagnostic &note : diagnostic.getNotes())
        messages.push_back(note.str());
      return success();
    });
    auto module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << llvm::join(messages, "\n");
      return {};
    }
    bool holds = proof(*module).holds;
    EXPECT_EQ(holds, messages.empty());
    return messages;
  }

  MLIRContext context;
};

TEST_F(CheckTest, ProvesASoundProgramWithCounts) {
  auto module = parseSourceString<ModuleOp>((kHead + kBody).str(), &context);
  ASSERT_TRUE(module);
  std::vector<std::string> claims;
  for (const Proof &proof : proveScheduled(*module)) {
    EXPECT_TRUE(proof.holds) << proof.claim;
    claims.push_back(proof.claim);
  }
  EXPECT_THAT(
      claims,
      ElementsAre(
          "the 8 ranks issue 4 collectives each in one order, and none waits "
          "for ever",
          "0 started collectives, each waited for exactly once",
          "4 writes to slots, none twice in one function",
          "3 slots, of which a step loses no value and updates each parameter "
          "and state once",
          "10 ops and 4 writes fit how their operands lie on the mesh",
          "1 gradient, each summed exactly once over each data axis"));
}

TEST_F(CheckTest, FindsACollectiveOnAnotherMesh) {
  EXPECT_THAT(
      findings(proveOrder,
               {{"%part over #mesh", "%part over #dist.mesh<dp_replicate = 2, "
                                     "dp_shard = 2, tp = 4>"}}),
      ElementsAre("'dist.all_reduce' op is on another mesh than the module: "
                  "got #dist.mesh<dp_replicate = 2, dp_shard = 2, tp = 4>, "
                  "expected #dist.mesh<dp_replicate = 2, dp_shard = 2, tp = "
                  "2>"));
}

TEST_F(CheckTest, FindsASlotThatIsWrittenTwice) {
  EXPECT_THAT(findings(proveSlots, {{"tensor<f32> {pipe.slot = @sum}",
                                     "tensor<f32> {pipe.slot = @g.w}"}}),
              ElementsAre("result 1 of @stage0 writes a slot that another "
                          "result writes: got @g.w"));
  EXPECT_THAT(
      findings(proveSlots, {{"tensor<f32> {pipe.slot = @sum}", "tensor<f32>"}}),
      ElementsAre("result 1 of @stage0 is bound to no slot"));
}

// @g.w takes over what the microbatch before left; with @sum in its place the
// sum of the first of two microbatches would be lost.
TEST_F(CheckTest, FindsAValueThatAStepLoses) {
  EXPECT_THAT(findings(proveStep, {kTwice}),
              ElementsAre("'pipe.slot' op is written 2 times in a step"));
  EXPECT_THAT(
      findings(
          proveStep,
          {kTwice,
           {"kind = \"scalar\", lifetime = \"step\"",
            "kind = \"scalar\", lifetime = \"run\""},
           {"pipe.schedule",
            R"(func.func @reads(%s: tensor<f32> {pipe.slot = @sum}) -> (tensor<f32> {pipe.slot = @log}) {
                      return %s : tensor<f32>
                    }
                    pipe.slot @log : tensor<f32, #dist.layout<#mesh>> {kind = "scalar", lifetime = "run"}
                    pipe.schedule)"},
           {"microbatch = 1 : i64}, {call = @update}]",
            "microbatch = 1 : i64}, {call = @reads}, {call = @update}]"}}),
      ElementsAre("'pipe.slot' op loses what @stage0 writes: @stage0 writes "
                  "over it before anything reads it"));
}

TEST_F(CheckTest, FindsAReductionThatIsMissing) {
  EXPECT_THAT(
      findings(
          provePlacements,
          {{R"(dist.all_reduce "sum" %part over #mesh ["dp_replicate", "dp_shard", "tp"] : (tensor<f32>) -> tensor<f32>)",
            "nn.neg %part : tensor<f32>"}}),
      Contains("value for slot @sum does not lie as the slot along axis "
               "\"tp\": got partial(sum), expected replicate"));
}

// Groups of equal size: only the axis is wrong.
TEST_F(CheckTest, FindsACollectiveOverTheWrongAxis) {
  EXPECT_THAT(
      findings(provePlacements, {{R"(%shard over #mesh ["dp_replicate"])",
                                  R"(%shard over #mesh ["tp"])"}}),
      ElementsAre("'dist.all_reduce' op does not fit its operands along axis "
                  "\"tp\": got shard(0)",
                  "'nn.sum_of' op does not fit its operands along axis "
                  "\"dp_replicate\": got replicate, partial(sum)"));
  EXPECT_THAT(findings(provePlacements, {{R"(%w over #mesh ["dp_shard"])",
                                          R"(%w over #mesh ["tp"])"}}),
              Contains("'nn.contract' op does not fit its operands along axis "
                       "\"dp_shard\": got shard(0), shard(0)"));
}

TEST_F(CheckTest, FindsAReductionOfTheWrongKind) {
  EXPECT_THAT(
      findings(provePlacements, {{R"("sum" %shard)", R"("max" %shard)"}}),
      ElementsAre("'dist.all_reduce' op does not fit its operands along axis "
                  "\"dp_replicate\": got partial(sum)"));
}

TEST_F(CheckTest, FindsAReductionOfEqualValues) {
  EXPECT_THAT(
      findings(
          provePlacements,
          {{"return %new, %total",
            R"(%again = dist.all_reduce "sum" %total over #mesh ["tp"] : (tensor<f32>) -> tensor<f32>
               return %new, %again)"}}),
      ElementsAre("'dist.all_reduce' op does not fit its operands along axis "
                  "\"tp\": got replicate"));
}

// A dim of size 1 between two others: both ways stay open until one is needed.
TEST_F(CheckTest, LeavesMergedDimsOpen) {
  EXPECT_THAT(
      findings(
          provePlacements,
          {{"%part = nn.reduce",
            R"(%split = nn.reshape %y : (tensor<2x4xf32>) -> tensor<2x1x4xf32>
               %merged = nn.reshape %split : (tensor<2x1x4xf32>) -> tensor<2x4xf32>
               %part = nn.reduce)"},
           {"nn.reduce sum %y", "nn.reduce sum %merged"}}),
      IsEmpty());
}

// A table that is sharded by rows needs to know where its rows begin.
TEST_F(CheckTest, FindsAShardWithoutItsStart) {
  Edit edit = {"%part = nn.reduce sum %y",
               R"(%ids = nn.constant dense<0> : tensor<2xi64>
         %start = dist.coordinate over #mesh ["tp"] scale 4 : tensor<i64>
         %rows = nn.embedding %ids, %whole offset %start : (tensor<2xi64>, tensor<4x4xf32>, tensor<i64>) -> tensor<2x4xf32>
         %sum = dist.all_reduce "sum" %rows over #mesh ["tp"] : (tensor<2x4xf32>) -> tensor<2x4xf32>
         %part = nn.reduce sum %y)"};
  EXPECT_THAT(findings(provePlacements, {edit}), IsEmpty());
  edit.to.replace(edit.to.find(" offset %start"), 14, "");
  edit.to.replace(edit.to.find("tensor<4x4xf32>, tensor<i64>)"), 29,
                  "tensor<4x4xf32>)");
  EXPECT_THAT(findings(provePlacements, {edit}),
              ElementsAre("'nn.embedding' op does not fit its operands along "
                          "axis \"tp\": got replicate or shard(0), shard(0)"));
}

TEST_F(CheckTest, FindsAGradientThatIsNotSummed) {
  EXPECT_THAT(
      findings(proveGradients, {{kScatter.str(), kSlice.str()}}),
      ElementsAre("gradient of \"w\" is not summed over axis \"dp_shard\""));
  EXPECT_THAT(
      findings(proveGradients, {{R"("sum" %shard)", R"("max" %shard)"}}),
      ElementsAre(
          "gradient of \"w\" is not summed over axis \"dp_replicate\""));
}

TEST_F(CheckTest, FindsAGradientThatIsSummedTwice) {
  EXPECT_THAT(
      findings(
          proveGradients,
          {{"%new = nn.sum_of %old, %mean",
            R"(%twice = dist.all_reduce "sum" %mean over #mesh ["dp_replicate"] : (tensor<2x4xf32>) -> tensor<2x4xf32>
               %new = nn.sum_of %old, %twice)"}}),
      ElementsAre("gradient of \"w\" is summed 2 times over axis "
                  "\"dp_replicate\""));
}

TEST_F(CheckTest, FindsASumOfEqualValues) {
  std::vector<Edit> edits = {
      {"%y, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>",
       "%x, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>"},
      {R"(%shard over #mesh ["dp_replicate"])",
       R"(%shard over #mesh ["dp_replicate", "tp"])"}};
  EXPECT_THAT(findings(proveGradients, edits),
              ElementsAre("gradient of \"w\" is summed over axis \"tp\", "
                          "whose ranks hold the same value"));
  // One rank's value may be summed: the others add nothing.
  edits[1] = {
      "%mean = dist.all_reduce \"sum\" %shard over #mesh [\"dp_replicate\"]",
      R"(%own = dist.make_partial "sum" %shard over #mesh ["tp"] : tensor<2x4xf32> to tensor<2x4xf32>
         %mean = dist.all_reduce "sum" %own over #mesh ["dp_replicate", "tp"])"};
  EXPECT_THAT(findings(proveGradients, edits), IsEmpty());
}

TEST_F(CheckTest, FindsAGradientThatForgetsMicrobatches) {
  Edit forgets = {"nn.sum_of %old, %mean", "nn.sum_of %mean"};
  EXPECT_THAT(findings(proveGradients, {kTwice, forgets}),
              ElementsAre("gradient of \"w\" is not added to that of the "
                          "microbatches before"));
  // There is none before the only one.
  EXPECT_THAT(findings(proveGradients, {forgets}), IsEmpty());
}

TEST_F(CheckTest, FindsAGradientThatRemembersTheStepBefore) {
  EXPECT_THAT(
      findings(proveGradients, {{"return %moved, %zero", "return %moved, %g"}}),
      ElementsAre("'pipe.slot' op is never zeroed: the gradient is "
                  "added to that of the step before"));
}

TEST_F(CheckTest, FindsAGradientThatNobodyComputes) {
  EXPECT_THAT(
      findings(proveGradients, {{"-> (tensor<2x4xf32> {pipe.slot = @g.w}",
                                 "-> (tensor<2x4xf32> {pipe.slot = @w}"}}),
      ElementsAre("'pipe.slot' op is written by no function: the "
                  "gradient is not computed"));
}

// A weight that is used in shards has its gradient in shards: no sum is due.
TEST_F(CheckTest, AsksNoSumOfAWeightThatIsUsedInShards) {
  EXPECT_THAT(
      findings(
          proveGradients,
          {{R"(%whole = dist.all_gather %w over #mesh ["dp_shard"] dims [0] : (tensor<2x4xf32>) -> tensor<4x4xf32>)",
            R"(%whole = nn.concat %w, %w dim 0 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>)"},
           {kScatter.str(), kSlice.str()}}),
      IsEmpty());
}

// As one of a value that was gathered or exchanged on its way.
TEST_F(CheckTest, AsksNoSumOfAGradientThatIsGathered) {
  Edit computed = {
      R"(%dw = nn.contract "bo,bi->oi" %y, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<4x4xf32>)",
      R"(%part_dw = nn.exp %w : tensor<2x4xf32>
         %dw = dist.all_gather %part_dw over #mesh ["dp_shard"] dims [0] : (tensor<2x4xf32>) -> tensor<4x4xf32>)"};
  Edit mean = {
      R"(%mean = dist.all_reduce "sum" %shard over #mesh ["dp_replicate"] : (tensor<2x4xf32>) -> tensor<2x4xf32>)",
      "%mean = nn.neg %shard : tensor<2x4xf32>"};
  EXPECT_THAT(findings(proveGradients,
                       {computed, {kScatter.str(), kSlice.str()}, mean}),
              IsEmpty());
}

TEST_F(CheckTest, ComparesTruthValuesAsBytes) {
  constexpr llvm::StringLiteral mesh = "#mesh = #dist.mesh<tp = 2>\n";
  auto scheduled = parseSourceString<ModuleOp>(
      (mesh + R"(func.func @f(%x: tensor<2xi1>) -> tensor<4xi1> {
        %y = dist.all_gather %x over #mesh ["tp"] dims [0] : (tensor<2xi1>) -> tensor<4xi1>
        return %y : tensor<4xi1>
      })")
          .str(),
      &context);
  auto prove = [&](StringRef element) {
    std::string text = (mesh + R"(func.func @f() {
        %x = prog.buffer "microbatch" at 0 : memref<2xE>
        %y = prog.buffer "microbatch" at 64 : memref<4xE>
        prog.collective "all_gather" 0 ins(%x : memref<2xE>) outs(%y : memref<4xE>) over #mesh ["tp"] reduce "sum" dims [0] concat []
        return
      })")
                           .str();
    for (size_t at = text.find('E'); at != std::string::npos;
         at = text.find('E', at))
      text.replace(at, 1, element.str());
    auto program = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(scheduled && program);
    return program && proveProgram(*scheduled, *program).holds;
  };
  EXPECT_TRUE(prove("i8"));
  EXPECT_FALSE(prove("i16"));
}

TEST_F(CheckTest, FollowsStartedCollectives) {
  Edit started = {
      R"(%mean = dist.all_reduce "sum" %shard over #mesh ["dp_replicate"] : (tensor<2x4xf32>) -> tensor<2x4xf32>)",
      R"(%future = dist.start %shard : (tensor<2x4xf32>) -> !dist.future<tensor<2x4xf32>> {
           ^bb0(%in: tensor<2x4xf32>):
             %out = dist.all_reduce "sum" %in over #mesh ["dp_replicate"] : (tensor<2x4xf32>) -> tensor<2x4xf32>
             dist.yield %out : tensor<2x4xf32>
         }
         %mean = dist.wait %future : (!dist.future<tensor<2x4xf32>>) -> tensor<2x4xf32>)"};
  for (auto *proof : {proveFutures, provePlacements, proveGradients})
    EXPECT_THAT(findings(proof, {started}), IsEmpty());
  // A fault is told once, at the collective.
  Edit wrong = started;
  wrong.to.replace(wrong.to.find("dp_replicate"), 12, "dp_shard");
  EXPECT_THAT(findings(provePlacements, {wrong}),
              Contains("'dist.all_reduce' op does not fit its operands along "
                       "axis \"dp_shard\": got shard(0)")
                  .Times(1));
  Edit lost = started;
  lost.to.replace(lost.to.find("%mean = dist.wait"), std::string::npos,
                  "%mean = nn.neg %shard : tensor<2x4xf32>");
  EXPECT_THAT(findings(proveFutures, {lost}),
              ElementsAre("'dist.start' op future is not waited for exactly "
                          "once: got 0 waits"));
}

} // namespace
