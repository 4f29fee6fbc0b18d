// SPDX-License-Identifier: Apache-2.0
//
// The table: op -> kernel. Each entry turns an op's attributes and types into
// the spec of an emitter of weft/Target/Kernels.h; scratch sizes come from the
// same specs. Composite ops have kernels for activations in f32 and bf16.
#include "weft/Target/KernelTable.h"
#include "Kernels/KernelBuilder.h"
#include "weft/IR/NN/NN.h"
#include "weft/Transforms/FusedRegion.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace weft {

using Kernel = FailureOr<func::FuncOp>;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}
static Shape shapeOf(Value value) { return Shape(typeOf(value).getShape()); }
static Type elementOfTensor(Value value) {
  return typeOf(value).getElementType();
}

//===----------------------------------------------------------------------===//
// Specs
//===----------------------------------------------------------------------===//

static ContractSpec specOf(nn::ContractOp op) {
  return {op.getEquation().str(),
          shapeOf(op.getLhs()),
          shapeOf(op.getRhs()),
          elementOfTensor(op.getLhs()),
          elementOfTensor(op.getRhs()),
          elementOfTensor(op.getResult()),
          op.getPartials() ? ContractOrder::Partials : ContractOrder::Chain,
          {}};
}

/// `op` is an attention or its gradient: both name the operands alike.
/// True if the memory of an operand or result of a row kernel is [B, S, H, D]:
/// where there is a region around, a transpose is between.
static bool isRowsFirst(Value value) {
  return nn::swapOfHeads(value.getDefiningOp()) ||
         llvm::any_of(value.getUsers(), nn::swapOfHeads);
}

static RotarySpec specOf(nn::RotaryOp op) {
  return {elementOfTensor(op.getInput()), shapeOf(op.getInput()),
          op.getAdjoint(), isRowsFirst(op.getInput()),
          isRowsFirst(op.getResult())};
}

static void readOrders(AttentionSpec::RowsFirst &rowsFirst,
                       nn::AttentionOp op) {
  rowsFirst.out = isRowsFirst(op.getResult());
}
static void readOrders(AttentionSpec::RowsFirst &rowsFirst,
                       nn::AttentionGradOp op) {
  rowsFirst.dout = isRowsFirst(op.getDout());
  rowsFirst.out = isRowsFirst(op.getOut());
  rowsFirst.dq = isRowsFirst(op.getDquery());
  rowsFirst.dk = isRowsFirst(op.getDkey());
  rowsFirst.dv = isRowsFirst(op.getDvalue());
}

template <typename OpT> static AttentionSpec specOfAttention(OpT op) {
  Shape q = shapeOf(op.getQuery()), k = shapeOf(op.getKey());
  AttentionSpec spec = {q[0],
                        q[1],
                        k[1],
                        q[2],
                        k[2],
                        q[3],
                        op.getScale().convertToDouble(),
                        op.getCausal(),
                        elementOfTensor(op.getQuery())};
  spec.window = op.getWindow();
  if (std::optional<APFloat> softcap = op.getSoftcap())
    spec.softcap = softcap->convertToDouble();
  spec.documents = !op.getDocuments().empty();
  spec.rowsFirst.q = isRowsFirst(op.getQuery());
  spec.rowsFirst.k = isRowsFirst(op.getKey());
  spec.rowsFirst.v = isRowsFirst(op.getValue());
  readOrders(spec.rowsFirst, op);
  return spec;
}

static CopySpec specOf(nn::TransposeOp op) {
  Shape in = shapeOf(op.getInput()), out = shapeOf(op.getResult());
  Shape strides = rowMajorStrides(in);
  CopySpec spec{
      elementOfTensor(op.getResult()), out, in, out, {}, rowMajorStrides(out)};
  for (int64_t dim : op.getPermutation())
    spec.inStrides.push_back(strides[dim]);
  return spec;
}

static CopySpec specOf(nn::SliceOp op) {
  Shape in = shapeOf(op.getInput()), out = shapeOf(op.getResult());
  CopySpec spec{elementOfTensor(op.getResult()),
                out,
                in,
                out,
                rowMajorStrides(in),
                rowMajorStrides(out)};
  for (auto [dim, offset] : llvm::enumerate(op.getOffsets())) {
    spec.inOffset += offset * spec.inStrides[dim];
    spec.inStrides[dim] *= op.getStrides()[dim];
  }
  return spec;
}

static CopySpec specOf(nn::PadOp op) {
  Shape in = shapeOf(op.getInput()), out = shapeOf(op.getResult());
  CopySpec spec{elementOfTensor(op.getResult()),
                in,
                in,
                out,
                rowMajorStrides(in),
                rowMajorStrides(out)};
  for (auto [dim, low] : llvm::enumerate(op.getLow())) {
    spec.outOffset += low * spec.outStrides[dim];
    spec.outStrides[dim] *= op.getInterior()[dim] + 1;
  }
  spec.fill = 0.0;
  return spec;
}

static ReduceSpec specOf(nn::ReduceOp op) {
  // The enumerators are in the same order.
  return {static_cast<ReduceKind>(op.getKind()),
          elementOfTensor(op.getInput()),
          shapeOf(op.getInput()),
          Shape(op.getDims()),
          elementOfTensor(op.getResult()),
          {}};
}

/// `table` has the indexed dim at position `dim`.
static LookupSpec lookup(Value indices, Value table, int64_t dim, Value offset,
                         int64_t width = 1) {
  return {shapeOf(indices), shapeOf(table)[dim], width, bool(offset),
          elementOfTensor(table)};
}

//===----------------------------------------------------------------------===//
// Kernels of this file
//===----------------------------------------------------------------------===//

/// The contraction that `op` is or begins with, if any.
static std::optional<ContractSpec> contractionIn(Operation *op) {
  if (auto contract = dyn_cast<nn::ContractOp>(op))
    return specOf(contract);
  auto fused = dyn_cast<prog::FusedOp>(op);
  nn::ContractOp first = fused ? contractionOf(fused) : nn::ContractOp();
  if (!first)
    return std::nullopt;
  ContractSpec spec = specOf(first);
  spec.region = describeRegion(fused);
  return spec;
}

static Kernel emitRegion(const KernelSite &site, prog::FusedOp op) {
  if (auto contraction = contractionIn(op))
    return emitContract(site, *contraction);
  nn::ReduceOp reduction = reductionOf(op);
  if (!reduction)
    return emitElementwise(site, describeRegion(op));
  ReduceSpec spec = specOf(reduction);
  spec.region = describeRegion(op);
  return emitReduce(site, spec);
}

/// Stores the elements one by one: constants are small.
static Kernel emitConstant(const KernelSite &site, nn::ConstantOp op) {
  KernelBuilder b(site);
  Type stored = storedType(elementOfTensor(op.getResult()));
  b.begin({MemRefType::get(shapeOf(op.getResult()), stored)});
  Value output = b.arg(0);
  auto values = cast<DenseElementsAttr>(op.getValue());
  for (auto [i, value] : llvm::enumerate(values.getValues<Attribute>())) {
    TypedAttr scalar = cast<TypedAttr>(value);
    if (auto flag = dyn_cast<BoolAttr>(value))
      scalar = b.getI8IntegerAttr(flag.getValue());
    b.store(arith::ConstantOp::create(b, scalar), output, b.index(i));
  }
  return b.finish();
}

/// (input, start, output): per outer index one contiguous run, as far as the
/// input goes, then zeros.
static Kernel emitWindow(const KernelSite &site, prog::WindowOp op) {
  Shape in = shapeOf(op.getInput()), out = shapeOf(op.getResult());
  auto product = [](ArrayRef<int64_t> sizes) {
    return llvm::product_of(sizes);
  };
  int64_t dim = op.getDim();
  int64_t inner = product(ArrayRef(in).drop_front(dim + 1));
  int64_t total = out[dim] * inner;
  KernelBuilder b(site);
  Type stored = storedType(elementOfTensor(op.getInput()));
  b.begin({MemRefType::get(in, stored), MemRefType::get({}, b.getI64Type()),
           MemRefType::get(out, stored)});
  Value start = arith::IndexCastOp::create(b, b.getIndexType(),
                                           b.load(b.arg(1), b.index(0)));
  Value left = b.mul(b.sub(b.index(in[dim]), start), b.index(inner));
  constexpr int64_t lanes = 16;
  b.loop(product(ArrayRef(in).take_front(dim)), 1, [&](Value outer) {
    Value from = b.at(b.mul(start, b.index(inner)), outer, in[dim] * inner);
    Value to = b.at(b.index(0), outer, total);
    b.vectorLoop(total, lanes, [&](Value position, Value mask) {
      Value valid = b.mask(b.sub(left, position), lanes);
      Value value =
          b.load(b.arg(0), b.add(from, position), lanes,
                 mask ? b.createOrFold<arith::AndIOp>(valid, mask) : valid);
      b.store(value, b.arg(2), b.add(to, position), mask);
    });
  });
  return b.finish();
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

/// The values of a composite op that are f32 whatever its activations are.
static SmallVector<Value, 2> sumsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, SmallVector<Value, 2>>(op)
      .Case(
          [](nn::RmsNormOp op) { return SmallVector<Value, 2>{op.getRstd()}; })
      .Case([](nn::RmsNormGradOp op) {
        return SmallVector<Value, 2>{op.getRstd(), op.getDweight()};
      })
      .Case(
          [](nn::AttentionOp op) { return SmallVector<Value, 2>{op.getLse()}; })
      .Case([](nn::AttentionGradOp op) {
        return SmallVector<Value, 2>{op.getLse()};
      })
      .Case([](nn::EmbeddingGradOp op) {
        return SmallVector<Value, 2>{op.getResult()};
      })
      .Case([](nn::CrossEntropyOp op) {
        return SmallVector<Value, 2>{op.getSum(), op.getLse()};
      })
      .Case([](nn::CrossEntropyGradOp op) {
        return SmallVector<Value, 2>{op.getLse(), op.getSeed()};
      })
      .Default([](Operation *) { return SmallVector<Value, 2>(); });
}

/// Composite kernels compute in f32; activations may be bf16, all of them.
static LogicalResult verifyFloats(Operation *op) {
  SmallVector<Value, 2> sums = sumsOf(op);
  SmallVector<Value> values(op->getOperands());
  llvm::append_range(values, op->getResults());
  Type activation = Float32Type::get(op->getContext());
  if (!isa<nn::SoftmaxOp>(op))
    for (Value value : values)
      if (elementOfTensor(value).isBF16() && !llvm::is_contained(sums, value))
        activation = elementOfTensor(value);
  for (Value value : values) {
    Type element = elementOfTensor(value);
    Type expected = llvm::is_contained(sums, value)
                        ? Type(Float32Type::get(op->getContext()))
                        : activation;
    if (isa<FloatType>(element) && element != expected)
      return op->emitOpError("has no kernel for its element type: got ")
             << element << ", expected " << expected;
  }
  return success();
}

static Kernel emitRows(const KernelSite &site, Operation *op) {
  return llvm::TypeSwitch<Operation *, Kernel>(op)
      .Case([&](nn::SoftmaxOp op) {
        return emitSoftmax(site, shapeOf(op.getInput()));
      })
      .Case([&](nn::RmsNormOp op) {
        return emitRmsNorm(site, elementOfTensor(op.getInput()),
                           shapeOf(op.getInput()),
                           op.getEps().convertToDouble());
      })
      .Case([&](nn::RmsNormGradOp op) {
        return emitRmsNormGrad(site, elementOfTensor(op.getInput()),
                               shapeOf(op.getInput()));
      })
      .Case([&](nn::RotaryOp op) { return emitRotary(site, specOf(op)); })
      .Case([&](nn::AttentionOp op) {
        return emitAttention(site, specOfAttention(op));
      })
      .Case([&](nn::AttentionGradOp op) {
        return emitAttentionGrad(site, specOfAttention(op));
      })
      .Case([&](nn::CrossEntropyOp op) {
        return emitCrossEntropy(site, elementOfTensor(op.getLogits()),
                                shapeOf(op.getLogits()));
      })
      .Case([&](nn::CrossEntropyGradOp op) {
        return emitCrossEntropyGrad(site, elementOfTensor(op.getLogits()),
                                    shapeOf(op.getLogits()),
                                    bool(op.getOffset()));
      })
      .Default([](Operation *) { return failure(); });
}

static Kernel emitLookup(const KernelSite &site, Operation *op) {
  return llvm::TypeSwitch<Operation *, Kernel>(op)
      .Case([&](nn::EmbeddingOp op) {
        return emitEmbedding(site,
                             lookup(op.getIds(), op.getTable(), 0,
                                    op.getOffset(), shapeOf(op.getTable())[1]));
      })
      .Case([&](nn::EmbeddingGradOp op) {
        LookupSpec spec = lookup(op.getIds(), op.getResult(), 0, op.getOffset(),
                                 shapeOf(op.getResult())[1]);
        spec.type = elementOfTensor(op.getDy());
        return emitEmbeddingGrad(site, spec);
      })
      .Case([&](nn::PickOp op) {
        return emitPick(site, lookup(op.getIndices(), op.getInput(),
                                     typeOf(op.getInput()).getRank() - 1,
                                     op.getOffset()));
      })
      .Case([&](nn::PlaceOp op) {
        return emitPlace(site, lookup(op.getIndices(), op.getResult(),
                                      typeOf(op.getResult()).getRank() - 1,
                                      op.getOffset()));
      })
      .Default([](Operation *) { return failure(); });
}

static Kernel emitGeneral(const KernelSite &site, Operation *op) {
  return llvm::TypeSwitch<Operation *, Kernel>(op)
      .Case([&](prog::FusedOp op) { return emitRegion(site, op); })
      .Case([&](prog::WindowOp op) { return emitWindow(site, op); })
      .Case([&](nn::ConstantOp op) { return emitConstant(site, op); })
      .Case([&](nn::ContractOp op) { return emitContract(site, specOf(op)); })
      .Case([&](nn::ReduceOp op) { return emitReduce(site, specOf(op)); })
      .Case([&](nn::TransposeOp op) { return emitCopy(site, specOf(op)); })
      .Case([&](nn::SliceOp op) { return emitCopy(site, specOf(op)); })
      .Case([&](nn::PadOp op) { return emitCopy(site, specOf(op)); })
      .Case([&](nn::ConcatOp op) {
        return emitConcat(site, elementOfTensor(op.getResult()),
                          llvm::map_to_vector(op.getInputs(), shapeOf),
                          op.getDim());
      })
      .Default([](Operation *) { return failure(); });
}

/// The row kernel in a region, else `op` itself.
static Operation *withoutSwaps(Operation *op) {
  auto fused = dyn_cast<prog::FusedOp>(op);
  Operation *inner = fused ? fused.getRowKernel() : nullptr;
  return inner ? inner : op;
}

Kernel emitKernelFor(const KernelSite &site, Operation *op) {
  op = withoutSwaps(op);
  for (auto emit : {emitGeneral, emitRows, emitLookup}) {
    if (emit != emitGeneral && failed(verifyFloats(op)))
      return failure();
    if (Kernel kernel = emit(site, op); succeeded(kernel))
      return kernel;
  }
  return op->emitOpError("has no kernel");
}

int64_t kernelScratchBytes(Operation *op, const TargetInfo &target) {
  op = withoutSwaps(op);
  if (auto contraction = contractionIn(op))
    return contractScratchBytes(*contraction, target);
  return llvm::TypeSwitch<Operation *, int64_t>(op)
      .Case([&](nn::AttentionOp op) {
        return attentionScratchBytes(specOfAttention(op), target);
      })
      .Case([&](nn::AttentionGradOp op) {
        return attentionGradScratchBytes(specOfAttention(op), target);
      })
      .Default([](Operation *) { return 0; });
}

llvm::json::Object describeKernel(Operation *op, const TargetInfo &target) {
  llvm::json::Object description;
  op = withoutSwaps(op);
  auto contraction = contractionIn(op);
  if (contraction)
    description = describeContract(*contraction, target);
  StringRef emitter = op->getName().stripDialect();
  if (auto fused = dyn_cast<prog::FusedOp>(op))
    emitter = contraction          ? "contract"
              : reductionOf(fused) ? "reduce"
                                   : "elementwise";
  else if (isa<nn::TransposeOp, nn::SliceOp, nn::PadOp, nn::ConcatOp>(op))
    emitter = "copy";
  description["emitter"] = emitter;
  // Providers' kernels would be named here.
  description["by"] = "generated";
  return description;
}

} // namespace weft
