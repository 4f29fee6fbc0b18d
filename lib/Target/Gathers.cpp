// SPDX-License-Identifier: Apache-2.0
//
// Which gathered values a program need not own: an all_gather of what only the
// update writes, parameters, into memory that is only read afterwards. The
// runtime may then say where the same can be read (`gathered` in Program.h),
// and where peers share memory nothing is copied.
//
// Not those that lie in slots, which other functions find by their offsets, and
// not those that go into another collective: peers know memory by its place in
// a region.
#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Target/Program.h"

using namespace mlir;

namespace weft {

namespace {

/// Uses of buffers in the functions of a program.
class Uses {
public:
  explicit Uses(ModuleOp module);

  bool areReadOnly(prog::CollectiveOp gather) const;

private:
  void add(Operation *op, bool isInUpdate);

  DenseSet<StringAttr> writtenSlots; // by others than updates
  DenseMap<Operation *, int64_t> numWriters, numTransfers; // by buffer
};

} // namespace

Uses::Uses(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    if (!function.isDeclaration() && !function->hasAttr(prog::kKernelAttrName))
      for (Operation &op : function.front())
        add(&op, pipe::isUpdate(function.getSymName()));
}

void Uses::add(Operation *op, bool isInUpdate) {
  for (Value value : prog::writtenBy(op)) {
    prog::BufferOp buffer = prog::bufferOf(value);
    ++numWriters[buffer];
    if (auto slot = buffer.getSlotAttr(); slot && !isInUpdate)
      writtenSlots.insert(slot.getAttr());
  }
  if (isa<prog::CollectiveOp>(op))
    for (Value value : op->getOperands())
      ++numTransfers[prog::bufferOf(value)];
}

bool Uses::areReadOnly(prog::CollectiveOp gather) const {
  bool keepsInputs = llvm::all_of(gather.getInputs(), [&](Value input) {
    prog::BufferOp buffer = prog::bufferOf(input);
    auto slot = buffer.getSlotAttr();
    return slot && buffer.getRegion() == "run" &&
           !writtenSlots.contains(slot.getAttr());
  });
  return keepsInputs && llvm::all_of(gather.getOutputs(), [&](Value output) {
           prog::BufferOp buffer = prog::bufferOf(output);
           return !buffer.getSlot() && numWriters.lookup(buffer) == 1 &&
                  numTransfers.lookup(buffer) == 1;
         });
}

DenseMap<Operation *, int64_t> gatheredBuffers(ModuleOp module) {
  Uses uses(module);
  DenseMap<Operation *, int64_t> result;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (pipe::isUpdate(function.getSymName()))
      continue;
    function.walk([&](prog::CollectiveOp op) {
      if (op.getKind() == "all_gather" && uses.areReadOnly(op))
        for (Value output : op.getOutputs())
          result.try_emplace(prog::bufferOf(output), result.size());
    });
  }
  return result;
}

} // namespace weft
