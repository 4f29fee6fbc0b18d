// SPDX-License-Identifier: Apache-2.0
//
// The kernel emitters: each builds one `func.func` out of upstream dialects.
//
// Arguments of a kernel are static row-major memrefs: inputs, then outputs,
// then (where stated) one scratch memref<Nxi8>. Kernels allocate nothing. i1
// tensors are memrefs of i8 holding 0 or 1. All floating point is strict, so
// the bits depend on the spec alone, not on vector width, tile or CPU:
//
// - a reduction of the last dim: 64 partials, element d to partial d mod 64,
//   combined by halving; of leading dims: one ascending chain;
// - a contraction: one fma chain over ascending k, from +0 (or 64 partials,
//   ContractOrder);
// - attention: whole-row two-pass softmax; P V and dQ chains over keys, dK and
//   dV chains over the group's heads, then queries.
//
// An output may share its buffer with an input only where "in place" is said.

#ifndef WEFT_TARGET_KERNELS_H
#define WEFT_TARGET_KERNELS_H

#include "weft/Target/ObjectEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>

namespace weft {

using Shape = llvm::SmallVector<int64_t, 4>;

/// Where a kernel goes, what it is called and which machine runs it.
struct KernelSite {
  mlir::ModuleOp module;
  std::string name;
  const TargetInfo &target;
  mlir::Location loc;
};

//===------------------------------------------------------------------===//
// Contraction
//===------------------------------------------------------------------===//

/// How an element of a contraction is summed.
enum class ContractOrder {
  /// One fma chain over ascending k.
  Chain,
  /// The 64-partial dot product; needs k contiguous in both operands.
  Partials
};

/// "btd,od->bto": letters of A, B and C. A letter missing in C is summed over
/// and must be in A and B; the k order is that of A's letters.
struct ContractSpec {
  std::string equation;
  Shape a, b;
  /// Element types; sums are in f32 for bf16 and f32, else in C's type.
  mlir::Type aType, bType, cType;
  std::optional<ContractOrder> order;
};

/// Partials where one side has a single row, k is contiguous in both operands
/// and at least 64 long. To be asked with the *graph's* shapes.
ContractOrder chooseContractOrder(const ContractSpec &spec);
/// The shape of C.
Shape contractShape(const ContractSpec &spec);
/// Bytes of scratch; 0 means that the kernel has no scratch argument.
int64_t contractScratchBytes(const ContractSpec &spec,
                             const TargetInfo &target);
/// (A, B, C[, scratch])
mlir::func::FuncOp emitContract(const KernelSite &site,
                                const ContractSpec &spec);

} // namespace weft

#endif // WEFT_TARGET_KERNELS_H
