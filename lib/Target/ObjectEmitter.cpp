// SPDX-License-Identifier: Apache-2.0
//
// Kernels -> LLVM dialect -> LLVM IR -> optimised object.
//
// 1. Upstream conversion passes, bare-pointer convention for memrefs.
// 2. Translation; target attributes on every function.
// 3. LLVM's default pipeline and the code generator, floating point strict; a
//    thread per module.
//
// Debugging: `--mlir-print-ir-after-all` style printing is not wired here;
// dump the module before the call, it is all upstream dialects.

#include "weft/Target/ObjectEmitter.h"
#include "weft/Target/ObjectJobs.h"

#include "Bf16Memory.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include <sys/syscall.h>
#include <unistd.h>

using namespace mlir;

namespace weft {

static const llvm::Target *lookupTarget(const std::string &triple) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::InitializeNativeTargetAsmParser();
  std::string error;
  return llvm::TargetRegistry::lookupTarget(llvm::Triple(triple), error);
}

static std::unique_ptr<llvm::TargetMachine>
makeTargetMachine(const TargetInfo &info) {
  const llvm::Target *target = lookupTarget(info.triple);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  auto level = info.optLevel == 0  ? llvm::CodeGenOptLevel::None
               : info.optLevel < 3 ? llvm::CodeGenOptLevel::Default
                                   : llvm::CodeGenOptLevel::Aggressive;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      llvm::Triple(info.triple), info.cpu, info.features, options,
      llvm::Reloc::PIC_, std::nullopt, level));
}

/// False for an unknown name, and for 32-bit processors of a 64-bit kind.
static bool isUsable(const llvm::Target &target, const llvm::Triple &triple,
                     StringRef cpu) {
  // Asked by a generic one first: others would print a warning of their own.
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(
      target.createMCSubtargetInfo(triple, "", ""));
  if (!subtarget || !subtarget->isCPUStringValid(cpu))
    return false;
  subtarget.reset(target.createMCSubtargetInfo(triple, cpu, ""));
  return triple.getArch() != llvm::Triple::x86_64 ||
         subtarget->checkFeatures("+64bit");
}

std::vector<std::string> knownCpus() {
  std::string triple = llvm::sys::getDefaultTargetTriple();
  std::vector<std::string> names;
  const llvm::Target *target = lookupTarget(triple);
  if (!target)
    return names;
  std::unique_ptr<llvm::MCSubtargetInfo> known(
      target->createMCSubtargetInfo(llvm::Triple(triple), "", ""));
  for (const auto &cpu : known->getAllProcessorDescriptions())
    if (isUsable(*target, llvm::Triple(triple), cpu.Key))
      names.emplace_back(cpu.Key);
  return names;
}

/// By LLVM's names, which are those of C compilers; a program for a CPU that
/// has more than its host would be killed by the system.
static constexpr const char *kInstructionSets[] = {"sse3",
                                                   "ssse3",
                                                   "sse4.1",
                                                   "sse4.2",
                                                   "popcnt",
                                                   "avx",
                                                   "avx2",
                                                   "bmi",
                                                   "bmi2",
                                                   "fma",
                                                   "fma4",
                                                   "xop",
                                                   "avx512f",
                                                   "avx512bw",
                                                   "avx512cd",
                                                   "avx512dq",
                                                   "avx512vl",
                                                   "avx512ifma",
                                                   "avx512vbmi",
                                                   "avx512vbmi2",
                                                   "avx512vnni",
                                                   "avx512bitalg",
                                                   "avx512vpopcntdq",
                                                   "avx512bf16"};

/// True if the system gives this process tile registers; it has to be asked.
static bool grantsTiles() {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
  constexpr long requestPermission = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}

FailureOr<TargetInfo> resolveTarget(const TargetConfig &config, Location loc) {
  TargetInfo info;
  info.triple = llvm::sys::getDefaultTargetTriple();
  info.optLevel = config.optLevel;
  info.cpu = config.cpu;
  if (config.cpu == "native") {
    info.cpu = llvm::sys::getHostCPUName().str();
    llvm::SubtargetFeatures features;
    for (auto &feature : llvm::sys::getHostCPUFeatures())
      features.AddFeature(feature.first(), feature.second);
    info.features = features.getString();
  }
  const llvm::Target *target = lookupTarget(info.triple);
  if (!target)
    return emitError(loc) << "no code generator for target \"" << info.triple
                          << "\"";
  if (!isUsable(*target, llvm::Triple(info.triple), info.cpu))
    return emitError(loc) << "unknown target CPU \"" << config.cpu << "\"";
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(info);
  if (!machine)
    return emitError(loc) << "no target machine for CPU \"" << info.cpu << "\"";
  const llvm::MCSubtargetInfo &subtarget = *machine->getMCSubtargetInfo();
  info.hasAvx512 = subtarget.checkFeatures("+avx512f,+avx512vl,+avx512dq");
  bool hasAvx2 = subtarget.checkFeatures("+avx2,+fma");
  info.hasAvx512Bf16 =
      subtarget.checkFeatures("+avx512bf16,+avx512bw") && info.hasAvx512;
  info.hasAmx = subtarget.checkFeatures("+amx-tile,+amx-bf16") &&
                info.hasAvx512 && (config.cpu != "native" || grantsTiles());
  if (llvm::Triple(info.triple).isX86())
    for (const char *name : kInstructionSets)
      if (subtarget.checkFeatures("+" + std::string(name)))
        info.instructions.push_back(name);
  info.lanes = info.hasAvx512 ? 16 : hasAvx2 ? 8 : 4;
  return info;
}

void registerKernelDialects(DialectRegistry &registry) {
  registry
      .insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
              LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
              scf::SCFDialect, ub::UBDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

static LogicalResult lowerToLLVMDialect(ModuleOp module) {
  keepBf16AsIntegers(module);
  PassManager pm(module.getContext());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions options;
  options.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(options));
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(module);
}

static void setTargetAttributes(llvm::Module &module, const TargetInfo &info) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", info.cpu);
    function.addFnAttr("target-features", info.features);
    function.addFnAttr("no-trapping-math", "true");
    if (info.hasAvx512)
      function.addFnAttr("prefer-vector-width", "512");
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine,
                     unsigned level) {
  // Kernels are made of vectors: to look for more takes a tenth of compiling.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  const llvm::OptimizationLevel levels[] = {
      llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
      llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  llvm::OptimizationLevel chosen = levels[std::min(level, 3u)];
  llvm::ModulePassManager pipeline =
      chosen == llvm::OptimizationLevel::O0
          ? builder.buildO0DefaultPipeline(chosen)
          : builder.buildPerModuleDefaultPipeline(chosen);
  pipeline.run(module, modules);
}

/// An fmuladd means that someone left it to the backend whether to fuse.
static std::string findUnstrict(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
      auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
      if (call && call->getIntrinsicID() == llvm::Intrinsic::fmuladd)
        return ("fmuladd remains in \"" + function.getName() +
                "\": form a fused multiply-add explicitly")
            .str();
    }
  return "";
}

namespace {
/// A job in LLVM IR. It shares nothing with others, so that threads may work
/// on several.
struct NativeModule {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::unique_ptr<llvm::TargetMachine> machine;
  /// What went wrong; empty if nothing did.
  std::string error;
};
} // namespace

static FailureOr<NativeModule> translate(const ObjectJob &job) {
  ModuleOp source = job.module;
  OwningOpRef<ModuleOp> lowered = source.clone();
  if (failed(lowerToLLVMDialect(*lowered)))
    return failure();
  NativeModule native;
  native.context = std::make_unique<llvm::LLVMContext>();
  native.module = translateModuleToLLVMIR(*lowered, *native.context);
  native.machine = makeTargetMachine(job.target);
  if (!native.module || !native.machine)
    return emitError(source.getLoc()) << "translation to LLVM IR failed";
  native.module->setTargetTriple(llvm::Triple(job.target.triple));
  native.module->setDataLayout(native.machine->createDataLayout());
  return native;
}

/// Optimises and writes the object; returns what went wrong.
static std::string generate(NativeModule &native, const ObjectJob &job) {
  setTargetAttributes(*native.module, job.target);
  optimize(*native.module, *native.machine, job.target.optLevel);
  if (std::string found = findUnstrict(*native.module); !found.empty())
    return found;
  std::error_code error;
  llvm::raw_fd_ostream out(job.path, error);
  if (error)
    return "can't write \"" + job.path + "\": " + error.message();
  llvm::legacy::PassManager codegen;
  codegen.add(new llvm::TargetLibraryInfoWrapperPass(
      llvm::TargetLibraryInfoImpl(native.module->getTargetTriple())));
  if (native.machine->addPassesToEmitFile(codegen, out, nullptr,
                                          llvm::CodeGenFileType::ObjectFile))
    return "target can't write object files";
  codegen.run(*native.module);
  out.close();
  error = out.error();
  out.clear_error(); // else the destructor ends the process
  return error ? "can't write \"" + job.path + "\": " + error.message() : "";
}

/// Threads generate what is translated already while this one, which MLIR's
/// context belongs to, translates the next.
LogicalResult emitObjects(ArrayRef<ObjectJob> jobs) {
  std::vector<NativeModule> natives(jobs.size());
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(jobs.size()));
  bool isOk = true;
  for (auto [native, job] : llvm::zip_equal(natives, jobs)) {
    FailureOr<NativeModule> translated = translate(job);
    isOk = succeeded(translated);
    if (!isOk)
      break;
    native = std::move(*translated);
    pool.async([&native = native, &job = job] {
      native.error = generate(native, job);
    });
  }
  pool.wait();
  for (auto [native, job] : llvm::zip_equal(natives, jobs)) {
    if (native.error.empty())
      continue;
    emitError(ModuleOp(job.module).getLoc()) << native.error;
    isOk = false;
  }
  return success(isOk);
}

LogicalResult emitObject(ModuleOp module, StringRef path,
                         const TargetInfo &target) {
  return emitObjects(ObjectJob{module, path.str(), target});
}

} // namespace weft
