// SPDX-License-Identifier: Apache-2.0
//
// The road from the local phase to an artefact.
//
//   addProgramPasses(pm, target);            // local -> program
//   pm.run(module);
//   emitProgram(module, "build", config);    // build/program.so
//
// What the user configured beyond the IR is read from module attributes:
//
//   weft.optimizer      {lr, lr_min, warmup_steps, decay, steps}
//   weft.communicator   "auto", "shared_memory", "gloo" or "nccl"
//   weft.weights        folder of the stored tensors
#ifndef WEFT_TARGET_PROGRAM_H
#define WEFT_TARGET_PROGRAM_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "weft/Target/ObjectEmitter.h"
#include "llvm/Support/JSON.h"

namespace weft {

inline constexpr llvm::StringLiteral kOptimizerAttrName = "weft.optimizer";
inline constexpr llvm::StringLiteral kCommunicatorAttrName =
    "weft.communicator";
inline constexpr llvm::StringLiteral kWeightsAttrName = "weft.weights";
/// Folders where the runtime finds provider libraries.
inline constexpr llvm::StringLiteral kLibrariesAttrName = "weft.libraries";

/// Whether elementwise ops share loops; the numbers are the same.
enum class Fusion { On, Off };

/// Adds the passes from the local phase to the verified program phase; kernels
/// get the scratch memory that `target` makes them need.
void addProgramPasses(mlir::OpPassManager &pm, const TargetInfo &target,
                      Fusion fusion = Fusion::On);

/// 128 bits of xxHash in hex.
std::string contentHash(llvm::StringRef bytes);

/// The hash of a module's text without locations: equal for equal programs.
std::string contentKey(mlir::ModuleOp module);

/// The program descriptor that runtime/include/weft_runtime/Program.h defines,
/// of a module in the program phase. Fails with a diagnostic on what the
/// runtime can't do (a product across ranks).
mlir::FailureOr<llvm::json::Object> buildDescriptor(mlir::ModuleOp module);

/// What a profile tells apart in a program function, in order: launches,
/// copies, starts and waits of collectives. None in a kernel. Sites are
/// numbered through the functions of a module.
llvm::SmallVector<mlir::Operation *> sitesOf(mlir::func::FuncOp function);

/// The buffers whose values the program finds through the context's list of
/// gathered outputs, with their entries; those of one all_gather follow each
/// other.
llvm::DenseMap<mlir::Operation *, int64_t>
gatheredBuffers(mlir::ModuleOp module);

/// The descriptor's table of sites, by number.
llvm::json::Array describeSites(mlir::ModuleOp module);

/// A module of LLVM functions, one per program function, that call the kernels
/// by name; with the descriptor as the constant `weft_program`.
mlir::OwningOpRef<mlir::ModuleOp>
buildProgramModule(mlir::ModuleOp module, llvm::StringRef descriptor);

/// Writes `program.so` into `outputDir`, which is made if it does not exist,
/// and returns the manifest: the descriptor, the account of memory, the weights
/// and the CPU. `module` is in the program phase. Fails with a diagnostic.
mlir::FailureOr<llvm::json::Object> emitProgram(mlir::ModuleOp module,
                                                llvm::StringRef outputDir,
                                                const TargetConfig &config);

} // namespace weft

#endif // WEFT_TARGET_PROGRAM_H
