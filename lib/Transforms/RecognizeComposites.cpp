// SPDX-License-Identifier: Apache-2.0
//
// nn-recognize-composites: decomposed norms, rotary embeddings, softmax,
// attention and cross-entropy become composite ops. What a decomposed form
// looks like is data, in Composites.mlir; how it is matched is in
// MatchComposite.cpp, what attention's mask means in MatchMask.cpp. The parts
// of a form that something else uses stay.
#include "MatchComposite.h"
#include "mlir/Parser/Parser.h"
#include "weft/Transforms/Passes.h"
#include "llvm/Support/DebugLog.h"

namespace weft {
#define GEN_PASS_DEF_RECOGNIZECOMPOSITESPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

#define DEBUG_TYPE "nn-recognize-composites"

using namespace mlir;

namespace weft {

static constexpr llvm::StringLiteral kComposites =
#include "Composites.inc"
    ;

/// The forms of a module, in its order.
static FailureOr<SmallVector<CompositeForm>> readForms(ModuleOp module) {
  SmallVector<CompositeForm> forms;
  for (auto function : module.getOps<func::FuncOp>()) {
    FailureOr<CompositeForm> form = readCompositeForm(function);
    if (failed(form))
      return failure();
    forms.push_back(*form);
  }
  return forms;
}

/// `placed` as a tensor of `shape`, whose dim i lies on dim `dims[i]` of the
/// mask.
static Value moveTo(OpBuilder &builder, Location loc, const PlacedValue &placed,
                    ArrayRef<int64_t> shape, ArrayRef<int64_t> dims) {
  auto type = cast<RankedTensorType>(placed.value.getType());
  SmallVector<int64_t> sizes, targets;
  for (auto [size, dim] : llvm::zip(type.getShape(), placed.dims))
    if (size != 1) {
      sizes.push_back(size);
      targets.push_back(llvm::find(dims, dim) - dims.begin());
    }
  Value value = placed.value;
  if (type.getShape() == shape)
    return value;
  if (type.getShape() != ArrayRef(sizes))
    value = nn::ReshapeOp::create(builder, loc, type.clone(sizes), value);
  if (ArrayRef(sizes) == shape)
    return value;
  return nn::BroadcastOp::create(builder, loc, type.clone(shape), value,
                                 targets);
}

/// Adds what a mask says to the operands q, k, v and attributes of attention.
static void addMask(OpBuilder &builder, Location loc, const MaskMeaning &mask,
                    OperationState &state) {
  const MaskDims &dims = mask.dims;
  auto sizeOf = [&](int64_t operand, int64_t dim) {
    return cast<RankedTensorType>(state.operands[operand].getType())
        .getDimSize(dim);
  };
  int64_t batch = sizeOf(0, 0), queries = sizeOf(0, 2), keys = sizeOf(1, 2);
  auto positions = [&](const PlacedValue &placed, int64_t size,
                       int64_t dim) -> Value {
    if (placed.value)
      return moveTo(builder, loc, placed, {size}, {dim});
    auto type = RankedTensorType::get({size}, builder.getI64Type());
    return nn::IotaOp::create(builder, loc, type, /*dim=*/0,
                              /*offset=*/Value());
  };
  state.addOperands({positions(mask.queryPositions, queries, dims.query),
                     positions(mask.keyPositions, keys, dims.key)});
  if (mask.queryDocuments.value)
    state.addOperands({moveTo(builder, loc, mask.queryDocuments,
                              {batch, queries}, {dims.batch, dims.query}),
                       moveTo(builder, loc, mask.keyDocuments, {batch, keys},
                              {dims.batch, dims.key})});
  if (mask.isCausal)
    state.addAttribute("causal", builder.getUnitAttr());
  if (mask.window)
    state.addAttribute("window", builder.getI64IntegerAttr(*mask.window));
}

/// Puts the composite op in the place of the root of `match`.
static void replaceRoot(const CompositeForm &form,
                        const CompositeMatch &match) {
  Operation *root = match.parts.front();
  LDBG() << form.composite << " at " << root->getLoc();
  OpBuilder builder(root);
  OperationState state(root->getLoc(), form.composite, match.operands,
                       match.resultTypes, match.attributes);
  if (match.mask)
    addMask(builder, root->getLoc(), *match.mask, state);
  root->getResult(0).replaceAllUsesWith(builder.create(state)->getResult(0));
}

/// Matches every op in program order, so that an operand of a form may itself
/// have been recognised; returns the parts of all matches.
static SmallVector<Operation *> recognize(ArrayRef<CompositeForm> forms,
                                          ModuleOp module) {
  SmallVector<Operation *> ops, parts;
  module.walk([&](Operation *op) {
    if (isa_and_present<nn::NNDialect>(op->getDialect()))
      ops.push_back(op);
  });
  for (Operation *op : ops)
    for (const CompositeForm &form : forms)
      if (auto match = matchComposite(form, op)) {
        replaceRoot(form, *match);
        llvm::append_range(parts, match->parts);
        break;
      }
  return parts;
}

/// Erases parts without uses, then those that this leaves without uses.
static void eraseDead(SmallVector<Operation *> parts) {
  llvm::SetVector<Operation *> open(parts.begin(), parts.end());
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (!op->use_empty())
      continue;
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        if (isa_and_present<nn::NNDialect>(producer->getDialect()))
          open.insert(producer);
    op->erase();
  }
}

namespace {
struct RecognizeCompositesPass
    : impl::RecognizeCompositesPassBase<RecognizeCompositesPass> {
  using RecognizeCompositesPassBase::RecognizeCompositesPassBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    OwningOpRef<ModuleOp> source =
        forms.empty() ? parseSourceString<ModuleOp>(kComposites, context)
                      : parseSourceFile<ModuleOp>(forms, context);
    if (!source)
      return signalPassFailure();
    auto read = readForms(*source);
    if (failed(read))
      return signalPassFailure();
    eraseDead(recognize(*read, getOperation()));
  }
};
} // namespace

} // namespace weft
