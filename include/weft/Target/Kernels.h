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

#include "weft/Layout/Layout.h" // ReduceKind
#include "weft/Target/ObjectEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/Support/JSON.h"

#include <optional>
#include <vector>

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
// Elementwise regions
//===------------------------------------------------------------------===//

/// One operation on elements. Operands and `ScalarNode::type` are scalar types;
/// i1 values live in registers only, memory holds i8. `Given` is what the loop
/// around has computed.
enum class Scalar {
  // clang-format off
  Input, Constant, Iota, Given,
  Neg, Abs, Exp, Log, Expm1, Log1p, Sqrt, Rsqrt, Sin, Cos, Tanh, Erf, Sigmoid,
  Silu, Gelu, GeluTanh, Relu, Not, Cast,
  Add, Sub, Mul, Div, Pow, Maximum, Minimum, And, Or,
  Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual,
  Select
  // clang-format on
};

struct ScalarNode {
  Scalar op;
  mlir::Type type;
  /// Earlier nodes.
  llvm::SmallVector<unsigned, 3> operands;
  /// Input: which one. Iota: along which dim.
  unsigned index = 0;
  /// Constant: the value (exact for i64 up to 2^53).
  double value = 0;
};

/// An input: element type, shape of its memory, and its stride along each dim
/// of the region's shape (0: repeated), from element `offset` on.
struct ElementwiseInput {
  mlir::Type type;
  Shape memory;
  Shape strides;
  int64_t offset = 0;
};

/// Computes `outputs` (nodes) at every point of `shape`; all outputs are
/// row-major of that shape. Works in place on inputs of the same strides.
struct ElementwiseSpec {
  Shape shape;
  llvm::SmallVector<ElementwiseInput> inputs;
  std::vector<ScalarNode> nodes;
  llvm::SmallVector<unsigned> outputs;
};

/// Strides of a tensor of shape `memory` placed at `dims` of a region of
/// `numDims` dims.
Shape broadcastStrides(llvm::ArrayRef<int64_t> memory,
                       llvm::ArrayRef<int64_t> dims, int64_t numDims);
/// Row-major strides.
Shape rowMajorStrides(llvm::ArrayRef<int64_t> shape);
/// (inputs, outputs)
mlir::func::FuncOp emitElementwise(const KernelSite &site,
                                   const ElementwiseSpec &spec);

/// A strided copy: element i of `shape` goes from
/// inOffset + sum i*inStrides to outOffset + sum i*outStrides. With
/// `fillRest`, all other elements of the output become `fill`. Transposes,
/// slices, pads, broadcasts.
struct CopySpec {
  mlir::Type type;
  Shape shape;
  Shape inMemory, outMemory;
  Shape inStrides, outStrides;
  int64_t inOffset = 0, outOffset = 0;
  std::optional<double> fill;
};
/// (input, output)
mlir::func::FuncOp emitCopy(const KernelSite &site, const CopySpec &spec);
/// Inputs of the given shapes joined along `dim`: (inputs..., output)
mlir::func::FuncOp emitConcat(const KernelSite &site, mlir::Type type,
                              llvm::ArrayRef<Shape> inputs, int64_t dim);

/// Removes the increasing `dims` of `shape`. The result has the same type, or
/// `result`. With `region`, the elements are its only output, as if it had
/// stored them; along the last dims, if these are reduced, each of its inputs
/// has all of them or none.
struct ReduceSpec {
  ReduceKind kind;
  mlir::Type type;
  Shape shape;
  Shape dims;
  mlir::Type result = {};
  std::optional<ElementwiseSpec> region = {};
};
/// (input or the region's inputs, output)
mlir::func::FuncOp emitReduce(const KernelSite &site, const ReduceSpec &spec);

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
/// and must be in A and B; the k order is that of A's letters. Whoever knows
/// the graph's shapes chooses the order (nn::isDotProduct).
struct ContractSpec {
  std::string equation;
  Shape a, b;
  /// Element types; sums are in f32 for bf16 and f32, else in C's type.
  mlir::Type aType, bType, cType;
  ContractOrder order = ContractOrder::Chain;
  /// What is made of the sums, which are its `Scalar::Given` in C's type;
  /// chains of f32 or bf16. Its inputs are A, B and what else it reads, its
  /// outputs take C's place. The last dim of C is A's or B's alone; a multiple
  /// of 16 if rows repeat.
  std::optional<ElementwiseSpec> region = {};
};

/// The shape of C.
Shape contractShape(const ContractSpec &spec);
/// Bytes of scratch; 0 means that the kernel has no scratch argument.
int64_t contractScratchBytes(const ContractSpec &spec,
                             const TargetInfo &target);
/// How it is computed: {"order": "chain" or "partials"}, and of register tiles
/// {"tile": [rows, columns], "block": {"rows", "depth"}, "packed": ["lhs"]}.
llvm::json::Object describeContract(const ContractSpec &spec,
                                    const TargetInfo &target);
/// (A, B, C[, scratch]), or (A, B, inputs..., outputs...[, scratch]); in place
/// on those inputs.
mlir::func::FuncOp emitContract(const KernelSite &site,
                                const ContractSpec &spec);

//===------------------------------------------------------------------===//
// Rows, lookups, losses (`shape` is that of x or of the logits)
//
// `type`, f32 or bf16, is that of activations, weights and logits in memory.
// Statistics (rstd, lse), losses, seeds and sums over rows are f32, and so is
// what is computed; a result is rounded once.
//===------------------------------------------------------------------===//

/// (x, weight, y, rstd)
mlir::func::FuncOp emitRmsNorm(const KernelSite &site, mlir::Type type,
                               llvm::ArrayRef<int64_t> shape, double eps);
/// (dy, x, weight, rstd, dx, dweight); dweight adds rows in ascending order.
mlir::func::FuncOp emitRmsNormGrad(const KernelSite &site, mlir::Type type,
                                   llvm::ArrayRef<int64_t> shape);
/// (x, y), along the last dim; f32. In place.
mlir::func::FuncOp emitSoftmax(const KernelSite &site,
                               llvm::ArrayRef<int64_t> shape);
/// (x [B, H, S, D], cos [S, D], sin [S, D], y); `adjoint` applies the
/// transposed rotation. With `xRowsFirst` the memory of x is [B, S, H, D].
struct RotarySpec {
  mlir::Type type;
  Shape shape;
  bool adjoint = false;
  bool xRowsFirst = false, yRowsFirst = false;
};
mlir::func::FuncOp emitRotary(const KernelSite &site, const RotarySpec &spec);

/// Shapes of a lookup: `indices`, and the table or class dim behind it. With
/// `offset`, a scalar i64 argument after the inputs is subtracted from every
/// index.
struct LookupSpec {
  Shape indices;
  /// Rows of the table, or classes.
  int64_t size;
  /// Elements of a row; 1 for pick and place.
  int64_t width = 1;
  bool offset = false;
  /// Of the table, rows, classes and picks; f32 if null.
  mlir::Type type = {};
};
/// (ids, table[, offset], out): rows of the table, zero if out of range.
mlir::func::FuncOp emitEmbedding(const KernelSite &site,
                                 const LookupSpec &spec);
/// (dy, ids[, offset], dtable): rows summed in ascending order of the ids, in
/// f32.
mlir::func::FuncOp emitEmbeddingGrad(const KernelSite &site,
                                     const LookupSpec &spec);
/// (x [indices..., size], indices[, offset], out): 0 if out of range.
mlir::func::FuncOp emitPick(const KernelSite &site, const LookupSpec &spec);
/// (x, indices[, offset], out [indices..., size]): zeros elsewhere.
mlir::func::FuncOp emitPlace(const KernelSite &site, const LookupSpec &spec);

/// (logits, labels, sum, lse): rows with label -100 do not count; the sum goes
/// over rows in ascending order. A label out of range counts as -100.
mlir::func::FuncOp emitCrossEntropy(const KernelSite &site, mlir::Type type,
                                    llvm::ArrayRef<int64_t> shape);
/// (logits, labels, lse, seed[, offset], dlogits). In place on the logits.
mlir::func::FuncOp emitCrossEntropyGrad(const KernelSite &site, mlir::Type type,
                                        llvm::ArrayRef<int64_t> shape,
                                        bool offset);

//===------------------------------------------------------------------===//
// Attention
//===------------------------------------------------------------------===//

/// q [batch, heads, queries, width]; k, v [batch, kvHeads, keys, width];
/// positions i64 [queries] and [keys]. With `causal` a key counts if its
/// position is at most the query's, with `window` if it is moreover above the
/// query's - window; with `documents`, only where the ids, i64
/// [batch, queries] and [batch, keys], are equal. `softcap` c makes a score s
/// c * tanh(s / c). A row without keys gives 0, lse -inf and zero gradients.
struct AttentionSpec {
  int64_t batch, heads, kvHeads, queries, keys, width;
  double scale;
  bool causal;
  /// Of q, k, v, out and their cotangents in memory: f32 or bf16; f32 if null.
  mlir::Type type = {};
  std::optional<int64_t> window = {}; // with `causal` only
  std::optional<double> softcap = {};
  bool documents = false;
  /// Tensors whose memory is [batch, queries or keys, heads, width].
  struct RowsFirst {
    bool q = false, k = false, v = false, out = false;
    bool dout = false, dq = false, dk = false, dv = false;
  } rowsFirst = {};
};
int64_t attentionScratchBytes(const AttentionSpec &spec,
                              const TargetInfo &target);
/// (q, k, v, qpos, kpos[, qdocs, kdocs], out, lse, scratch)
mlir::func::FuncOp emitAttention(const KernelSite &site,
                                 const AttentionSpec &spec);
int64_t attentionGradScratchBytes(const AttentionSpec &spec,
                                  const TargetInfo &target);
/// (dout, q, k, v, out, lse, qpos, kpos[, qdocs, kdocs], dq, dk, dv, scratch)
mlir::func::FuncOp emitAttentionGrad(const KernelSite &site,
                                     const AttentionSpec &spec);

} // namespace weft

#endif // WEFT_TARGET_KERNELS_H
