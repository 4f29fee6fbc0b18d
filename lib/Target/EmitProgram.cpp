// SPDX-License-Identifier: Apache-2.0
//
// A module in the program phase -> program.so and what its manifest says.
//
//   1. The descriptor.
//   2. Kernels: a function each (KernelTable.cpp), in a few modules, whose
//      objects are made at the same time.
//   3. Program functions that call them (ProgramFunctions.cpp), an object.
//   4. Link; objects are removed.
//
// What goes wrong with files is no fault of the model's: diagnostics about
// them name the file and no place in the model.
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Transforms/Passes.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/Target/KernelTable.h"
#include "weft/Target/ObjectJobs.h"
#include "weft/Target/Program.h"
#include "weft/Transforms/LowerProgram.h"
#include "weft/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <map>

using namespace mlir;
namespace json = llvm::json;

namespace weft {

/// Calls only: there is nothing to gain from optimising them.
static constexpr unsigned kCallsOptLevel = 1;

void addProgramPasses(OpPassManager &pm, const TargetInfo &target,
                      Fusion fusion) {
  pm.addPass(createDecomposeMovesPass());
  // Coordinates of one position, and what is computed from them, once.
  pm.addPass(createCSEPass());
  FuseRegionsPassOptions regions;
  regions.alone = fusion == Fusion::Off;
  pm.addPass(createFuseRegionsPass(regions));
  pm.addPass(createLowerProgramPass(
      [target](Operation *op) { return kernelScratchBytes(op, target); }));
  pm.addPass(createPlanMemoryPass());
  pm.addPass(createVerifyProgramPass());
}

/// How many objects the kernels are spread over: a constant, so that a program
/// does not depend on the machine that compiles it.
static constexpr size_t kKernelModules = 8;

using KernelModules = SmallVector<OwningOpRef<ModuleOp>>;

/// Kernels in turn, so that those of one kind, which cost alike and often
/// follow each other, are spread.
static FailureOr<KernelModules> buildKernelModules(ModuleOp module,
                                                   const TargetInfo &target) {
  KernelModules modules;
  for (auto [number, kernel] : llvm::enumerate(llvm::make_filter_range(
           module.getOps<func::FuncOp>(), [](func::FuncOp function) {
             return function->hasAttr(prog::kKernelAttrName);
           }))) {
    if (modules.size() < kKernelModules)
      modules.push_back(ModuleOp::create(module.getLoc()));
    ModuleOp home = *modules[number % kKernelModules];
    func::FuncOp source = kernel;
    Operation *op = &source.front().front();
    KernelSite site{home, source.getSymName().str(), target, op->getLoc()};
    if (failed(emitKernelFor(site, op)))
      return failure();
  }
  return modules;
}

//===----------------------------------------------------------------------===//
// Manifest
//===----------------------------------------------------------------------===//

/// Attributes as JSON: dictionaries, lists, numbers and text.
static json::Value valueOf(Attribute attr) {
  if (auto dictionary = dyn_cast_or_null<DictionaryAttr>(attr)) {
    json::Object object;
    for (NamedAttribute field : dictionary)
      object[field.getName().getValue()] = valueOf(field.getValue());
    return object;
  }
  if (auto list = dyn_cast_or_null<ArrayAttr>(attr)) {
    json::Array array;
    for (Attribute element : list)
      array.push_back(valueOf(element));
    return array;
  }
  if (auto number = dyn_cast_or_null<FloatAttr>(attr))
    return number.getValueAsDouble();
  if (auto number = dyn_cast_or_null<IntegerAttr>(attr))
    return number.getInt();
  if (auto text = dyn_cast_or_null<StringAttr>(attr))
    return text.getValue();
  return nullptr;
}

/// The hash of a folder's weights files, names and contents; null if there is
/// no such folder.
static json::Value hashWeights(StringRef folder) {
  std::error_code error;
  std::map<std::string, std::string> hashes;
  for (llvm::sys::fs::directory_iterator file(folder, error), end;
       !error && file != end; file.increment(error)) {
    StringRef path = file->path();
    auto content = llvm::MemoryBuffer::getFile(path);
    if (path.ends_with(".safetensors") && content)
      hashes[llvm::sys::path::filename(path).str()] =
          contentHash((*content)->getBuffer());
  }
  if (hashes.empty())
    return nullptr;
  std::string all;
  for (const auto &[name, hash] : hashes)
    all += name + " " + hash + "\n";
  return contentHash(all);
}

/// The libraries that the runtime may load: `auto` crosses hosts with Gloo.
static json::Array providersOf(const json::Object &descriptor) {
  StringRef name = descriptor.getString("communicator").value_or("auto");
  if (name == "shared_memory")
    return json::Array();
  if (name == "auto")
    name = "gloo";
  return json::Array{("libweft_" + name + ".so").str()};
}

/// The table of kernels: how each is computed.
static json::Object kernelsOf(ModuleOp module, const TargetInfo &target) {
  json::Object table;
  for (auto kernel : module.getOps<func::FuncOp>())
    if (kernel->hasAttr(prog::kKernelAttrName))
      table[kernel.getSymName()] =
          describeKernel(&kernel.front().front(), target);
  return table;
}

/// What is in the descriptor, the account of memory, the weights, the kernels
/// and the CPU.
static json::Object manifestOf(ModuleOp module, const json::Object &descriptor,
                               const TargetInfo &target) {
  json::Object manifest(descriptor);
  manifest["memory"] = valueOf(module->getAttr(prog::kMemoryAttrName));
  manifest["weights"] = nullptr;
  if (auto path = module->getAttrOfType<StringAttr>(kWeightsAttrName))
    manifest["weights"] =
        json::Object{{"path", path.getValue()}, {"hash", hashWeights(path)}};
  manifest["kernels"] = kernelsOf(module, target);
  manifest["provider_libraries"] = providersOf(descriptor);
  manifest["target"] =
      json::Object{{"triple", target.triple},
                   {"cpu", target.cpu},
                   {"features", target.features},
                   {"instructions", json::Array(target.instructions)}};
  return manifest;
}

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

namespace {

/// The files of one emission; objects go when it ends.
class Artefact {
public:
  explicit Artefact(StringRef folder) : folder(folder) {}
  ~Artefact() {
    for (const std::string &object : objects)
      (void)llvm::sys::fs::remove(object);
  }

  std::string path(StringRef name) const {
    SmallString<128> path(folder);
    llvm::sys::path::append(path, name);
    return path.str().str();
  }
  void addObject(ModuleOp module, StringRef name, const TargetInfo &target) {
    objects.push_back(path(name));
    jobs.push_back({module, objects.back(), target});
  }
  LogicalResult link(StringRef name, Location loc) {
    if (failed(emitObjects(jobs)))
      return failure();
    return linkSharedLibrary(objects, path(name), loc);
  }

private:
  StringRef folder;
  std::vector<std::string> objects;
  std::vector<ObjectJob> jobs;
};

} // namespace

/// True if a kernel needs the CPU's tile registers, for which the runtime has
/// to ask the system.
static bool usesTiles(ModuleOp kernels) {
  return kernels
      .walk([](LLVM::CallIntrinsicOp op) {
        return op.getIntrin() == "llvm.x86.ldtilecfg" ? WalkResult::interrupt()
                                                      : WalkResult::advance();
      })
      .wasInterrupted();
}

FailureOr<json::Object> emitProgram(ModuleOp module, StringRef outputDir,
                                    const TargetConfig &config) {
  Location nowhere = UnknownLoc::get(module.getContext());
  DialectRegistry registry;
  registerKernelDialects(registry);
  module.getContext()->appendDialectRegistry(registry);
  module.getContext()->loadAllAvailableDialects();
  if (std::error_code error = llvm::sys::fs::create_directories(outputDir))
    return emitError(nowhere)
           << "can't make folder \"" << outputDir << "\": " << error.message();
  FailureOr<TargetInfo> target = resolveTarget(config, nowhere);
  if (failed(target))
    return failure();
  FailureOr<json::Object> descriptor = buildDescriptor(module);
  if (failed(descriptor))
    return failure();
  auto kernels = buildKernelModules(module, *target);
  if (failed(kernels))
    return failure();
  if (llvm::any_of(*kernels, [](auto &part) { return usesTiles(*part); }))
    (*descriptor)["tiles"] = true;
  (*descriptor)["target"] =
      json::Object{{"cpu", target->cpu},
                   {"instructions", json::Array(target->instructions)}};
  std::string text =
      llvm::formatv("{0}", json::Value(json::Object(*descriptor)));
  OwningOpRef<ModuleOp> program = buildProgramModule(module, text);
  TargetInfo forCalls = *target;
  forCalls.optLevel = std::min(target->optLevel, kCallsOptLevel);
  Artefact artefact(outputDir);
  artefact.addObject(*program, "program.o", forCalls);
  for (auto [number, kernelModule] : llvm::enumerate(*kernels))
    artefact.addObject(*kernelModule,
                       "kernels-" + std::to_string(number) + ".o", *target);
  if (failed(artefact.link("program.so", nowhere)))
    return failure();
  return manifestOf(module, *descriptor, *target);
}

} // namespace weft
