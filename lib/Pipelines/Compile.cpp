// SPDX-License-Identifier: Apache-2.0
//
// Compile: reads a model, runs the chapters of Pipelines.cpp, keeps the IR of
// three phases, and emits the program with its launcher beside it. All of it
// is made in a folder of its own and moved into place at the end.
#include "weft/Pipelines/Compile.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "weft/Interpreter/Safetensors.h"
#include "weft/Interpreter/VerifyNumerics.h"
#include "weft/Pipelines/Artefact.h"
#include "weft/Pipelines/Pipelines.h"
#include "weft/Target/Program.h"
#include "weft/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace weft {

llvm::StringRef toString(Phase phase) {
  switch (phase) {
  case Phase::Global:
    return "global";
  case Phase::Typed:
    return "typed";
  case Phase::Scheduled:
    return "scheduled";
  }
  llvm_unreachable("unknown Phase");
}

void registerWeftDialects(DialectRegistry &registry) {
  registry.insert<func::FuncDialect, dist::DistDialect, nn::NNDialect,
                  pipe::PipeDialect, prog::ProgDialect>();
  registerKernelDialects(registry);
}

static std::string join(llvm::StringRef directory, llvm::StringRef name) {
  llvm::SmallString<128> path(directory);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

static std::string irName(Phase phase) {
  return ("ir/" + toString(phase) + ".mlirbc").str();
}

static OwningOpRef<ModuleOp> readModule(MLIRContext &context,
                                        const std::string &path) {
  if (!llvm::sys::fs::exists(path)) {
    emitError(FileLineColLoc::get(&context, path, 0, 0))
        << "no such file: got \"" << path << "\"";
    return {};
  }
  return parseSourceFile<ModuleOp>(path, &context);
}

OwningOpRef<ModuleOp> readModel(MLIRContext &context,
                                llvm::StringRef directory) {
  std::string path = join(directory, "model.mlir");
  OwningOpRef<ModuleOp> module = readModule(context, path);
  if (!module || module->lookupSymbol<func::FuncOp>("model"))
    return module;
  emitError(FileLineColLoc::get(&context, path, 0, 0))
      << "is no exported model: it has no function @model";
  return {};
}

OwningOpRef<ModuleOp> readPhase(MLIRContext &context, llvm::StringRef directory,
                                Phase phase) {
  return readModule(context, join(directory, irName(phase)));
}

/// Refuses a model folder that was not written or copied as a whole. No value
/// of a weight is needed here, but the program that is made needs them all. A
/// file that is absent is no fault.
static LogicalResult checkModelFiles(MLIRContext &context,
                                     llvm::StringRef directory) {
  llvm::Error errors = llvm::Error::success();
  std::string config = join(directory, "config.json");
  if (auto file = llvm::MemoryBuffer::getFile(config)) {
    auto parsed = llvm::json::parse((*file)->getBuffer());
    if (!parsed)
      errors = llvm::joinErrors(
          std::move(errors),
          llvm::createStringError("\"" + config + "\" is cut off or no JSON: " +
                                  llvm::toString(parsed.takeError())));
  }
  std::string weights = join(directory, "weights");
  if (llvm::sys::fs::is_directory(weights))
    errors = llvm::joinErrors(std::move(errors),
                              interpreter::checkSafetensors(weights));
  bool isWhole = true;
  llvm::handleAllErrors(std::move(errors), [&](const llvm::ErrorInfoBase &e) {
    isWhole = false;
    emitError(UnknownLoc::get(&context), e.message()).attachNote()
        << "export the model again, or copy \"" << directory << "\" again";
  });
  return success(isWhole);
}

using Chapter = void (*)(OpPassManager &, const Config &);

static TimingScope nested(TimingScope *timing, llvm::StringRef name) {
  return timing ? timing->nest(name) : TimingScope();
}

/// Runs the passes that `chapters` add. With `report`, the interpreter compares
/// what the module computes before and after each. Each `goal` has a scope of
/// its own: within one, passes are told apart by their addresses, which those
/// of the next pass manager may have again.
static LogicalResult runChapters(ModuleOp module, const Config &config,
                                 interpreter::NumericsReport *report,
                                 TimingScope *timing, llvm::StringRef goal,
                                 llvm::ArrayRef<Chapter> chapters) {
  TimingScope scope = nested(timing, goal);
  PassManager pm(module.getContext());
  pm.enableTiming(scope);
  if (report)
    pm.addInstrumentation(
        std::make_unique<interpreter::NumericsInstrumentation>(
            *report, /*seed=*/0, config.step.microbatches));
  for (Chapter add : chapters)
    add(pm, config);
  return pm.run(module);
}

CompileStatus lowerToPhase(ModuleOp module, const Config &config,
                           llvm::function_ref<void(Phase, ModuleOp)> observe,
                           const LoweringOptions &options) {
  interpreter::NumericsReport report;
  auto run = [&](llvm::StringRef goal, llvm::ArrayRef<Chapter> chapters) {
    return runChapters(module, config,
                       options.verifyNumerics ? &report : nullptr,
                       options.timing, goal, chapters);
  };
  observe(Phase::Global, module);
  if (options.last == Phase::Global)
    return CompileStatus::Done;
  if (failed(run("apply plan", {addPlanPasses})))
    return CompileStatus::PlanImpossible;
  if (failed(run("to typed", {addDifferentiationPasses, addLayoutPasses})))
    return CompileStatus::Failed;
  observe(Phase::Typed, module);
  if (options.last != Phase::Typed) {
    if (failed(run("to scheduled", {addPartitionPasses, addSchedulePasses})))
      return CompileStatus::Failed;
    observe(Phase::Scheduled, module);
  }
  if (!options.verifyNumerics)
    return CompileStatus::Done;
  if (report.numCompared == 0)
    module.emitError("no value was compared between passes");
  bool isProved = report.atFault.empty() && report.numCompared > 0;
  return isProved ? CompileStatus::Done : CompileStatus::Failed;
}

//===----------------------------------------------------------------------===//
// The artefact
//===----------------------------------------------------------------------===//

/// What the runtime reads of the plan beyond the IR.
static void writeRuntimeAttributes(ModuleOp module, const CompileJob &job,
                                   const Config &config) {
  Builder builder(module.getContext());
  const auto &optimizer = config.optimizer;
  NamedAttrList schedule;
  schedule.set("lr", builder.getF64FloatAttr(optimizer.lr));
  schedule.set("lr_min", builder.getF64FloatAttr(optimizer.lrMin));
  schedule.set("warmup_steps",
               builder.getI64IntegerAttr(optimizer.warmupSteps));
  schedule.set("decay", builder.getStringAttr(optimizer.decay));
  module->setAttr(kOptimizerAttrName,
                  schedule.getDictionary(module.getContext()));
  module->setAttr(kCommunicatorAttrName,
                  builder.getStringAttr(config.target.communicator));
  llvm::SmallString<128> weights(join(job.model, "weights"));
  (void)llvm::sys::fs::make_absolute(weights);
  module->setAttr(kWeightsAttrName, builder.getStringAttr(weights));
  if (!job.libraries.empty())
    module->setAttr(kLibrariesAttrName,
                    builder.getStrArrayAttr({llvm::StringRef(job.libraries)}));
}

static llvm::Error copyLauncher(llvm::StringRef launcher,
                                const std::string &target) {
  if (auto error = llvm::sys::fs::copy_file(launcher, target))
    return llvm::createStringError("can't copy the launcher \"" + launcher +
                                   "\": " + error.message());
  (void)llvm::sys::fs::setPermissions(target, llvm::sys::fs::all_read |
                                                  llvm::sys::fs::all_exe |
                                                  llvm::sys::fs::owner_write);
  return llvm::Error::success();
}

/// Writes what lies beside the IR, and last the manifest of all. Without a
/// program there is only the plan, and nothing to record.
static llvm::Error writeRest(const StagedArtefact &artefact,
                             const CompileJob &job, const Config &config,
                             std::optional<llvm::json::Object> manifest) {
  auto writePlan = [&](raw_ostream &os) {
    os << toToml(config, ShowOrigins::No);
  };
  if (llvm::Error error = writeFile(artefact.path("plan.toml"), writePlan))
    return error;
  if (!manifest)
    return llvm::Error::success();
  if (llvm::Error error = copyLauncher(job.launcher, artefact.path("train")))
    return error;
  return writeManifest(artefact.folder(), std::move(*manifest),
                       {kProgramName.str(), "plan.toml", irName(Phase::Global),
                        irName(Phase::Typed), irName(Phase::Scheduled)});
}

/// Lowers a scheduled module to a program; what its manifest says.
static FailureOr<llvm::json::Object>
writeProgram(ModuleOp module, const StagedArtefact &artefact,
             const CompileJob &job, const Config &config) {
  TargetConfig target;
  target.cpu = config.target.cpu;
  auto info = resolveTarget(target, UnknownLoc::get(module.getContext()));
  if (failed(info))
    return failure();
  {
    TimingScope scope = nested(job.timing, "to program");
    PassManager pm(module.getContext());
    pm.enableTiming(scope);
    addProgramPasses(pm, *info, job.fusion);
    if (failed(pm.run(module)))
      return failure();
  }
  TimingScope scope = nested(job.timing, "emit");
  auto manifest = emitProgram(module, artefact.folder(), target);
  if (succeeded(manifest)) // `weft check` lowers in the same way
    (*manifest)["fused"] = job.fusion == Fusion::On;
  return manifest;
}

/// Finishes the artefact of a module that is lowered as far as was asked.
static CompileStatus emitArtefact(ModuleOp module, StagedArtefact &artefact,
                                  const CompileJob &job, const Config &config,
                                  llvm::Error written) {
  auto storageFailed = [&](llvm::Error error) {
    emitError(UnknownLoc::get(module.getContext()))
        << llvm::toString(std::move(error));
    return CompileStatus::StorageFailed;
  };
  if (written)
    return storageFailed(std::move(written));
  std::optional<llvm::json::Object> manifest;
  if (!job.last) {
    auto described = writeProgram(module, artefact, job, config);
    if (failed(described))
      return CompileStatus::Failed;
    manifest = std::move(*described);
  }
  if (auto error = writeRest(artefact, job, config, std::move(manifest)))
    return storageFailed(std::move(error));
  if (auto error = artefact.commit())
    return storageFailed(std::move(error));
  return CompileStatus::Done;
}

CompileStatus compileModel(MLIRContext &context, const CompileJob &job,
                           const Config &config) {
  OwningOpRef<ModuleOp> module;
  {
    TimingScope scope = nested(job.timing, "parse");
    module = readModel(context, job.model);
  }
  if (!module || failed(checkModelFiles(context, job.model)))
    return CompileStatus::BadModel;
  StagedArtefact artefact(job.output);
  if (llvm::Error error = artefact.create()) {
    emitError(UnknownLoc::get(&context)) << llvm::toString(std::move(error));
    return CompileStatus::StorageFailed;
  }
  writeRuntimeAttributes(*module, job, config);

  llvm::Error written = llvm::Error::success();
  auto keep = [&](Phase phase, ModuleOp current) {
    TimingScope scope = nested(job.timing, "write IR");
    auto write = [&](raw_ostream &os) {
      (void)writeBytecodeToFile(current, os);
    };
    written = llvm::joinErrors(std::move(written),
                               writeFile(artefact.path(irName(phase)), write));
  };
  LoweringOptions options{job.last.value_or(Phase::Scheduled),
                          job.verifyNumerics, job.timing};
  CompileStatus status = lowerToPhase(*module, config, keep, options);
  if (status == CompileStatus::Done)
    return emitArtefact(*module, artefact, job, config, std::move(written));
  llvm::consumeError(std::move(written));
  return status;
}

} // namespace weft
