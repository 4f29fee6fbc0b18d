// SPDX-License-Identifier: Apache-2.0
//
// Compile: reads a model, runs the chapters of Pipelines.cpp, keeps the IR of
// three phases, and emits the program with its launcher beside it.
#include "weft/Pipelines/Compile.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "weft/Interpreter/VerifyNumerics.h"
#include "weft/Pipelines/Pipelines.h"
#include "weft/Target/Program.h"
#include "weft/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

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
  return readModule(context, join(directory, "model.mlir"));
}

OwningOpRef<ModuleOp> readPhase(MLIRContext &context, llvm::StringRef directory,
                                Phase phase) {
  return readModule(
      context, join(directory, ("ir/" + toString(phase) + ".mlirbc").str()));
}

/// Runs the passes that `add` adds. With `report`, the interpreter compares
/// what the module computes before and after each.
static LogicalResult
runChapter(ModuleOp module, const Config &config,
           interpreter::NumericsReport *report,
           llvm::ArrayRef<void (*)(OpPassManager &, const Config &)> chapters) {
  PassManager pm(module.getContext());
  if (report)
    pm.addInstrumentation(
        std::make_unique<interpreter::NumericsInstrumentation>(
            *report, /*seed=*/0, config.step.microbatches));
  for (auto *add : chapters)
    add(pm, config);
  return pm.run(module);
}

CompileStatus
lowerToScheduled(ModuleOp module, const Config &config,
                 llvm::function_ref<void(Phase, ModuleOp)> observe,
                 bool verifyNumerics) {
  interpreter::NumericsReport report;
  auto *numerics = verifyNumerics ? &report : nullptr;
  observe(Phase::Global, module);
  if (failed(runChapter(module, config, numerics, {addPlanPasses})))
    return CompileStatus::PlanImpossible;
  if (failed(runChapter(module, config, numerics,
                        {addDifferentiationPasses, addLayoutPasses})))
    return CompileStatus::Failed;
  observe(Phase::Typed, module);
  if (failed(runChapter(module, config, numerics,
                        {addPartitionPasses, addSchedulePasses})))
    return CompileStatus::Failed;
  observe(Phase::Scheduled, module);
  if (verifyNumerics && report.numCompared == 0)
    module.emitError("no value was compared between passes");
  bool isProved =
      report.atFault.empty() && (!verifyNumerics || report.numCompared > 0);
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

static LogicalResult writeFile(ModuleOp module, const std::string &path,
                               llvm::function_ref<void(raw_ostream &)> write) {
  std::error_code error;
  llvm::ToolOutputFile file(path, error, llvm::sys::fs::OF_None);
  if (error)
    return emitError(module.getLoc())
           << "cannot write \"" << path << "\": " << error.message();
  write(file.os());
  file.keep();
  return success();
}

static LogicalResult copyLauncher(ModuleOp module, llvm::StringRef launcher,
                                  llvm::StringRef outputDir) {
  std::string target = join(outputDir, "train");
  (void)llvm::sys::fs::remove(target);
  if (auto error = llvm::sys::fs::copy_file(launcher, target))
    return emitError(module.getLoc()) << "cannot copy the launcher \""
                                      << launcher << "\": " << error.message();
  (void)llvm::sys::fs::setPermissions(target, llvm::sys::fs::all_read |
                                                  llvm::sys::fs::all_exe |
                                                  llvm::sys::fs::owner_write);
  return success();
}

/// Lowers a scheduled module to a program and writes the artefact.
static LogicalResult writeArtefact(ModuleOp module, const CompileJob &job,
                                   const Config &config) {
  TargetConfig target;
  target.cpu = config.target.cpu;
  auto info = resolveTarget(target, module.getLoc());
  if (failed(info))
    return failure();
  PassManager pm(module.getContext());
  addProgramPasses(pm, *info, job.fusion);
  auto writePlan = [&](raw_ostream &os) {
    os << toToml(config, ShowOrigins::No);
  };
  if (failed(pm.run(module)) ||
      failed(emitProgram(module, job.output, target)) ||
      failed(writeFile(module, join(job.output, "plan.toml"), writePlan)))
    return failure();
  return copyLauncher(module, job.launcher, job.output);
}

CompileStatus compileModel(MLIRContext &context, const CompileJob &job,
                           const Config &config) {
  OwningOpRef<ModuleOp> module = readModel(context, job.model);
  if (!module)
    return CompileStatus::Failed;
  if (auto error = llvm::sys::fs::create_directories(join(job.output, "ir"))) {
    emitError(module->getLoc())
        << "cannot make \"" << job.output << "\": " << error.message();
    return CompileStatus::Failed;
  }
  writeRuntimeAttributes(*module, job, config);

  bool isWritten = true;
  auto keep = [&](Phase phase, ModuleOp current) {
    std::string name = ("ir/" + toString(phase) + ".mlirbc").str();
    auto write = [&](raw_ostream &os) {
      (void)writeBytecodeToFile(current, os);
    };
    isWritten &= succeeded(writeFile(current, join(job.output, name), write));
  };
  CompileStatus status =
      lowerToScheduled(*module, config, keep, job.verifyNumerics);
  if (status != CompileStatus::Done)
    return status;
  if (!isWritten || failed(writeArtefact(*module, job, config)))
    return CompileStatus::Failed;
  return CompileStatus::Done;
}

} // namespace weft
