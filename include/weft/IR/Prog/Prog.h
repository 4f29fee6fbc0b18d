// SPDX-License-Identifier: Apache-2.0
//
// The prog dialect: what the machine does.
#ifndef WEFT_IR_PROG_PROG_H
#define WEFT_IR_PROG_PROG_H

#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "weft/IR/Dist/Dist.h"

#include "weft/IR/Prog/ProgDialect.h.inc"

namespace weft::prog {
/// What other ranks see.
struct PeersResource : mlir::SideEffects::Resource::Base<PeersResource> {
  llvm::StringRef getName() final { return "Peers"; }
};
} // namespace weft::prog

#define GET_OP_CLASSES
#include "weft/IR/Prog/ProgOps.h.inc"

namespace weft::prog {

/// Marks a kernel: a private function that holds one op on tensors.
inline constexpr llvm::StringLiteral kKernelAttrName = "prog.kernel";
/// On a kernel: bytes of scratch memory it takes, absent if none.
inline constexpr llvm::StringLiteral kScratchAttrName = "prog.scratch";
/// On a slot: where it lies.
inline constexpr llvm::StringLiteral kRegionAttrName = "prog.region";
inline constexpr llvm::StringLiteral kOffsetAttrName = "prog.offset";
/// On the module: {run, step, microbatch, input} in bytes.
inline constexpr llvm::StringLiteral kRegionsAttrName = "prog.regions";
/// On the module: what the memory is used for, see `prog-plan-memory`.
inline constexpr llvm::StringLiteral kMemoryAttrName = "prog.memory";

/// The regions, in the order of the program's ABI.
inline constexpr llvm::StringLiteral kRegionNames[] = {"run", "step",
                                                       "microbatch", "input"};
/// The number of a region in that list; -1 for another name.
int regionNumber(llvm::StringRef name);

/// The buffer that a memref is, or is a view of; null if neither.
BufferOp bufferOf(mlir::Value memref);

/// The memrefs that an op reads or writes, in the order of its operands. None
/// for `prog.wait`, which only ends what its collective does.
llvm::SmallVector<mlir::Value> readBy(mlir::Operation *op);
llvm::SmallVector<mlir::Value> writtenBy(mlir::Operation *op);

using dist::bytesOf;

/// The name in a location, "model.layers.0.mlp/grad"; empty without one.
llvm::StringRef nameOf(mlir::Location loc);

} // namespace weft::prog

#endif // WEFT_IR_PROG_PROG_H
