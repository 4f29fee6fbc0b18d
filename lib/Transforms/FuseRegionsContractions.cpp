// SPDX-License-Identifier: Apache-2.0
//
// A contraction's kernel makes whole tiles of its result in registers. What is
// elementwise and of the same shape can go on from there: the value is written
// only if somebody else reads it, and never read back.
#include "FuseRegionsContractions.h"
#include "weft/Transforms/FusedRegion.h"

using namespace mlir;

namespace weft {

nn::ContractOp contractionOf(prog::FusedOp op) {
  return dyn_cast<nn::ContractOp>(op.getBody().front().front());
}

/// The most lanes of a register.
static constexpr int64_t kLanes = 16;

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

static Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// Operands of f32 or bf16 are summed in f32.
static bool isSummedInF32(Value value) {
  return elementOf(value).isF32() || elementOf(value).isBF16();
}

/// True if the kernel makes tiles whose rows are parts of the result's.
static bool makesTiles(nn::ContractOp op) {
  if (op.getPartials() || !isSummedInF32(op.getLhs()) ||
      !isSummedInF32(op.getRhs()) || !isSummedInF32(op.getResult()))
    return false;
  auto [operands, result] = op.getEquation().split("->");
  auto [lhs, rhs] = operands.split(",");
  ArrayRef<int64_t> shape = shapeOf(op.getResult());
  return !shape.empty() && shape.back() >= kLanes &&
         lhs.contains(result.back()) != rhs.contains(result.back());
}

/// True if the region can be computed register by register: what repeats must
/// not change its row within one.
static bool readsByRegister(prog::FusedOp region) {
  ArrayRef<int64_t> shape = shapeOf(region.getResult(0));
  int64_t row = shape.empty() ? 1 : shape.back();
  return llvm::all_of(region.getBody().front(), [&](Operation &op) {
    auto broadcast = dyn_cast<nn::BroadcastOp>(op);
    bool repeatsRows = broadcast && !broadcast.getDims().empty();
    return !isa<nn::IotaOp>(op) && (!repeatsRows || row % kLanes == 0);
  });
}

bool isHeavy(prog::FusedOp region) {
  return llvm::any_of(
      region.getBody().front(),
      llvm::IsaPred<nn::ExpOp, nn::LogOp, nn::Expm1Op, nn::Log1pOp, nn::SinOp,
                    nn::CosOp, nn::TanhOp, nn::ErfOp, nn::PowOp, nn::SigmoidOp,
                    nn::SiluOp, nn::GeluOp, nn::GeluTanhOp>);
}

/// True if the region is done sooner behind the sums than in a loop of its own.
/// A heavy one is if the sums need not be written then. Tiles of bf16 are made
/// so fast that they would wait for what the region reads and writes: a loop,
/// which goes through memory in order, is faster from 6 bytes of an element on.
static bool paysOff(nn::ContractOp op, prog::FusedOp region) {
  constexpr int64_t most = 4;
  if (!elementOf(op.getLhs()).isBF16() || !elementOf(op.getRhs()).isBF16())
    return op->hasOneUse() || !isHeavy(region);
  int64_t bytes = 0;
  auto count = [&](Value value) {
    if (shapeOf(value) == shapeOf(op.getResult()) && value != op.getResult())
      bytes += llvm::divideCeil(elementOf(value).getIntOrFloatBitWidth(), 8);
  };
  llvm::for_each(region.getInputs(), count);
  llvm::for_each(region.getResults(), count);
  return bytes <= most;
}

/// True if `op` may move down to `region`: it is near, nobody reads it before,
/// and what ranks exchange in between does not wait for it.
static bool mayMove(nn::ContractOp op, prog::FusedOp region, int64_t farthest) {
  int64_t distance = 0;
  for (Operation *next = op->getNextNode(); next != region;
       next = next->getNextNode())
    if (!next || ++distance > farthest ||
        isa<dist::DistDialect>(next->getDialect()))
      return false;
  return llvm::all_of(op->getUsers(), [&](Operation *user) {
    return user == region || region->isBeforeInBlock(user);
  });
}

/// The operand of `region` to make in it; null if there is none.
static OpOperand *operandFor(prog::FusedOp region, int64_t farthest) {
  if (reductionOf(region) || contractionOf(region) || !readsByRegister(region))
    return nullptr;
  OpOperand *best = nullptr;
  for (OpOperand &operand : region->getOpOperands()) {
    auto op = operand.get().getDefiningOp<nn::ContractOp>();
    BlockArgument inside =
        region.getBody().getArgument(operand.getOperandNumber());
    bool isElementwise =
        shapeOf(operand.get()) == shapeOf(region.getResult(0)) &&
        llvm::none_of(inside.getUsers(), llvm::IsaPred<nn::BroadcastOp>);
    if (op && isElementwise && makesTiles(op) && paysOff(op, region) &&
        mayMove(op, region, farthest) &&
        llvm::count(region->getOperands(), operand.get()) == 1 &&
        (!best || best->get().getDefiningOp()->isBeforeInBlock(op)))
      best = &operand;
  }
  return best;
}

/// The region with the contraction in front; its operands come first.
static void merge(prog::FusedOp region, OpOperand &operand) {
  auto op = operand.get().getDefiningOp<nn::ContractOp>();
  unsigned number = operand.getOperandNumber();
  OpBuilder builder(region);
  SmallVector<Value> inputs{op.getLhs(), op.getRhs()};
  llvm::append_range(inputs, region.getInputs());
  inputs.erase(inputs.begin() + 2 + number);
  bool isKept = !op->hasOneUse();
  SmallVector<Type> types(region->getResultTypes());
  if (isKept)
    types.push_back(op.getType());
  auto fused = prog::FusedOp::create(builder, region.getLoc(), types, inputs);
  fused.getBody().takeBody(region.getBody());
  Block &body = fused.getBody().front();
  body.insertArgument(0u, op.getLhs().getType(), op.getLoc());
  body.insertArgument(1u, op.getRhs().getType(), op.getLoc());
  Value old = op.getResult();
  op->moveBefore(&body, body.begin());
  // What was noted for other passes must not make kernels differ.
  op->setDiscardableAttrs(builder.getDictionaryAttr({}));
  op->setOperands(body.getArguments().take_front(2));
  if (isKept)
    old.replaceAllUsesExcept(fused->getResults().back(), region);
  body.getArgument(2 + number).replaceAllUsesWith(old);
  body.eraseArgument(2 + number);
  if (isKept) {
    Operation *yield = body.getTerminator();
    yield->insertOperands(yield->getNumOperands(), old);
  }
  region->replaceAllUsesWith(
      fused->getResults().take_front(region->getNumResults()));
  region.erase();
}

void fuseContractions(Block &block, int64_t farthest) {
  for (auto region : llvm::make_early_inc_range(block.getOps<prog::FusedOp>()))
    if (OpOperand *operand = operandFor(region, farthest))
      merge(region, *operand);
}

} // namespace weft
