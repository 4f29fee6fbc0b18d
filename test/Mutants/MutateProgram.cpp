// SPDX-License-Identifier: Apache-2.0
//
// Mutations of what the machine does.
#include "Mutations.h"
#include "weft/IR/Prog/Prog.h"

using namespace mlir;

namespace weft::mutants {

static void addBuffer(MutationList &list, prog::BufferOp buffer) {
  auto name = buffer.getSlot() ? "slot @" + buffer.getSlot()->str()
                               : std::string("temporary");
  int64_t offset = buffer.getOffset();
  auto add = [&](int64_t other) {
    list.add("wrong offset",
             name + ", " + llvm::Twine(offset) + " -> " + llvm::Twine(other),
             [=](Operation *clone) {
               cast<prog::BufferOp>(clone).setOffset(other);
             });
  };
  add(offset + 64);
  if (offset >= 64)
    add(offset - 64);
  // In the place of the buffer before.
  for (Operation *op = buffer->getPrevNode(); op; op = op->getPrevNode())
    if (auto other = dyn_cast<prog::BufferOp>(op);
        other && other.getRegion() == buffer.getRegion() &&
        other.getOffset() != buffer.getOffset()) {
      add(other.getOffset());
      break;
    }
}

static void addCollective(MutationList &list, prog::CollectiveOp op) {
  std::string what = op.getKind().str() + " over " + axesText(op.getAxes());
  list.add("drop collective", what, [](Operation *clone) {
    auto id = cast<prog::CollectiveOp>(clone).getId();
    for (Operation *next = clone->getNextNode(); next;
         next = next->getNextNode())
      if (auto wait = dyn_cast<prog::WaitOp>(next);
          wait && wait.getId() == id) {
        wait->erase();
        break;
      }
    clone->erase();
  });
  for (Attribute other : otherAxes(op))
    list.add("wrong axes", what + " -> " + axesText(other),
             [other](Operation *clone) { clone->setAttr("axes", other); });
  StringRef reduce = op.getReduce() == "sum" ? "max" : "sum";
  if (op.getKind() == "all_reduce" || op.getKind() == "reduce_scatter")
    list.add("wrong reduction", what + " -> " + reduce,
             [reduce](Operation *clone) {
               cast<prog::CollectiveOp>(clone).setReduce(reduce);
             });
  if (op->getNextNode() && !isa<prog::BufferOp>(op->getNextNode()))
    list.add("late collective", what,
             [](Operation *clone) { clone->moveAfter(clone->getNextNode()); });
}

static void addWait(MutationList &list, prog::WaitOp op) {
  std::string what = "call " + std::to_string(op.getId());
  list.add("drop wait", what, [](Operation *clone) { clone->erase(); });
  list.add("second wait", what, [](Operation *clone) {
    OpBuilder builder(clone);
    builder.clone(*clone);
  });
  list.add("late wait", what, [](Operation *clone) {
    clone->moveBefore(&clone->getBlock()->back());
  });
}

/// ` to slot @loss`, for each slot that an op writes.
static std::string slotsOf(ValueRange outputs) {
  std::string text;
  for (Value output : outputs)
    if (auto slot = prog::bufferOf(output).getSlot())
      text += (" to slot @" + *slot).str();
  return text;
}

static void addLaunch(MutationList &list, prog::LaunchOp op) {
  list.add("drop launch", op.getKernel() + slotsOf(op.getOutputs()),
           [](Operation *clone) { clone->erase(); });
  if (op.getInputs().size() > 1 &&
      op.getInputs()[0].getType() == op.getInputs()[1].getType() &&
      op.getInputs()[0] != op.getInputs()[1])
    list.add("swap operands", op.getKernel(), [](Operation *clone) {
      Value first = clone->getOperand(0);
      clone->setOperand(0, clone->getOperand(1));
      clone->setOperand(1, first);
    });
}

std::vector<Mutation> programMutations(ModuleOp module) {
  MutationList list;
  list.walk(module, [&](Operation *op) {
    if (auto buffer = dyn_cast<prog::BufferOp>(op))
      addBuffer(list, buffer);
    else if (auto collective = dyn_cast<prog::CollectiveOp>(op))
      addCollective(list, collective);
    else if (auto wait = dyn_cast<prog::WaitOp>(op))
      addWait(list, wait);
    else if (auto launch = dyn_cast<prog::LaunchOp>(op))
      addLaunch(list, launch);
    else if (auto copy = dyn_cast<prog::CopyOp>(op))
      list.add("drop copy", "copy" + slotsOf(copy.getTarget()),
               [](Operation *clone) { clone->erase(); });
    else if (auto coordinate = dyn_cast<prog::CoordinateOp>(op))
      list.add("wrong coordinate", coordinate.getWhat(), [](Operation *clone) {
        auto changed = cast<prog::CoordinateOp>(clone);
        changed.setValue(changed.getValue() * 2);
      });
  });
  return list.take();
}

} // namespace weft::mutants
