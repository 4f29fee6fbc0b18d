// SPDX-License-Identifier: Apache-2.0
//
// Lifetimes in program order.
#include "Temporaries.h"

using namespace mlir;

namespace weft {

static std::string describe(prog::BufferOp buffer, size_t number) {
  StringRef name = prog::nameOf(buffer.getLoc());
  return name.empty() ? "temporary " + std::to_string(number) : name.str();
}

Temporaries temporariesOf(func::FuncOp function) {
  Temporaries result;
  DenseMap<Operation *, size_t> numbers;
  for (auto [step, op] : llvm::enumerate(function.front())) {
    if (isa<prog::ViewOp>(op))
      continue;
    for (Value operand : op.getOperands()) {
      prog::BufferOp buffer = prog::bufferOf(operand);
      if (!buffer || buffer.getSlot())
        continue;
      auto [entry, isNew] = numbers.try_emplace(buffer, result.buffers.size());
      if (isNew) {
        result.buffers.push_back(buffer);
        result.lifetimes.push_back({describe(buffer, entry->second),
                                    prog::bytesOf(buffer.getType()),
                                    static_cast<int64_t>(step), 0});
      }
      result.lifetimes[entry->second].last = step;
    }
  }
  return result;
}

RankedTensorType localSlotType(pipe::SlotOp slot) {
  auto type = cast<RankedTensorType>(slot.getType());
  return dist::layoutOf(type) ? dist::localType(type) : type;
}

SlotPlan slotsOf(ModuleOp module, StringRef region) {
  SlotPlan result;
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    auto own = slot->getAttrOfType<StringAttr>(prog::kRegionAttrName);
    if (!own || own.getValue() != region)
      continue;
    int64_t offset =
        slot->getAttrOfType<IntegerAttr>(prog::kOffsetAttrName).getInt();
    int64_t bytes = prog::bytesOf(localSlotType(slot));
    result.lifetimes.push_back({slot.getSymName().str(), bytes, 0, 0});
    result.plan.offsets.push_back(offset);
    result.plan.bytes = std::max(result.plan.bytes, offset + bytes);
  }
  return result;
}

} // namespace weft
