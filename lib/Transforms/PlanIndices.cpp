// SPDX-License-Identifier: Apache-2.0
//
// nn-plan-indices: bound the indices that inputs hold.
//
//   1. For each lookup, follow its indices back to where they come from.
//   2. Positions and constants: refuse those that the table lacks.
//   3. Inputs: the smallest table bounds the slot, which the runtime checks as
//      it reads data. No kernel reads out of range, so nothing else would say.
#include "mlir/IR/Matchers.h"
#include "weft/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

#define DEBUG_TYPE "nn-plan-indices"

namespace weft {
#define GEN_PASS_DEF_PLANINDICESPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {
/// The indices of an op and how many there may be.
struct Lookup {
  Operation *op = nullptr;
  Value indices;
  int64_t size = 0;
  /// Whether the label that counts for nothing, -100, has a meaning.
  bool ignores = false;
};

struct PlanIndicesPass : weft::impl::PlanIndicesPassBase<PlanIndicesPass> {
  void runOnOperation() override;

private:
  bool bound(const Lookup &lookup, SymbolTable &symbols);
};
} // namespace

static int64_t dimSize(Value value, int64_t dim) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getDimSize(dim < 0 ? type.getRank() + dim : dim);
}

static std::optional<Lookup> lookupOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Lookup>>(op)
      .Case([&](nn::EmbeddingOp embedding) {
        return Lookup{op, embedding.getIds(), dimSize(embedding.getTable(), 0)};
      })
      .Case([&](nn::PickOp pick) {
        return Lookup{op, pick.getIndices(), dimSize(pick.getInput(), -1),
                      true};
      })
      .Case([&](nn::CrossEntropyOp entropy) {
        return Lookup{op, entropy.getLabels(), dimSize(entropy.getLogits(), -1),
                      true};
      })
      .Default([](Operation *) { return std::nullopt; });
}

/// The operands whose elements an op moves without changing them.
static ValueRange movedBy(Operation *op) {
  if (isa<nn::SelectOp>(op))
    return op->getOperands().drop_front();
  if (isa<nn::ReshapeOp, nn::SliceOp, nn::TransposeOp, nn::BroadcastOp,
          nn::ConcatOp, nn::BoundaryOp>(op))
    return op->getOperands();
  return {};
}

/// The largest element, where it is known.
static std::optional<int64_t> largestOf(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto iota = dyn_cast_or_null<nn::IotaOp>(op))
    return iota.getOffset() ? std::optional<int64_t>()
                            : dimSize(value, iota.getDim()) - 1;
  DenseIntElementsAttr constant;
  if (matchPattern(value, m_Constant(&constant))) {
    int64_t largest = std::numeric_limits<int64_t>::min();
    for (const APInt &element : constant)
      largest = std::max(largest, element.getSExtValue());
    return largest;
  }
  auto add = dyn_cast_or_null<nn::AddOp>(op);
  if (!add)
    return std::nullopt;
  auto left = largestOf(add.getLhs()), right = largestOf(add.getRhs());
  return left && right ? std::optional(*left + *right) : std::nullopt;
}

static void boundSlot(pipe::SlotOp slot, const Lookup &lookup) {
  auto known = slot->getAttrOfType<IntegerAttr>(pipe::kIndicesAttrName);
  int64_t size = known ? std::min(known.getInt(), lookup.size) : lookup.size;
  bool ignores =
      lookup.ignores && (!known || slot->hasAttr(pipe::kIgnoresAttrName));
  Builder builder(slot.getContext());
  slot->setAttr(pipe::kIndicesAttrName, builder.getI64IntegerAttr(size));
  if (ignores)
    slot->setAttr(pipe::kIgnoresAttrName, builder.getUnitAttr());
  else
    slot->removeAttr(pipe::kIgnoresAttrName);
}

/// False after an error.
bool PlanIndicesPass::bound(const Lookup &lookup, SymbolTable &symbols) {
  SmallVector<Value> work = {lookup.indices};
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
      auto name = pipe::slotOfArgument(function, argument.getArgNumber());
      if (auto slot = name ? symbols.lookup<pipe::SlotOp>(name.getValue())
                           : pipe::SlotOp())
        boundSlot(slot, lookup);
      continue;
    }
    if (auto largest = largestOf(value); largest && *largest >= lookup.size) {
      lookup.op
              ->emitOpError("looks up what its table lacks: got indices up to ")
              .append(*largest, ", expected less than ", lookup.size)
              .attachNote()
          << "positions come from the length of a sample: export with a "
             "smaller --seq, or give the model a larger table";
      return false;
    }
    llvm::append_range(work, movedBy(value.getDefiningOp()));
  }
  return true;
}

void PlanIndicesPass::runOnOperation() {
  SymbolTable symbols(getOperation());
  bool isOk = true;
  getOperation().walk([&](Operation *op) {
    if (auto lookup = lookupOf(op))
      isOk &= bound(*lookup, symbols);
  });
  markAllAnalysesPreserved();
  if (!isOk)
    signalPassFailure();
}
