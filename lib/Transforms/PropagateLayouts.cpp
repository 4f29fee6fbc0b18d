// SPDX-License-Identifier: Apache-2.0
//
// dist-propagate-layouts: decides a layout for every value.
//
//   1. Slots: the constraint on a slot is its layout; unlisted axes are
//      replicated. Arguments are closed to anything else; results wish it.
//   2. Seeds: constraints on values; what is decided already is fixed.
//   3. Fixed point: sweeps in program order, forward then backward, over the
//      rules of the ops (weft/Layout/Propagation.h) until nothing changes.
//   4. Write: the layouts of results and the assignment of each op.
//
// Wishes only grow, so the fixed point exists; its order is program order.
// Debug: --debug-only=dist-propagate-layouts prints every sweep.
#include "weft/Layout/Propagation.h"
#include "weft/Transforms/Decisions.h"
#include "weft/Transforms/Passes.h"
#include "weft/Transforms/Units.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "dist-propagate-layouts"

namespace weft {
#define GEN_PASS_DEF_PROPAGATELAYOUTSPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {

/// Where an axis on a value came from; a higher priority wins.
enum Priority { Wished = 1, BackwardOp, ForwardOp, Style, Slot, Explicit };

/// One op with a rule: its tensors are variables, operands before results.
struct Node {
  Operation *op;
  ShardingRule rule;
  SmallVector<Value> tensors;
  SmallVector<int64_t> bytes;
  Priority priority;
};

/// The wishes of all values of one function.
class Propagation {
public:
  Propagation(dist::MeshAttr mesh, SymbolTable &symbols)
      : meshAttr(mesh), mesh(mesh.getMesh()), symbols(symbols) {}

  LogicalResult run(func::FuncOp function);

private:
  void seedArguments(func::FuncOp function);
  LogicalResult collect(func::FuncOp function);
  LogicalResult seedConstrain(dist::ConstrainOp op);
  bool visit(Node &node);
  bool visitConstrain(dist::ConstrainOp op);
  bool visitReturn(func::ReturnOp op);
  bool sweep(ArrayRef<Operation *> order);
  void writeLayouts(Operation *op);
  void write();
  TensorWishes &wishesOf(Value value) {
    auto [it, isNew] = wishes.try_emplace(value);
    if (isNew)
      it->second = openWishes(mesh);
    return it->second;
  }
  void fix(Value value, const Layout &layout, Priority priority);

  dist::MeshAttr meshAttr;
  const Mesh &mesh;
  SymbolTable &symbols;
  llvm::DenseMap<Value, TensorWishes> wishes;
  llvm::DenseMap<Operation *, Node> nodes;
  /// Resolved placements of each constrain op.
  llvm::DenseMap<Operation *, SmallVector<Placement, 4>> constraints;
  SmallVector<Operation *> order;
};

} // namespace

/// Makes a value take exactly `layout`; partial axes are closed too.
void Propagation::fix(Value value, const Layout &layout, Priority priority) {
  TensorWishes &tensor = wishesOf(value);
  for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
    auto placement = layout.placementOf(axis);
    bool isShard = placement && placement->kind == PlacementKind::Shard;
    tensor[axis] = {isShard ? placement->dim : -1, priority, true};
  }
}

void Propagation::seedArguments(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments())
    if (auto layout = decidedLayout(argument, symbols))
      fix(argument, layout.getLayout(), Priority::Slot);
}

LogicalResult Propagation::seedConstrain(dist::ConstrainOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  auto resolved = resolveConstraint(mesh, op.getConstraint().getConstraint(),
                                    type.getRank());
  if (!resolved.message.empty())
    return op.emitOpError() << resolved.message;
  Priority priority =
      op->hasAttr(kStyleAttrName) ? Priority::Style : Priority::Explicit;
  TensorWishes &tensor = wishesOf(op.getResult());
  for (const Placement &placement : resolved.placements) {
    bool isShard = placement.kind == PlacementKind::Shard;
    tensor[placement.axis] = {isShard ? placement.dim : -1, priority, true};
  }
  constraints[op] = resolved.placements;
  return success();
}

LogicalResult Propagation::collect(func::FuncOp function) {
  llvm::DenseSet<Operation *> backward = backwardOps(function);
  for (Operation &op : function.front().without_terminator()) {
    order.push_back(&op);
    if (auto decided = op.getAttrOfType<ArrayAttr>(kLayoutsAttrName)) {
      for (auto [result, layout] :
           llvm::zip(op.getResults(), decided.getAsRange<dist::LayoutAttr>()))
        fix(result, layout.getLayout(), Priority::Explicit);
      // A layout given by hand comes without the assignment that makes it.
      if (!isa<dist::ConstrainOp>(op) && op.hasAttr(kAssignmentAttrName))
        continue;
    }
    if (auto constrain = dyn_cast<dist::ConstrainOp>(op)) {
      if (failed(seedConstrain(constrain)))
        return failure();
      continue;
    }
    auto rule = dyn_cast<dist::ShardingRuleOpInterface>(op);
    if (!rule)
      return op.emitOpError("has no sharding rule, so it gets no layout");
    Node node{&op,
              rule.getShardingRule(),
              {},
              {},
              backward.contains(&op) ? BackwardOp : ForwardOp};
    node.tensors.append(op.operand_begin(), op.operand_end());
    node.tensors.append(op.result_begin(), op.result_end());
    for (Value value : node.tensors)
      node.bytes.push_back(
          dist::bytesOf(cast<RankedTensorType>(value.getType())));
    nodes.try_emplace(&op, std::move(node));
  }
  return success();
}

/// Moves axes along the rule of one op. What arrives carries the priority of
/// its source, but at most that of the op it came through.
bool Propagation::visit(Node &node) {
  SmallVector<TensorWishes> tensors;
  for (Value value : node.tensors)
    tensors.push_back(wishesOf(value));
  SmallVector<TensorWishes> before = tensors;
  if (!propagateThroughRule(mesh, node.rule, node.bytes, tensors))
    return false;
  bool isChanged = false;
  for (auto [value, old, now] : llvm::zip(node.tensors, before, tensors)) {
    TensorWishes &tensor = wishesOf(value);
    for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
      if (old[axis] == now[axis])
        continue;
      Wish wish = now[axis];
      wish.priority = std::min<int>(wish.priority, node.priority);
      bool isNews =
          tensor[axis].dim < 0 || (wish.dim != tensor[axis].dim &&
                                   wish.priority > tensor[axis].priority);
      if (!isNews || tensor[axis].closed)
        continue;
      tensor[axis] = wish;
      isChanged = true;
    }
  }
  return isChanged;
}

/// True unless the wish keeps `axis` from its operand.
static bool flowsBack(dist::ConstrainOp op, const Mesh &mesh, int axis) {
  auto names = op->getAttrOfType<ArrayAttr>(kOneWayAttrName);
  StringRef name = mesh.axes()[mesh.axisOfAtom(axis)].name;
  return !names || llvm::none_of(names.getAsRange<StringAttr>(),
                                 [&](StringAttr own) { return own == name; });
}

/// Open axes of a constrained value follow its operand; shard entries flow
/// back to the operand at the lowest priority.
bool Propagation::visitConstrain(dist::ConstrainOp op) {
  // A copy, since asking for the result's wishes may move them.
  TensorWishes operand = wishesOf(op.getInput());
  TensorWishes &result = wishesOf(op.getResult());
  bool isChanged = false;
  for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
    Wish &to = result[axis];
    if (!to.closed && operand[axis].dim >= 0 && to.dim < 0) {
      to.dim = operand[axis].dim;
      to.priority = operand[axis].priority;
      isChanged = true;
    }
    Wish &from = operand[axis];
    if (!from.closed && from.dim < 0 && to.dim >= 0 &&
        flowsBack(op, mesh, axis)) {
      from = {to.dim, Wished, false};
      isChanged = true;
    }
  }
  wishesOf(op.getInput()) = operand;
  return isChanged;
}

/// Shard entries of a result's slot flow back at the lowest priority.
bool Propagation::visitReturn(func::ReturnOp op) {
  auto function = op->getParentOfType<func::FuncOp>();
  bool isChanged = false;
  for (OpOperand &operand : op->getOpOperands()) {
    auto name = pipe::slotOfResult(function, operand.getOperandNumber());
    auto slot =
        name ? symbols.lookup<pipe::SlotOp>(name.getValue()) : pipe::SlotOp();
    if (!slot)
      continue;
    TensorWishes &tensor = wishesOf(operand.get());
    for (const Placement &placement :
         dist::layoutOf(slot.getType()).getLayout().entries()) {
      Wish &wish = tensor[placement.axis];
      if (placement.kind != PlacementKind::Shard || wish.closed ||
          wish.dim >= 0)
        continue;
      wish = {placement.dim, Wished, false};
      isChanged = true;
    }
  }
  return isChanged;
}

bool Propagation::sweep(ArrayRef<Operation *> ops) {
  bool isChanged = false;
  for (Operation *op : ops) {
    if (auto constrain = dyn_cast<dist::ConstrainOp>(op))
      isChanged |= visitConstrain(constrain);
    else if (auto terminator = dyn_cast<func::ReturnOp>(op))
      isChanged |= visitReturn(terminator);
    else if (auto it = nodes.find(op); it != nodes.end())
      isChanged |= visit(it->second);
  }
  return isChanged;
}

void Propagation::writeLayouts(Operation *op) {
  SmallVector<Attribute> layouts;
  for (Value result : op->getResults()) {
    Layout layout = weft::layoutOf(mesh, wishesOf(result));
    SmallVector<Placement> entries(layout.entries());
    for (const Placement &placement : constraints.lookup(op))
      if (placement.kind == PlacementKind::Partial)
        entries.push_back(placement);
    layouts.push_back(dist::LayoutAttr::get(op->getContext(), meshAttr,
                                            Layout(mesh, entries)));
  }
  op->setAttr(kLayoutsAttrName, ArrayAttr::get(op->getContext(), layouts));
}

/// Writes layouts and assignments as attributes.
void Propagation::write() {
  Builder builder(meshAttr.getContext());
  for (Operation *op : order) {
    if (!op->hasAttr(kLayoutsAttrName))
      writeLayouts(op);
    auto it = nodes.find(op);
    if (it == nodes.end())
      continue;
    SmallVector<TensorWishes> tensors;
    for (Value value : it->second.tensors)
      tensors.push_back(wishesOf(value));
    Assignment assignment =
        chooseAssignment(mesh, it->second.rule, it->second.bytes, tensors);
    auto factors = llvm::to_vector_of<int64_t>(assignment.factorOf);
    op->setAttr(kAssignmentAttrName, builder.getDenseI64ArrayAttr(factors));
  }
}

LogicalResult Propagation::run(func::FuncOp function) {
  seedArguments(function);
  if (failed(collect(function)))
    return failure();
  SmallVector<Operation *> forward(order);
  forward.push_back(function.front().getTerminator());
  SmallVector<Operation *> reversed(llvm::reverse(forward));
  int numSweeps = 0;
  while (true) {
    bool isChanged = sweep(forward);
    isChanged |= sweep(reversed);
    LDBG() << function.getName() << ": sweep " << ++numSweeps;
    if (!isChanged)
      break;
  }
  write();
  return success();
}

/// Gives every slot's type its layout.
static LogicalResult layOutSlots(ModuleOp module, dist::MeshAttr mesh) {
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    auto type = cast<RankedTensorType>(slot.getType());
    if (dist::layoutOf(type))
      continue;
    SlotLayout decided = layoutOfSlot(mesh.getMesh(), slot);
    if (!decided.message.empty())
      return slot.emitOpError() << decided.message;
    auto layout =
        dist::LayoutAttr::get(module.getContext(), mesh, decided.layout);
    slot.setTypeAttr(TypeAttr::get(dist::withLayout(type, layout)));
  }
  return success();
}

/// Constants are cheap: each use gets its own, free to take any layout.
static void cloneConstants(func::FuncOp function) {
  OpBuilder builder(function.getContext());
  for (auto constant :
       llvm::make_early_inc_range(function.getOps<nn::ConstantOp>()))
    for (OpOperand &use : llvm::make_early_inc_range(constant->getUses())) {
      if (constant->hasOneUse())
        break;
      builder.setInsertionPoint(constant);
      use.set(builder.clone(*constant)->getResult(0));
    }
}

namespace {
struct PropagateLayoutsPass
    : weft::impl::PropagateLayoutsPassBase<PropagateLayoutsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    dist::MeshAttr mesh = dist::meshOf(module);
    if (failed(layOutSlots(module, mesh)))
      return signalPassFailure();
    SymbolTable symbols(module);
    for (auto function : module.getOps<func::FuncOp>()) {
      cloneConstants(function);
      if (failed(Propagation(mesh, symbols).run(function)))
        return signalPassFailure();
    }
  }
};
} // namespace
