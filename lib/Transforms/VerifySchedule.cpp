// SPDX-License-Identifier: Apache-2.0
//
// pipe-verify-schedule: walks the table of one step and proves that every
// microbatch runs once through each function of its kind and that every
// parameter is updated exactly once.
#include "weft/Transforms/Passes.h"
#include <map>
#include <set>

#define DEBUG_TYPE "pipe-verify-schedule"

namespace weft {
#define GEN_PASS_DEF_VERIFYSCHEDULEPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {
/// What has happened while walking the table.
struct Walk {
  std::map<std::string, std::set<int64_t>> microbatches;
  std::map<std::string, int> updates; // writes of a parameter's slot
};
} // namespace

static LogicalResult verifyEntry(pipe::ScheduleOp table, DictionaryAttr entry,
                                 SymbolTable &symbols, Walk &walk) {
  StringRef name = entry.getAs<FlatSymbolRefAttr>("call").getValue();
  if (auto microbatch = entry.getAs<IntegerAttr>("microbatch")) {
    if (!walk.microbatches[name.str()].insert(microbatch.getInt()).second)
      return table.emitError("microbatch ")
             << microbatch.getInt() << " runs twice through @" << name;
  }
  auto function = symbols.lookup<func::FuncOp>(name);
  for (int i = 0, e = function.getNumResults(); i < e; ++i) {
    auto slot = symbols.lookup<pipe::SlotOp>(
        pipe::slotOfResult(function, i).getValue());
    if (slot.getKind() == "parameter")
      ++walk.updates[slot.getSymName().str()];
  }
  return success();
}

static LogicalResult verifyTable(pipe::ScheduleOp table, SymbolTable &symbols) {
  Walk walk;
  for (auto slot : table->getParentOfType<ModuleOp>().getOps<pipe::SlotOp>())
    if (slot.getKind() == "gradient" && slot.getOf())
      walk.updates[slot.getOf()->str()] = 0;
  for (auto entry : table.getEntries().getAsRange<DictionaryAttr>())
    if (failed(verifyEntry(table, entry, symbols, walk)))
      return failure();
  size_t expected = 0;
  for (const auto &[name, seen] : walk.microbatches)
    expected = std::max(expected, seen.size());
  for (const auto &[name, seen] : walk.microbatches)
    if (seen.size() != expected || *seen.rbegin() + 1 != (int64_t)expected)
      return table.emitError("@")
             << name << " does not run every microbatch: got " << seen.size()
             << ", expected " << expected;
  for (const auto &[name, count] : walk.updates)
    if (count != 1)
      return table.emitError("parameter \"")
             << name << "\" is updated " << count << " times in a step";
  return success();
}

namespace {
struct VerifySchedulePass
    : weft::impl::VerifySchedulePassBase<VerifySchedulePass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    auto tables = llvm::to_vector(module.getOps<pipe::ScheduleOp>());
    markAllAnalysesPreserved();
    if (tables.size() != 1) {
      module.emitError("module needs one schedule: got ") << tables.size();
      return signalPassFailure();
    }
    if (failed(verifyTable(tables.front(), symbols)))
      signalPassFailure();
  }
};
} // namespace
