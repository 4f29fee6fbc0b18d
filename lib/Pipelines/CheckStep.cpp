// SPDX-License-Identifier: Apache-2.0
//
// What a step does with its slots, in the order of the schedule table. The
// step repeats, so what the last function writes the first may read.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/Pipelines/Check.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace weft {

namespace {
/// One function's use of a slot; it reads before it writes.
struct Access {
  func::FuncOp function;
  bool isRead = false, isWritten = false;
  bool isConstant = false; // what is written, so that it is no loss
};
} // namespace

using Accesses = llvm::MapVector<Operation *, SmallVector<Access, 4>>;

static Access &accessBy(Accesses &accesses, Operation *slot,
                        func::FuncOp function) {
  auto &list = accesses[slot];
  if (list.empty() || list.back().function != function || list.back().isWritten)
    list.push_back({function});
  return list.back();
}

static Accesses accessesOfStep(ModuleOp module) {
  SymbolTable symbols(module);
  Accesses accesses;
  auto slotOf = [&](FlatSymbolRefAttr name) {
    return name ? symbols.lookup<pipe::SlotOp>(name.getValue())
                : pipe::SlotOp();
  };
  for (auto table : module.getOps<pipe::ScheduleOp>())
    for (auto entry : table.getEntries().getAsRange<DictionaryAttr>()) {
      auto function = symbols.lookup<func::FuncOp>(
          entry.getAs<FlatSymbolRefAttr>("call").getValue());
      for (BlockArgument argument : function.getArguments())
        if (auto slot =
                slotOf(pipe::slotOfArgument(function, argument.getArgNumber()));
            slot && !argument.use_empty())
          accessBy(accesses, slot, function).isRead = true;
      for (int i = 0, e = function.getNumResults(); i < e; ++i)
        if (auto slot = slotOf(pipe::slotOfResult(function, i))) {
          Access &access = accessBy(accesses, slot, function);
          access.isWritten = true;
          Value returned = function.front().getTerminator()->getOperand(i);
          access.isConstant = matchPattern(returned, m_Constant());
        }
    }
  return accesses;
}

/// Finds a value of the slot that is written and, before anything reads it,
/// written over. Results that only the runtime reads are written once.
static bool proveAccesses(pipe::SlotOp slot, ArrayRef<Access> list) {
  auto isRead = [](const Access &access) { return access.isRead; };
  int64_t numWrites = llvm::count_if(
      list, [](const Access &access) { return access.isWritten; });
  bool isState = slot.getKind() == "parameter" || slot.getKind() == "optimizer";
  bool isUpdated = isState && numWrites > 0;
  bool isResult = numWrites > 0 && llvm::none_of(list, isRead);
  if ((isUpdated || isResult) && numWrites != 1) {
    slot.emitOpError("is written ") << numWrites << " times in a step";
    return false;
  }
  if (isResult)
    return true;
  const Access *last = nullptr; // whose value nothing has read yet
  for (int round = 0; round < 2; ++round)
    for (const Access &access : list) {
      if (access.isRead)
        last = nullptr;
      if (!access.isWritten)
        continue;
      if (last) {
        slot.emitOpError("loses what @")
            << func::FuncOp(last->function).getSymName() << " writes: @"
            << func::FuncOp(access.function).getSymName()
            << " writes over it before anything reads it";
        return false;
      }
      last = access.isConstant ? nullptr : &access;
    }
  return true;
}

Proof proveStep(ModuleOp module) {
  Accesses accesses = accessesOfStep(module);
  bool holds = true;
  int64_t numWritten = 0;
  for (auto &[op, list] : accesses) {
    numWritten += llvm::any_of(
        list, [](const Access &access) { return access.isWritten; });
    holds &= proveAccesses(cast<pipe::SlotOp>(op), list);
  }
  return {std::to_string(numWritten) +
              " slots, of which a step loses no value and updates each "
              "parameter and state once",
          holds};
}

} // namespace weft
