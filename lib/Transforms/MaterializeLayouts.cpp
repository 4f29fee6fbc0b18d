// SPDX-License-Identifier: Apache-2.0
//
// dist-materialize-layouts: decided layouts become types.
//
// In program order, for each op:
//   1. its assignment of axes to factors says which layouts it takes; an
//      operand that lies otherwise is redistributed, once per target;
//   2. where all operands of a linear set are partial, the op may work on
//      the parts: a sum of partial values is reduced after the sum;
//   3. a result that comes out otherwise than decided is redistributed, at
//      once or, if it is partial, at the point of fewest bytes on its linear
//      chain, the earliest on ties.
// Which layouts is decided before; this pass decides only where a partial
// value is resolved. Debug: print the IR after it; every disagreement is an
// explicit dist.redistribute.
#include "weft/Transforms/Decisions.h"
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "dist-materialize-layouts"

namespace weft {
#define GEN_PASS_DEF_MATERIALIZELAYOUTSPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {

class Materializer {
public:
  Materializer(dist::MeshAttr mesh, SymbolTable &symbols)
      : meshAttr(mesh), mesh(mesh.getMesh()), symbols(symbols),
        builder(mesh.getContext()) {}

  LogicalResult run(func::FuncOp function);

private:
  LogicalResult visit(Operation *op);
  void visitConstrain(dist::ConstrainOp op);
  void visitReturn(func::FuncOp function, func::ReturnOp op);
  void passPartials(Operation *op, const ShardingRule &rule,
                    Assignment &assignment);
  bool setPasses(ArrayRef<int> set, Operation *op, int axis);
  void settleResult(OpResult result, dist::LayoutAttr decided);
  Value redistribute(Value value, dist::LayoutAttr target);
  Value current(Value value) {
    auto it = currentOf.find(value);
    return it == currentOf.end() ? value : it->second;
  }
  const Layout &layoutNow(Value value) {
    return dist::layoutOf(current(value).getType()).getLayout();
  }
  dist::LayoutAttr attr(const Layout &layout) {
    return dist::LayoutAttr::get(meshAttr.getContext(), meshAttr, layout);
  }

  dist::MeshAttr meshAttr;
  const Mesh &mesh;
  SymbolTable &symbols;
  OpBuilder builder;
  /// The typed value that stands for a value of the annotated program.
  llvm::DenseMap<Value, Value> currentOf;
  /// Redistributed versions: each is made once.
  llvm::DenseMap<std::pair<Value, Attribute>, Value> versions;
};

} // namespace

static int64_t numBytes(Value value) {
  return dist::bytesOf(cast<RankedTensorType>(value.getType()));
}

/// The bytes that a constraint moves of a partial value: none if it asks for
/// the partial value itself.
static int64_t bytesAtWish(dist::ConstrainOp op) {
  for (const ConstraintEntry &entry :
       op.getConstraint().getConstraint().entries)
    if (entry.placement.kind == PlacementKind::Partial)
      return 0;
  return numBytes(op.getInput());
}

/// The result of `use`'s op if the op is linear in the used operand, alone or
/// with others, and has no other result; null if not.
static Value linearResult(OpOperand &use, bool &isJoint) {
  Operation *user = use.getOwner();
  auto ruled = dyn_cast<dist::ShardingRuleOpInterface>(user);
  if (!ruled || user->getNumResults() != 1)
    return {};
  ShardingRule rule = ruled.getShardingRule();
  for (const auto &set : rule.linear)
    if (llvm::is_contained(set, static_cast<int>(use.getOperandNumber()))) {
      isJoint = set.size() > 1;
      return user->getResult(0);
    }
  return {};
}

/// True if a partial `value` is better resolved behind its user.
///
///   user                                  resolved
///   a return                              behind: one move to the slot
///   a constraint                          behind: one move, or none
///   a sum of several values               behind, if all are partial
///   linear, fewer bytes come out          behind
///   linear, as many or more come out      as the chain goes on
///   anything else, or several users       at once
static bool isBetterResolvedLater(Value value) {
  int64_t here = numBytes(value);
  for (int depth = 0; depth < 8; ++depth) {
    if (!value.hasOneUse())
      return false;
    OpOperand &use = *value.use_begin();
    if (isa<func::ReturnOp>(use.getOwner()))
      return numBytes(value) <= here;
    if (auto wish = dyn_cast<dist::ConstrainOp>(use.getOwner()))
      return bytesAtWish(wish) <= here;
    bool isJoint = false;
    Value result = linearResult(use, isJoint);
    if (!result)
      return false;
    if (isJoint || numBytes(result) < here)
      return true;
    value = result;
  }
  return false;
}

Value Materializer::redistribute(Value value, dist::LayoutAttr target) {
  auto type = cast<RankedTensorType>(value.getType());
  if (dist::layoutOf(type) == target)
    return value;
  Value &version = versions[{value, target}];
  if (!version)
    version = dist::RedistributeOp::create(
        builder, value.getLoc(), dist::withLayout(type, target), value);
  return version;
}

/// True if all operands of `set` are partial over `axis` with kind sum and
/// the other operands do not lie along it.
bool Materializer::setPasses(ArrayRef<int> set, Operation *op, int axis) {
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    auto placement = layoutNow(operand).placementOf(axis);
    bool isPartial = placement && placement->kind == PlacementKind::Partial &&
                     placement->reduce == ReduceKind::Sum;
    bool isMember = llvm::is_contained(set, static_cast<int>(i));
    if (isMember ? !isPartial : placement.has_value())
      return false;
  }
  return true;
}

/// Lets the op work on partial values where its rule and the operands allow.
void Materializer::passPartials(Operation *op, const ShardingRule &rule,
                                Assignment &assignment) {
  for (int axis = 0; axis < mesh.numAtoms(); ++axis)
    for (auto [number, set] : llvm::enumerate(rule.linear)) {
      bool isFree = assignment.factorOf[axis] < 0 || set.size() > 1;
      if (!isFree || set.empty() || !setPasses(set, op, axis))
        continue;
      assignment.factorOf[axis] = -1;
      assignment.partialSet[axis] = number;
      break;
    }
}

/// Redistributes a result that does not lie as decided, unless that is better
/// done behind its user.
void Materializer::settleResult(OpResult result, dist::LayoutAttr decided) {
  auto produced = dist::layoutOf(result.getType());
  if (produced == decided)
    return;
  if (produced.getLayout().hasPartial() && isBetterResolvedLater(result))
    return;
  currentOf[result] = redistribute(result, decided);
}

LogicalResult Materializer::visit(Operation *op) {
  auto layouts = op->getAttrOfType<ArrayAttr>(kLayoutsAttrName);
  auto factors = op->getAttrOfType<DenseI64ArrayAttr>(kAssignmentAttrName);
  if (!layouts || !factors)
    return op->emitOpError("has no decided layout").attachNote()
           << "run dist-propagate-layouts first";
  ShardingRule rule = cast<dist::ShardingRuleOpInterface>(op).getShardingRule();
  Assignment assignment(mesh.numAtoms());
  for (auto [axis, factor] : llvm::enumerate(factors.asArrayRef()))
    assignment.factorOf[axis] = factor;
  passPartials(op, rule, assignment);

  builder.setInsertionPoint(op);
  for (OpOperand &operand : op->getOpOperands()) {
    Layout needed =
        operandLayout(mesh, rule, assignment, operand.getOperandNumber());
    operand.set(redistribute(current(operand.get()), attr(needed)));
  }
  SmallVector<dist::LayoutAttr> produced;
  for (int i = 0, e = op->getNumResults(); i < e; ++i)
    produced.push_back(attr(resultLayout(mesh, rule, assignment, i)));
  builder.setInsertionPointAfter(op);
  for (OpResult result : op->getResults())
    result.setType(dist::withLayout(cast<RankedTensorType>(result.getType()),
                                    produced[result.getResultNumber()]));
  for (OpResult result : op->getResults())
    settleResult(result,
                 cast<dist::LayoutAttr>(layouts[result.getResultNumber()]));
  op->removeAttr(kLayoutsAttrName);
  op->removeAttr(kAssignmentAttrName);
  return success();
}

void Materializer::visitConstrain(dist::ConstrainOp op) {
  auto decided = decidedLayout(op.getResult(), symbols);
  builder.setInsertionPoint(op);
  Value input = current(op.getInput());
  // Open axes of the wish: a partial value may stay as it is.
  if (op.getConstraint().getConstraint().entries.empty())
    decided = dist::layoutOf(input.getType());
  Value value = redistribute(input, decided);
  if (auto unit = op->getAttr("unit"); unit && value.getDefiningOp())
    value.getDefiningOp()->setAttr("unit", unit);
  currentOf[op.getResult()] = value;
}

void Materializer::visitReturn(func::FuncOp function, func::ReturnOp op) {
  builder.setInsertionPoint(op);
  for (OpOperand &operand : op->getOpOperands()) {
    auto name = pipe::slotOfResult(function, operand.getOperandNumber());
    auto slot = symbols.lookup<pipe::SlotOp>(name.getValue());
    operand.set(
        redistribute(current(operand.get()), dist::layoutOf(slot.getType())));
  }
}

/// True if some tensor of `function` carries a layout: it was done before.
static bool isTyped(func::FuncOp function) {
  auto hasLayout = [](Value value) {
    return bool(dist::layoutOf(value.getType()));
  };
  if (llvm::any_of(function.getArguments(), hasLayout))
    return true;
  return llvm::any_of(function.front(), [&](Operation &op) {
    return llvm::any_of(op.getResults(), hasLayout);
  });
}

LogicalResult Materializer::run(func::FuncOp function) {
  if (isTyped(function))
    return success();
  for (BlockArgument argument : function.getArguments())
    argument.setType(
        dist::withLayout(cast<RankedTensorType>(argument.getType()),
                         decidedLayout(argument, symbols)));
  SmallVector<Operation *> constrains;
  for (Operation &op : llvm::make_early_inc_range(function.front())) {
    if (auto constrain = dyn_cast<dist::ConstrainOp>(op)) {
      visitConstrain(constrain);
      constrains.push_back(&op);
    } else if (auto terminator = dyn_cast<func::ReturnOp>(op)) {
      visitReturn(function, terminator);
    } else if (!isa<dist::RedistributeOp>(op) && failed(visit(&op))) {
      return failure();
    }
  }
  for (Operation *op : llvm::reverse(constrains)) {
    op->dropAllUses();
    op->erase();
  }
  auto terminator = cast<func::ReturnOp>(function.front().getTerminator());
  function.setFunctionType(FunctionType::get(
      function.getContext(), function.front().getArgumentTypes(),
      terminator.getOperandTypes()));
  return success();
}

namespace {
struct MaterializeLayoutsPass
    : weft::impl::MaterializeLayoutsPassBase<MaterializeLayoutsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    for (auto function : module.getOps<func::FuncOp>())
      if (failed(Materializer(dist::meshOf(module), symbols).run(function)))
        return signalPassFailure();
  }
};
} // namespace
