// SPDX-License-Identifier: Apache-2.0
//
// From a module of kernels to a shared library.
//
// `resolveTarget` turns a configuration into facts (CPU, features, vector
// width); the kernel emitters and the object emitter read the same facts.
// `emitObject` lowers func/scf/vector/arith/math/memref functions to LLVM IR
// and writes an object file; memref arguments become bare pointers, so a
// kernel is callable as `void kernel(float *, float *, ...)`.
// `linkSharedLibrary` runs the linker.
//
// Floating point is strict: no fast-math flag, FPOpFusion::Strict, and a
// module in which an `fmuladd` remains is refused.

#ifndef WEFT_TARGET_OBJECTEMITTER_H
#define WEFT_TARGET_OBJECTEMITTER_H

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace weft {

/// What the user asks for.
struct TargetConfig {
  /// "native", or a name LLVM knows ("x86-64-v3", "znver5", ...).
  std::string cpu = "native";
  /// LLVM optimisation level, 0 to 3.
  unsigned optLevel = 3;
};

/// What is known about the machine that runs the program.
struct TargetInfo {
  std::string triple;
  std::string cpu;
  std::string features;
  unsigned optLevel = 3;
  /// Instruction sets that the code may use, of those that x86 has beyond its
  /// first 64-bit processors.
  std::vector<std::string> instructions;
  /// f32 lanes of one vector register: 16 (AVX-512), 8 (AVX2), 4 (otherwise).
  int64_t lanes = 4;
  /// Whether `llvm.ldexp` is one instruction.
  bool hasAvx512 = false;
  /// Whether pairs of bf16 are multiplied by AVX512-BF16, or by AMX tiles.
  bool hasAvx512Bf16 = false, hasAmx = false;

  /// Rows of the contraction's register tile.
  int64_t tileRows() const { return lanes == 8 ? 6 : hasAvx512 ? 8 : 4; }
  /// Columns of the contraction's register tile.
  int64_t tileCols() const { return 2 * lanes; }
};

/// The CPUs of this machine's kind that LLVM knows by name and generates code
/// for.
std::vector<std::string> knownCpus();

/// Looks the CPU up. Fails, with a diagnostic at `loc`, on an unknown name.
mlir::FailureOr<TargetInfo> resolveTarget(const TargetConfig &config,
                                          mlir::Location loc);

/// Registers the dialects that kernels consist of and their translations.
void registerKernelDialects(mlir::DialectRegistry &registry);

/// Lowers a clone of `module` to `path` (an object file). Fails with a
/// diagnostic if a pass fails, an fmuladd remains or the file can't be written.
mlir::LogicalResult emitObject(mlir::ModuleOp module, llvm::StringRef path,
                               const TargetInfo &target);

/// Links `objects` into the shared library `path` with lld, or with `cc` where
/// no lld is found. Fails with a diagnostic at `loc`, also if they call what
/// neither they nor the C library define.
mlir::LogicalResult linkSharedLibrary(llvm::ArrayRef<std::string> objects,
                                      llvm::StringRef path, mlir::Location loc);

} // namespace weft

#endif // WEFT_TARGET_OBJECTEMITTER_H
