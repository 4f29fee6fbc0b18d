// SPDX-License-Identifier: Apache-2.0
//
// Compile: an exported model and a plan become an artefact.
#ifndef WEFT_PIPELINES_COMPILE_H
#define WEFT_PIPELINES_COMPILE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Support/Timing.h"
#include "weft/Plan/Config.h"
#include "weft/Target/Program.h"

namespace weft {

/// The phases of DESIGN 2 that are kept in an artefact.
enum class Phase { Global, Typed, Scheduled };
llvm::StringRef toString(Phase phase);

/// Every dialect a Weft program uses.
void registerWeftDialects(mlir::DialectRegistry &registry);

/// Reads `DIR/model.mlir`, which must have a function @model; diagnostics go
/// to the context's handler.
mlir::OwningOpRef<mlir::ModuleOp> readModel(mlir::MLIRContext &context,
                                            llvm::StringRef directory);

/// Reads `DIR/ir/PHASE.mlirbc` of an artefact.
mlir::OwningOpRef<mlir::ModuleOp>
readPhase(mlir::MLIRContext &context, llvm::StringRef directory, Phase phase);

/// How compiling ended: a model that can't be read, a plan that does not fit
/// the model and a folder that can't be written are the user's to change;
/// Failed is the model's or ours.
enum class CompileStatus {
  Done,
  BadModel,
  PlanImpossible,
  Failed,
  StorageFailed
};

/// How far `lowerToPhase` goes, and what it looks at on the way.
struct LoweringOptions {
  Phase last = Phase::Scheduled;
  /// Interpret the program before and after each pass, and compare.
  bool verifyNumerics = false;
  /// Where the seconds of each pass go; null: nowhere.
  mlir::TimingScope *timing = nullptr;
};

/// Takes a model in the global phase to a later one. `observe` is called with
/// the module at the end of each phase that is kept.
CompileStatus
lowerToPhase(mlir::ModuleOp module, const Config &config,
             llvm::function_ref<void(Phase, mlir::ModuleOp)> observe,
             const LoweringOptions &options = {});

/// What to compile and where to; the plan is in the Config.
struct CompileJob {
  std::string model;     // folder of the exported model
  std::string output;    // folder of the artefact
  std::string launcher;  // the program that is copied as `train`
  std::string libraries; // folder of the runtime's provider libraries
  /// Stops behind this phase: the artefact then is `ir/` and `plan.toml`.
  std::optional<Phase> last;
  // To look for faults: interpret around each pass; a loop per op.
  bool verifyNumerics = false;
  Fusion fusion = Fusion::On;
  mlir::TimingScope *timing = nullptr;
};

/// Compiles a model into an artefact: ir/, plan.toml and, unless it is to stop
/// before, program.so, manifest.json and the launcher. Fails with diagnostics.
CompileStatus compileModel(mlir::MLIRContext &context, const CompileJob &job,
                           const Config &config);

} // namespace weft

#endif // WEFT_PIPELINES_COMPILE_H
