// SPDX-License-Identifier: Apache-2.0
//
// nn-apply-precision: narrow types in the model, before it is differentiated.
//
//   1. Parameters are cast in front of their first use, so in front of the
//      constraint that gathers them: narrow numbers cross the wire.
//   2. In program order, each op takes operands by its policy (see `policyOf`)
//      and says the types of its results. A value has one type; casts are
//      made where it is first needed in another, and shared.
//   3. Trainable parameters note the type in which gradients are reduced.
//
// Backward follows: the adjoint of a cast is a cast. Debug: run it alone in
// weft-opt; every change of type is an explicit nn.cast.
#include "weft/IR/NN/Expressions.h"
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "nn-apply-precision"

namespace weft {
#define GEN_PASS_DEF_APPLYPRECISIONPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {

/// How an op takes floating operands, and the type of its first result.
enum class Policy {
  Narrow,     ///< narrow; its kernel sums in f32
  LikeFirst,  ///< the others like the first; f32 inside
  AsTheyCome, ///< any type; results stay in f32
  Wide,       ///< f32
  Widest      ///< the widest type among them
};

class PrecisionRewriter {
public:
  PrecisionRewriter(func::FuncOp function, Type narrow)
      : function(function), narrow(narrow),
        wide(Float32Type::get(narrow.getContext())) {}

  void run();

private:
  void castParameter(BlockArgument parameter);
  void visit(Operation *op);
  void visitReturn(func::ReturnOp op);
  Type operandType(Operation *op, Policy policy);
  Type widestType(Operation *op);
  Value inType(Value value, Type type, Operation *user);
  Value makeInType(Value value, Type type, Operation *user);

  func::FuncOp function;
  Type narrow, wide;
  llvm::DenseMap<std::pair<Value, Type>, Value> versions;
};

} // namespace

//===----------------------------------------------------------------------===//
// Policies
//===----------------------------------------------------------------------===//

static Policy policyOf(Operation *op) {
  // What costs time and memory: products of many numbers, and their operands.
  if (isa<nn::ContractOp, nn::AttentionOp, nn::EmbeddingOp>(op))
    return Policy::Narrow;
  if (isa<nn::RmsNormOp, nn::RotaryOp>(op))
    return Policy::LikeFirst;
  if (isa<nn::CrossEntropyOp, nn::CastOp>(op))
    return Policy::AsTheyCome;
  // Chains of products and functions keep f32 in between, as they do in the
  // registers of one fused loop; it ends at the next narrow op.
  if (isa<nn::MulOp, nn::DivOp, nn::PowOp, nn::SoftmaxOp, nn::ExpOp, nn::LogOp,
          nn::Expm1Op, nn::Log1pOp, nn::SqrtOp, nn::RsqrtOp, nn::SinOp,
          nn::CosOp, nn::TanhOp, nn::ErfOp, nn::SigmoidOp, nn::SiluOp,
          nn::GeluOp, nn::GeluTanhOp>(op))
    return Policy::Wide;
  if (auto reduce = dyn_cast<nn::ReduceOp>(op))
    if (reduce.getKind() == nn::ReduceOpKind::sum ||
        reduce.getKind() == nn::ReduceOpKind::product)
      return Policy::Wide;
  return Policy::Widest;
}

static Type elementTypeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// True if `type` has the number exactly.
static bool holds(Type type, double value) {
  APFloat number(value);
  bool losesBits = false;
  number.convert(cast<FloatType>(type).getFloatSemantics(),
                 APFloat::rmNearestTiesToEven, &losesBits);
  return !losesBits;
}

Type PrecisionRewriter::widestType(Operation *op) {
  // Only what narrow ops read: a gather moves narrow numbers.
  if (isa<dist::ConstrainOp>(op) &&
      llvm::all_of(op->getUsers(), [](Operation *user) {
        return policyOf(user) == Policy::Narrow;
      }))
    return narrow;
  bool isKnown = false;
  for (Value operand : op->getOperands()) {
    Type type = elementTypeOf(operand);
    // A constant takes the type of what it is combined with.
    std::optional<double> constant = nn::splatElement(operand);
    bool isLight = constant && type == wide && holds(narrow, *constant);
    if (type == wide && !isLight)
      return wide;
    isKnown |= type == narrow;
  }
  return isKnown ? narrow : wide;
}

Type PrecisionRewriter::operandType(Operation *op, Policy policy) {
  switch (policy) {
  case Policy::Narrow:
    return narrow;
  case Policy::LikeFirst:
    return elementTypeOf(op->getOperand(0));
  case Policy::AsTheyCome:
    return {};
  case Policy::Wide:
    return wide;
  case Policy::Widest:
    return widestType(op);
  }
  llvm_unreachable("covered switch");
}

//===----------------------------------------------------------------------===//
// Rewriting
//===----------------------------------------------------------------------===//

/// `value` in `type`, in front of `user`; only f32 and the narrow type change.
Value PrecisionRewriter::inType(Value value, Type type, Operation *user) {
  Type own = elementTypeOf(value);
  if (own == type || (own != wide && own != narrow))
    return value;
  if (Value known = versions.lookup({value, type}))
    return known;
  Value made = makeInType(value, type, user);
  versions[{value, type}] = made;
  return made;
}

Value PrecisionRewriter::makeInType(Value value, Type type, Operation *user) {
  OpBuilder builder(user);
  if (std::optional<double> constant = nn::splatElement(value))
    return nn::splat(builder, value.getLoc(), nn::plainType(value).clone(type),
                     *constant);
  // What is repeated is cast before, so that its gradient is summed in f32.
  if (auto broadcast = value.getDefiningOp<nn::BroadcastOp>()) {
    Value input = inType(broadcast.getInput(), type, user);
    return nn::BroadcastOp::create(builder, broadcast.getLoc(),
                                   nn::plainType(value).clone(type), input,
                                   broadcast.getDims());
  }
  nn::Expressions e(builder, nn::derivedLoc(value.getLoc(), "cast"));
  return e.cast(value, type);
}

void PrecisionRewriter::visit(Operation *op) {
  Policy policy = policyOf(op);
  Type type = operandType(op, policy);
  bool isFloating = llvm::any_of(op->getOperands(), [&](Value operand) {
    return elementTypeOf(operand) == wide || elementTypeOf(operand) == narrow;
  });
  if (!type || !isFloating)
    return;
  for (OpOperand &operand : op->getOpOperands())
    operand.set(inType(operand.get(), type, op));
  // Further results are statistics, in f32.
  Value result = op->getResult(0);
  if (elementTypeOf(result) == wide)
    result.setType(nn::plainType(result).clone(type));
}

void PrecisionRewriter::visitReturn(func::ReturnOp op) {
  for (auto [operand, type] :
       llvm::zip(op->getOpOperands(), function.getResultTypes()))
    operand.set(inType(operand.get(),
                       cast<RankedTensorType>(type).getElementType(), op));
}

void PrecisionRewriter::castParameter(BlockArgument parameter) {
  auto isNarrowed = [&](Operation *user) {
    return isa<nn::CastOp>(user) && elementTypeOf(user->getResult(0)) == narrow;
  };
  // Also where it was done before.
  if (elementTypeOf(parameter) != wide ||
      llvm::all_of(parameter.getUsers(), isNarrowed))
    return;
  Operation *first = nullptr;
  for (Operation *user : parameter.getUsers())
    if (!first || user->isBeforeInBlock(first))
      first = user;
  OpBuilder builder(first);
  nn::Expressions e(builder, nn::derivedLoc(parameter.getLoc(), "cast"));
  Value cast = e.cast(parameter, narrow);
  parameter.replaceAllUsesExcept(cast, cast.getDefiningOp());
}

void PrecisionRewriter::run() {
  SymbolTable symbols(function->getParentOfType<ModuleOp>());
  for (BlockArgument argument : function.getArguments()) {
    auto name = pipe::slotOfArgument(function, argument.getArgNumber());
    auto slot =
        name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
    if (slot && slot.getKind() == "parameter")
      castParameter(argument);
  }
  SmallVector<Operation *> ops;
  for (Operation &op : function.front().without_terminator())
    ops.push_back(&op);
  for (Operation *op : ops)
    visit(op);
  visitReturn(cast<func::ReturnOp>(function.front().getTerminator()));
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct ApplyPrecisionPass
    : weft::impl::ApplyPrecisionPassBase<ApplyPrecisionPass> {
  using ApplyPrecisionPassBase::ApplyPrecisionPassBase;

  void runOnOperation() override {
    FailureOr<Type> computeType = read("compute", compute);
    FailureOr<Type> reduceType = read("reduce", reduce);
    if (failed(computeType) || failed(reduceType))
      return signalPassFailure();
    auto model = getOperation().lookupSymbol<func::FuncOp>("model");
    if (model && !computeType->isF32())
      PrecisionRewriter(model, *computeType).run();
    // What is written by hand on a slot stays; f32 needs no note.
    if (!reduceType->isF32())
      for (auto slot : getOperation().getOps<pipe::SlotOp>())
        if (slot.getTrainable() && !slot.getReduceTypeAttr())
          slot.setReduceTypeAttr(TypeAttr::get(*reduceType));
  }

private:
  FailureOr<Type> read(StringRef option, StringRef text) {
    Builder builder(&getContext());
    if (text == "f32")
      return Type(builder.getF32Type());
    if (text == "bf16")
      return Type(builder.getBF16Type());
    return getOperation().emitError("type of option ")
           << option << " is unknown: got \"" << text
           << "\", expected \"f32\" or \"bf16\"";
  }
};
} // namespace
