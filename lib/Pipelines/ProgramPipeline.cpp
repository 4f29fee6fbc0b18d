// SPDX-License-Identifier: Apache-2.0
//
// `weft-opt --weft-to-program`: hand-written IR of the local or scheduled phase
// becomes a program, so that a single kernel or collective can be run, timed or
// debugged without a model around it.
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "weft/Pipelines/Artefact.h"
#include "weft/Pipelines/Pipelines.h"
#include "weft/Target/Program.h"

using namespace mlir;

namespace weft {

namespace {

struct ProgramOptions : PassPipelineOptions<ProgramOptions> {
  Option<std::string> output{*this, "output",
                             llvm::cl::desc("the folder of the program")};
  Option<std::string> cpu{*this, "cpu", llvm::cl::desc("native, or a name"),
                          llvm::cl::init("native")};
};

/// The last step of the pipeline; the module stays as it is.
class EmitProgramPass
    : public PassWrapper<EmitProgramPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EmitProgramPass)

  EmitProgramPass(std::string output, TargetConfig target)
      : output(std::move(output)), target(std::move(target)) {}

  StringRef getArgument() const override { return "prog-emit"; }

  void getDependentDialects(DialectRegistry &registry) const override {
    registerKernelDialects(registry);
  }

  void runOnOperation() override {
    auto manifest = emitProgram(getOperation(), output, target);
    if (failed(manifest))
      return signalPassFailure();
    if (llvm::Error error =
            writeManifest(output, std::move(*manifest), {kProgramName.str()})) {
      emitError(UnknownLoc::get(&getContext()))
          << llvm::toString(std::move(error));
      signalPassFailure();
    }
  }

private:
  std::string output;
  TargetConfig target;
};

} // namespace

void registerProgramPipeline() {
  PassPipelineRegistration<ProgramOptions>(
      "weft-to-program", "from the local or scheduled phase to a program",
      [](OpPassManager &pm, const ProgramOptions &options) {
        TargetConfig target;
        target.cpu = options.cpu;
        MLIRContext context;
        FailureOr<TargetInfo> info =
            resolveTarget(target, UnknownLoc::get(&context));
        // An unknown name was reported; emission fails with it again.
        addProgramPasses(pm, succeeded(info) ? *info : TargetInfo());
        pm.addPass(std::make_unique<EmitProgramPass>(options.output, target));
      });
}

} // namespace weft
