// SPDX-License-Identifier: Apache-2.0
//
// Mutations of what one rank does.
#include "Mutations.h"
#include "weft/IR/NN/NN.h"
#include "weft/IR/Pipe/Pipe.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace weft::mutants {

static Operation *collectiveIn(Operation *start) {
  return &start->getRegion(0).front().front();
}

static dist::WaitOp waitOf(Operation *start) {
  return cast<dist::WaitOp>(*start->getResult(0).getUsers().begin());
}

/// The results are those of a rank that is alone, where it waited.
static void replaceByLocal(Operation *start) {
  dist::WaitOp wait = waitOf(start);
  OpBuilder builder(wait);
  for (auto [operand, result] :
       llvm::zip_equal(start->getOperands(), wait.getResults()))
    result.replaceAllUsesWith(
        alone(builder, wait.getLoc(), operand, result.getType()));
}

static std::string describe(Operation *op) {
  auto axes = op->getAttr("axes");
  auto kind = op->getAttrOfType<StringAttr>("kind");
  return llvm::formatv("{0}{1} over {2}", op->getName().stripDialect(),
                       kind ? " " + kind.str() : std::string(),
                       axes ? axesText(axes) : "nothing");
}

static void addAxes(MutationList &list, Operation *op, bool isStarted) {
  for (Attribute other : otherAxes(op))
    list.add(
        "wrong axes", describe(op) + " -> " + axesText(other),
        [=](Operation *clone) {
          (isStarted ? collectiveIn(clone) : clone)->setAttr("axes", other);
        });
}

static void addKind(MutationList &list, Operation *op) {
  auto kind = op->getAttrOfType<StringAttr>("kind");
  if (!kind)
    return;
  StringAttr other =
      StringAttr::get(op->getContext(), kind == "sum" ? "max" : "sum");
  list.add(
      "wrong reduction", describe(op) + " -> " + other.getValue(),
      [=](Operation *clone) { collectiveIn(clone)->setAttr("kind", other); });
}

static void addDims(MutationList &list, Operation *op) {
  for (StringRef name : {"dims", "split_dims", "concat_dims"}) {
    auto dims = op->getAttrOfType<DenseI64ArrayAttr>(name);
    if (!dims)
      continue;
    auto type = cast<RankedTensorType>(op->getOperand(0).getType());
    if (type.getRank() < 2)
      continue;
    SmallVector<int64_t> other(dims.asArrayRef());
    other[0] = (other[0] + 1) % type.getRank();
    auto attr = DenseI64ArrayAttr::get(op->getContext(), other);
    list.add("wrong dim", describe(op) + ", " + name, [=](Operation *clone) {
      collectiveIn(clone)->setAttr(name, attr);
    });
  }
}

/// Two operands of a bucket with the same types change places.
static void addSwap(MutationList &list, dist::StartOp start) {
  for (int i = 1, e = start->getNumOperands(); i < e; ++i) {
    bool isSame =
        start->getOperand(i).getType() == start->getOperand(0).getType() &&
        start->getResult(i).getType() == start->getResult(0).getType();
    if (!isSame || start->getOperand(i) == start->getOperand(0))
      continue;
    list.add("swap operands", describe(collectiveIn(start)),
             [=](Operation *clone) {
               Value first = clone->getOperand(0);
               clone->setOperand(0, clone->getOperand(i));
               clone->setOperand(i, first);
             });
    return;
  }
}

static void addStarted(MutationList &list, dist::StartOp start) {
  Operation *op = collectiveIn(start);
  list.add("drop collective", describe(op), [](Operation *clone) {
    replaceByLocal(clone);
    waitOf(clone)->erase();
    clone->erase();
  });
  list.add("drop wait", describe(op), [](Operation *clone) {
    replaceByLocal(clone);
    waitOf(clone)->erase();
  });
  list.add("second wait", describe(op), [](Operation *clone) {
    OpBuilder builder(waitOf(clone));
    builder.clone(*waitOf(clone));
  });
  addAxes(list, op, /*isStarted=*/true);
  addKind(list, op);
  addDims(list, op);
  addSwap(list, start);
}

/// " of operand 1 of contract": the use of a masked value; `op` is the mask or
/// the extent that it keeps.
static std::string describeUse(Operation *op) {
  Operation *mask = op;
  if (!isa<nn::MaskTailOp>(op) && !op->use_empty())
    mask = *op->user_begin();
  if (!isa<nn::MaskTailOp>(mask) || mask->use_empty())
    return "";
  OpOperand &use = *mask->use_begin();
  return llvm::formatv(" of operand {0} of {1}", use.getOperandNumber(),
                       use.getOwner()->getName().stripDialect());
}

/// Ops that make or use a part of a value without communication.
static void addLocal(MutationList &list, Operation *op) {
  if (isa<dist::ShardSliceOp, dist::MakePartialOp, nn::MaskTailOp>(op))
    list.add(
        isa<nn::MaskTailOp>(op) ? "drop mask" : "drop cut",
        op->getName().stripDialect() + describeUse(op), [](Operation *clone) {
          OpBuilder builder(clone);
          Value value = alone(builder, clone->getLoc(), clone->getOperand(0),
                              clone->getResult(0).getType());
          clone->getResult(0).replaceAllUsesWith(value);
          clone->erase();
        });
  if (isa<dist::ShardSliceOp, dist::MakePartialOp, dist::CoordinateOp,
          dist::ExtentOp>(op))
    addAxes(list, op, /*isStarted=*/false);
  StringRef number = isa<dist::CoordinateOp>(op) ? "scale"
                     : isa<dist::ExtentOp>(op)   ? "size"
                                                 : "";
  if (number.empty())
    return;
  auto old = op->getAttrOfType<IntegerAttr>(number);
  auto other = IntegerAttr::get(old.getType(), old.getInt() * 2);
  list.add("wrong offset", describe(op) + describeUse(op),
           [=](Operation *clone) { clone->setAttr(number, other); });
}

/// Each axis of a slot's layout is taken away, or put on dim 0.
static void addSlot(MutationList &list, pipe::SlotOp slot) {
  auto type = cast<RankedTensorType>(slot.getType());
  auto layout = dist::layoutOf(type);
  if (!layout)
    return;
  const Mesh &mesh = layout.getMesh().getMesh();
  for (int axis = 0; axis < mesh.numAtoms(); ++axis) {
    SmallVector<Placement> entries(layout.getLayout().entries());
    bool isPlaced = layout.getLayout().placementOf(axis).has_value();
    if (!isPlaced && type.getRank() == 0)
      continue;
    if (isPlaced)
      llvm::erase_if(entries, [&](auto &entry) { return entry.axis == axis; });
    else
      entries.push_back(Placement::shard(axis, 0));
    auto other = TypeAttr::get(dist::withLayout(
        type, dist::LayoutAttr::get(slot.getContext(), layout.getMesh(),
                                    Layout(mesh, entries))));
    list.add("wrong slot layout",
             "slot @" + slot.getSymName() + ", " + mesh.atomName(axis) +
                 (isPlaced ? " -> replicate" : " -> shard(0)"),
             [=](Operation *clone) {
               cast<pipe::SlotOp>(clone).setTypeAttr(other);
             });
  }
}

/// Two results of one type are written to each other's slots.
static void addResults(MutationList &list, func::FuncOp function) {
  for (int i = 1, e = function.getNumResults(); i < e; i += 5)
    for (int j = 0; j < i; ++j) {
      if (function.getResultTypes()[i] != function.getResultTypes()[j])
        continue;
      list.add("swap results",
               "results " + pipe::slotOfResult(function, j).getValue() +
                   " and " + pipe::slotOfResult(function, i).getValue() +
                   " of @" + function.getSymName(),
               [=](Operation *clone) {
                 Operation *end =
                     cast<func::FuncOp>(clone).front().getTerminator();
                 Value first = end->getOperand(j);
                 end->setOperand(j, end->getOperand(i));
                 end->setOperand(i, first);
               });
      break;
    }
}

std::vector<Mutation> scheduledMutations(ModuleOp module) {
  MutationList list;
  list.walk(module, [&](Operation *op) {
    if (auto start = dyn_cast<dist::StartOp>(op))
      addStarted(list, start);
    else if (auto slot = dyn_cast<pipe::SlotOp>(op))
      addSlot(list, slot);
    else if (auto function = dyn_cast<func::FuncOp>(op))
      addResults(list, function);
    else
      addLocal(list, op);
  });
  return list.take();
}

} // namespace weft::mutants
