// SPDX-License-Identifier: Apache-2.0
//
// The story of the compiler. Each chapter ends with a pass that verifies what
// it promises; later chapters do not check again.
#include "weft/Pipelines/Pipelines.h"
#include "mlir/Pass/PassRegistry.h"
#include "weft/Transforms/ApplyPlan.h"
#include "weft/Transforms/Passes.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;

namespace weft {

//===----------------------------------------------------------------------===//
// Chapter 1: global -> annotated. What the user wrote, and what he wishes.
//===----------------------------------------------------------------------===//

void addPlanPasses(OpPassManager &pm, const Config &config) {
  // First, while the decomposed forms are as the importer wrote them.
  pm.addPass(createRecognizeCompositesPass());
  pm.addPass(createVerifyGlobalPass());
  // Global shapes: a shard of a table would bound too much.
  pm.addPass(createPlanIndicesPass());
  // Needs nn.boundary, to which the plan's patterns refer, and erases it.
  pm.addPass(createApplyPlanPass(config));
  // After the constraints: a parameter is cast in front of its gather.
  ApplyPrecisionPassOptions precision;
  precision.compute = config.precision.compute;
  precision.reduce = config.precision.reduce;
  pm.addPass(createApplyPrecisionPass(precision));
}

//===----------------------------------------------------------------------===//
// Chapter 2: annotated -> staged. Global ops only: adjoints never see a
// collective.
//===----------------------------------------------------------------------===//

static BuildUpdatePassOptions updateOptions(const Config &config) {
  BuildUpdatePassOptions options;
  options.name = config.optimizer.name;
  options.beta1 = config.optimizer.betas[0];
  options.beta2 = config.optimizer.betas[1];
  options.eps = config.optimizer.eps;
  options.weightDecay = config.optimizer.weightDecay;
  options.momentum = config.optimizer.momentum;
  options.clip = config.optimizer.clip;
  options.clipNorm =
      std::isinf(config.optimizer.clipNorm)
          ? "inf"
          : llvm::formatv("{0:F0}", config.optimizer.clipNorm).str();
  options.skipNonfinite = config.optimizer.skipNonfinite;
  return options;
}

void addDifferentiationPasses(OpPassManager &pm, const Config &config) {
  // One microbatch has nothing to add to, and leaves nothing to zero.
  bool accumulate = config.step.microbatches > 1;
  // Before differentiation: weights are not differentiated.
  pm.addPass(createOutlineWeightsPass({accumulate}));
  pm.addPass(createDifferentiatePass({accumulate}));
  // Makes the optimizer's slots, which have layouts like all others.
  pm.addPass(createBuildUpdatePass(updateOptions(config)));
  pm.addPass(createVerifyStagesPass());
}

//===----------------------------------------------------------------------===//
// Chapter 3: staged -> typed. Decide, then rewrite.
//===----------------------------------------------------------------------===//

void addLayoutPasses(OpPassManager &pm, const Config &config) {
  pm.addPass(createPropagateLayoutsPass());
  // Needs decided layouts; propagates again over what it makes.
  pm.addPass(createDecomposeShardedPass());
  pm.addPass(createMaterializeLayoutsPass());
  // Every change is inserted first, the needless ones are removed here.
  pm.addPass(createOptimizeRedistributesPass());
  pm.addPass(createVerifyTypedPass());
}

//===----------------------------------------------------------------------===//
// Chapter 4: typed -> local. From here on a program is what one rank does.
//===----------------------------------------------------------------------===//

void addPartitionPasses(OpPassManager &pm, const Config &config) {
  pm.addPass(createPartitionPass());
  pm.addPass(createVerifyLocalPass());
}

//===----------------------------------------------------------------------===//
// Chapter 5: local -> scheduled. When things happen; no value changes a bit.
//===----------------------------------------------------------------------===//

void addSchedulePasses(OpPassManager &pm, const Config &config) {
  PlanRecomputePassOptions recompute;
  recompute.reshard = config.fsdp.reshardAfterForward.word;
  recompute.root = config.fsdp.root;
  pm.addPass(createPlanRecomputePass(recompute));
  // Before buckets: a gather for backward is in a bucket of its own.
  pm.addPass(createApplyRecomputePass());
  BucketCollectivesPassOptions buckets;
  buckets.bucketBytes = config.fsdp.bucket.bytes;
  pm.addPass(createBucketCollectivesPass(buckets));
  // After buckets: a bucket is started and waited for as one.
  OverlapCollectivesPassOptions overlap;
  overlap.policy = config.fsdp.prefetch;
  pm.addPass(createOverlapCollectivesPass(overlap));
  BuildSchedulePassOptions schedule;
  schedule.microbatches = config.step.microbatches;
  pm.addPass(createBuildSchedulePass(schedule));
  pm.addPass(createVerifySchedulePass());
}

//===----------------------------------------------------------------------===//
// The same chapters for weft-opt
//===----------------------------------------------------------------------===//

namespace {
struct PlanOptions : PassPipelineOptions<PlanOptions> {
  Option<std::string> config{*this, "config", llvm::cl::desc("the plan file")};
  ListOption<std::string> sets{*this, "set",
                               llvm::cl::desc("values over it: mesh.tp=2")};

  /// The plan, or nothing after printing what is wrong with it.
  std::optional<Config> load() const {
    std::vector<std::string> overrides(sets.begin(), sets.end());
    auto loaded = config.empty() ? parseConfig("", "", overrides)
                                 : loadConfig(config, overrides);
    if (!loaded) {
      llvm::errs() << llvm::toString(loaded.takeError()) << '\n';
      return std::nullopt;
    }
    return *loaded;
  }
};
} // namespace

/// Registers a pipeline that fails where its plan does.
static void registerPlanPipeline(
    llvm::StringRef flag, llvm::StringRef description,
    llvm::ArrayRef<void (*)(OpPassManager &, const Config &)> chapters) {
  auto build =
      [chapters = llvm::SmallVector<void (*)(OpPassManager &, const Config &)>(
           chapters)](OpPassManager &pm, llvm::StringRef text,
                      llvm::function_ref<LogicalResult(const llvm::Twine &)>) {
        PlanOptions options;
        if (failed(options.parseFromString(text)))
          return failure();
        std::optional<Config> config = options.load();
        if (!config)
          return failure();
        for (auto *add : chapters)
          add(pm, *config);
        return success();
      };
  registerPassPipeline(
      flag, description, build,
      [](llvm::function_ref<void(const mlir::detail::PassOptions &)> handle) {
        handle(PlanOptions());
      });
}

void registerWeftPipelines() {
  registerPlanPipeline(
      "weft-to-typed", "from an exported model to the typed phase",
      {addPlanPasses, addDifferentiationPasses, addLayoutPasses});
  registerPlanPipeline(
      "weft-to-scheduled", "from an exported model to the scheduled phase",
      {addPlanPasses, addDifferentiationPasses, addLayoutPasses,
       addPartitionPasses, addSchedulePasses});
  registerProgramPipeline();
}

} // namespace weft
