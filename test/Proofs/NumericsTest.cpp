// SPDX-License-Identifier: Apache-2.0
//
// Translation validation of the pipeline on a small model, and its negative
// twins: a bug planted in a pass is found, and that pass is named. Mutants of
// its local program: no collective can be dropped unnoticed.
#include "InterpretText.h"
#include "mlir/Pass/PassManager.h"
#include "weft/Interpreter/VerifyNumerics.h"
#include "weft/Transforms/Passes.h"
#include "gtest/gtest.h"

using namespace weft;
using namespace weft::interpreter;

/// Embedding, two layers with a residual, cross-entropy; batch and parameters
/// over dp_shard, features of the first layer over tp.
static const char *const kModel = R"(
module attributes {dist.mesh = #dist.mesh<dp_shard = 2, tp = 2>} {
  pipe.slot @table : tensor<8x4xf32> {kind = "parameter", lifetime = "run", stored = "table", trainable, constraint = #dist.constraint<dp_shard = shard(0), tp = replicate>}
  pipe.slot @up : tensor<6x4xf32> {kind = "parameter", lifetime = "run", stored = "up", trainable, constraint = #dist.constraint<tp = shard(0), dp_shard = shard(0)>}
  pipe.slot @down : tensor<4x6xf32> {kind = "parameter", lifetime = "run", stored = "down", trainable, constraint = #dist.constraint<tp = shard(1), dp_shard = shard(0)>}
  pipe.slot @tokens : tensor<3x2xi64> {kind = "input", lifetime = "microbatch"}
  pipe.slot @labels : tensor<3x2xi64> {kind = "input", lifetime = "microbatch"}
  pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "run", coefficient = 1.0 : f64}
  pipe.slot @term0.weight : tensor<f32> {kind = "scalar", lifetime = "run"}
  func.func @model(%table: tensor<8x4xf32> {pipe.slot = @table}, %up: tensor<6x4xf32> {pipe.slot = @up}, %down: tensor<4x6xf32> {pipe.slot = @down}, %tokens: tensor<3x2xi64> {pipe.slot = @tokens}, %labels: tensor<3x2xi64> {pipe.slot = @labels})
      -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<f32> {pipe.slot = @term0.weight}) {
    %t = dist.constrain %table <dp_shard = replicate> : tensor<8x4xf32>
    %u = dist.constrain %up <dp_shard = replicate> : tensor<6x4xf32>
    %d = dist.constrain %down <dp_shard = replicate> : tensor<4x6xf32>
    %x = nn.embedding %tokens, %t : (tensor<3x2xi64>, tensor<8x4xf32>) -> tensor<3x2x4xf32>
    %h = nn.contract "btd,od->bto" %x, %u : (tensor<3x2x4xf32>, tensor<6x4xf32>) -> tensor<3x2x6xf32>
    %a = nn.silu %h : tensor<3x2x6xf32>
    %y = nn.contract "bto,do->btd" %a, %d : (tensor<3x2x6xf32>, tensor<4x6xf32>) -> tensor<3x2x4xf32>
    %z = nn.add %x, %y : tensor<3x2x4xf32>
    %l = nn.contract "btd,vd->btv" %z, %t : (tensor<3x2x4xf32>, tensor<8x4xf32>) -> tensor<3x2x8xf32>
    %sum, %lse = nn.cross_entropy %l, %labels : (tensor<3x2x8xf32>, tensor<3x2xi64>) -> (tensor<f32>, tensor<3x2xf32>)
    %i = nn.constant dense<-100> : tensor<3x2xi64>
    %c = nn.compare ne %labels, %i : (tensor<3x2xi64>, tensor<3x2xi64>) -> tensor<3x2xi1>
    %f = nn.cast %c : (tensor<3x2xi1>) -> tensor<3x2xf32>
    %w = nn.reduce sum %f dims [0, 1] : (tensor<3x2xf32>) -> tensor<f32>
    return %sum, %w : tensor<f32>, tensor<f32>
  }
}
)";

namespace {

/// A pass under a flag of its own: `inner`, if there is one, then `bug`.
class PlantedPass
    : public mlir::PassWrapper<PlantedPass,
                               mlir::OperationPass<mlir::ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlantedPass)

  using Maker = std::unique_ptr<mlir::Pass> (*)();
  PlantedPass(Maker inner, void (*bug)(mlir::ModuleOp))
      : inner(inner), bug(bug) {}

  llvm::StringRef getArgument() const override { return "test-planted"; }
  void runOnOperation() override {
    mlir::OpPassManager passes("builtin.module");
    passes.addPass(inner());
    if (failed(runPipeline(passes, getOperation())))
      return signalPassFailure();
    bug(getOperation());
  }

private:
  Maker inner;
  void (*bug)(mlir::ModuleOp);
};

/// The first op of a kind, in any function.
template <typename OpTy> OpTy firstOf(mlir::ModuleOp module) {
  OpTy found;
  module.walk([&](OpTy op) {
    found = op;
    return mlir::WalkResult::interrupt();
  });
  EXPECT_TRUE(found) << "nothing to plant a bug in";
  return found;
}

void negateAGradient(mlir::ModuleOp module) {
  auto stage = module.lookupSymbol<mlir::func::FuncOp>("stage0");
  mlir::Operation *terminator = stage.front().getTerminator();
  mlir::OpOperand &gradient =
      terminator->getOpOperand(pipe::resultOfSlot(stage, "g.up"));
  mlir::OpBuilder builder(terminator);
  gradient.set(nn::NegOp::create(builder, stage.getLoc(),
                                 gradient.get().getType(), gradient.get()));
}

void doubleTheWeight(mlir::ModuleOp module) {
  auto weigh = module.lookupSymbol<mlir::func::FuncOp>("weigh");
  mlir::OpOperand &weight = weigh.front().getTerminator()->getOpOperand(0);
  mlir::OpBuilder builder(weight.getOwner());
  weight.set(nn::AddOp::create(builder, weigh.getLoc(), weight.get().getType(),
                               weight.get(), weight.get()));
}

void dropAnAllReduce(mlir::ModuleOp module) {
  auto reduce = firstOf<dist::AllReduceOp>(module);
  reduce.replaceAllUsesWith(reduce.getInputs());
  reduce.erase();
}

void reduceTheMaximum(mlir::ModuleOp module) {
  firstOf<dist::ReduceScatterOp>(module).setKind("max");
}

/// A chapter of the pipeline: a pass, and the bug that its twin plants.
struct Chapter {
  const char *name;
  PlantedPass::Maker make;
  void (*bug)(mlir::ModuleOp);
};

const Chapter kChapters[] = {
    {"outline-weights", createOutlineWeightsPass, doubleTheWeight},
    {"differentiate", createDifferentiatePass, negateAGradient},
    {"build-update", createBuildUpdatePass, nullptr},
    {"propagate-layouts", createPropagateLayoutsPass, nullptr},
    {"decompose-sharded", createDecomposeShardedPass, nullptr},
    {"materialize-layouts", createMaterializeLayoutsPass, nullptr},
    {"optimize-redistributes", createOptimizeRedistributesPass, nullptr},
    {"partition", createPartitionPass, dropAnAllReduce},
    {"partition", createPartitionPass, reduceTheMaximum},
};

} // namespace

class Numerics : public testing::Test {
protected:
  /// Runs all chapters, the one numbered `planted` with its bug.
  NumericsReport run(int planted) {
    auto module = context.parse(kModel);
    NumericsReport report;
    mlir::PassManager passes(context.get());
    passes.addInstrumentation(
        std::make_unique<NumericsInstrumentation>(report, /*seed=*/3));
    llvm::StringRef last;
    for (auto [number, chapter] : llvm::enumerate(kChapters)) {
      bool isPlanted = static_cast<int>(number) == planted;
      bool isTwin =
          planted >= 0 && !isPlanted && chapter.make == kChapters[planted].make;
      if (isTwin || (!isPlanted && last == chapter.name))
        continue;
      last = chapter.name;
      if (isPlanted)
        passes.addPass(
            std::make_unique<PlantedPass>(chapter.make, chapter.bug));
      else
        passes.addPass(chapter.make());
    }
    mlir::ScopedDiagnosticHandler handler(context.get(),
                                          [&](mlir::Diagnostic &diagnostic) {
                                            messages += diagnostic.str() + "\n";
                                            return mlir::success();
                                          });
    EXPECT_TRUE(succeeded(passes.run(*module))) << messages;
    return report;
  }

  TestContext context;
  std::string messages;
};

TEST_F(Numerics, ThePipelineKeepsWhatAModelComputes) {
  NumericsReport report = run(-1);
  EXPECT_EQ(report.atFault, std::vector<std::string>()) << messages;
  EXPECT_GT(report.numCompared, 20);
}

TEST_F(Numerics, APlantedBugIsFoundAndItsPassNamed) {
  for (auto [number, chapter] : llvm::enumerate(kChapters)) {
    if (!chapter.bug)
      continue;
    messages.clear();
    NumericsReport report = run(static_cast<int>(number));
    EXPECT_EQ(report.atFault, std::vector<std::string>{"test-planted"})
        << chapter.name << "\n"
        << messages;
  }
}

//===----------------------------------------------------------------------===//
// Mutants: one collective less
//===----------------------------------------------------------------------===//

/// Puts ops without communication, of the same types, in a collective's place:
/// every rank goes on with what it has itself.
static void dropCollective(mlir::Operation *op) {
  mlir::OpBuilder builder(op);
  llvm::SmallVector<mlir::Value> own;
  for (auto [k, input] : llvm::enumerate(op->getOperands())) {
    mlir::Type type = op->getResultTypes()[k];
    if (auto gather = llvm::dyn_cast<dist::AllGatherOp>(op)) {
      int64_t copies = dist::groupSize(gather.getMesh(), gather.getAxes());
      llvm::SmallVector<mlir::Value> parts(copies, input);
      own.push_back(nn::ConcatOp::create(builder, op->getLoc(), type, parts,
                                         gather.getDims()[k]));
    } else if (auto scatter = llvm::dyn_cast<dist::ReduceScatterOp>(op)) {
      own.push_back(dist::ShardSliceOp::create(
          builder, op->getLoc(), type, input, scatter.getMesh(),
          scatter.getAxes(), scatter.getDims()[k]));
    } else {
      ASSERT_TRUE(llvm::isa<dist::AllReduceOp>(op)) << "teach the mutants";
      own.push_back(input);
    }
  }
  op->replaceAllUsesWith(own);
  op->erase();
}

static std::vector<mlir::Operation *> collectivesOf(mlir::ModuleOp module) {
  std::vector<mlir::Operation *> collectives;
  module.walk([&](mlir::Operation *op) {
    if (dist::isCollective(op))
      collectives.push_back(op);
  });
  return collectives;
}

TEST_F(Numerics, NoCollectiveCanBeDroppedUnnoticed) {
  auto module = context.parse(kModel);
  mlir::PassManager passes(context.get());
  for (const Chapter &chapter : llvm::ArrayRef(kChapters).drop_back())
    passes.addPass(chapter.make());
  ASSERT_TRUE(succeeded(passes.run(*module)));
  RandomInputs inputs{/*seed=*/5, /*microbatches=*/2, /*indexBound=*/8};
  auto expected = observe(*module, inputs);
  ASSERT_TRUE(succeeded(expected));

  size_t numCollectives = collectivesOf(*module).size();
  EXPECT_GT(numCollectives, 8u);
  for (size_t dropped = 0; dropped < numCollectives; ++dropped) {
    mlir::OwningOpRef<mlir::ModuleOp> mutant = module->clone();
    mlir::Operation *op = collectivesOf(*mutant)[dropped];
    std::string text;
    llvm::raw_string_ostream(text) << *op;
    dropCollective(op);
    auto seen = observe(*mutant, inputs);
    ASSERT_TRUE(succeeded(seen));
    EXPECT_FALSE(compareObservations(*seen, *expected).agrees()) << text;
  }
}
