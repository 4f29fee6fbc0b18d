// SPDX-License-Identifier: Apache-2.0
//
// Compile, load, call.
#include "CompiledProgram.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "llvm/Support/FileSystem.h"
#include <dlfcn.h>

using namespace mlir;

namespace weft {

DialectRegistry programDialects() {
  DialectRegistry registry;
  registry.insert<func::FuncDialect, dist::DistDialect, nn::NNDialect,
                  pipe::PipeDialect, prog::ProgDialect>();
  registerKernelDialects(registry);
  return registry;
}

OwningOpRef<ModuleOp> lowerToProgram(MLIRContext &context,
                                     llvm::StringRef text) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  EXPECT_TRUE(module);
  if (!module)
    return nullptr;
  FailureOr<TargetInfo> target = resolveTarget({}, module->getLoc());
  PassManager pm(&context);
  addProgramPasses(pm, *target);
  bool isOk = succeeded(pm.run(*module));
  EXPECT_TRUE(isOk);
  return isOk ? std::move(module) : nullptr;
}

CompiledProgram::CompiledProgram(llvm::StringRef text) {
  MLIRContext context(programDialects(), MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> module = lowerToProgram(context, text);
  llvm::SmallString<128> path;
  if (!module || llvm::sys::fs::createUniqueDirectory("weft-program", path))
    return;
  folder = path.str().str();
  bool isOk = succeeded(emitProgram(*module, folder, {.optLevel = 1}));
  EXPECT_TRUE(isOk);
  if (isOk)
    load();
}

CompiledProgram::~CompiledProgram() {
  if (library)
    dlclose(library);
  if (!folder.empty())
    llvm::sys::fs::remove_directories(folder);
}

void CompiledProgram::load() {
  library = dlopen((folder + "/program.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto *text = static_cast<const char *>(dlsym(library, "weft_program"));
  ASSERT_NE(text, nullptr);
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(text);
  ASSERT_TRUE(bool(parsed));
  descriptor = *parsed->getAsObject();
  for (const auto &[name, bytes] : *descriptor.getObject("regions"))
    regions[llvm::StringRef(name).str()].resize(*bytes.getAsInteger() + 64);
}

static char *aligned(std::vector<char> &memory) {
  auto address = reinterpret_cast<uintptr_t>(memory.data());
  return memory.data() + (64 - address % 64) % 64;
}

std::pair<char *, size_t> CompiledProgram::slotMemory(llvm::StringRef name) {
  for (const llvm::json::Value &value : *descriptor.getArray("slots")) {
    const llvm::json::Object &slot = *value.getAsObject();
    if (*slot.getString("name") != name)
      continue;
    size_t bytes = *slot.getString("dtype") == "i1"           ? 1
                   : slot.getString("dtype")->ends_with("64") ? 8
                                                              : 4;
    for (const llvm::json::Value &size : *slot.getArray("local_shape"))
      bytes *= *size.getAsInteger();
    std::string region = slot.getString("region")->str();
    return {aligned(regions[region]) + *slot.getInteger("offset"), bytes};
  }
  ADD_FAILURE() << "no slot " << name.str();
  return {nullptr, 0};
}

void CompiledProgram::call(const std::string &function,
                           std::vector<int64_t> coordinates) {
  auto run = reinterpret_cast<weft_function>(dlsym(library, function.c_str()));
  ASSERT_NE(run, nullptr) << function;
  Context context;
  context.abi_version = WEFT_ABI_VERSION;
  context.coordinates = coordinates.data();
  context.provider = nullptr;
  context.gathered = gathered.data();
  context.program = this;
  context.start = [](weft_context *context, int64_t id,
                     const void *const *inputs, void *const *outputs) {
    CompiledProgram &self = *static_cast<Context *>(context)->program;
    const llvm::json::Array &all = *self.descriptor.getArray("collectives");
    size_t count = all[id].getAsObject()->getArray("operands")->size();
    StartedCollective call{id};
    call.inputs.assign(inputs, inputs + count);
    call.outputs.assign(outputs, outputs + count);
    self.started.push_back(call);
  };
  context.wait = [](weft_context *context, int64_t id) {
    static_cast<Context *>(context)->program->waited.push_back(id);
  };
  context.mark = [](weft_context *context, int64_t site) {
    static_cast<Context *>(context)->program->marked.push_back(site);
  };
  char *bases[] = {aligned(regions["run"]), aligned(regions["step"]),
                   aligned(regions["microbatch"]), aligned(regions["input"])};
  run(&context, bases);
}

} // namespace weft
