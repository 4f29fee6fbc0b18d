// SPDX-License-Identifier: Apache-2.0
//
// prog-plan-memory: offsets of slots and temporaries.
//
//   1. Slots lie one after the other in their regions, each on a line, those
//      that collectives read or write first, and of them whole pages.
//   2. Per function, lifetimes of temporaries: from the first op that names a
//      buffer to the last, in program order.
//   3. One MemoryPlan per function (lib/Memory); the largest sizes the region.
//   4. Offsets are written on slots and buffers, sizes and the account of what
//      they are for (PlanMemoryAccount.h) on the module. A region ends where
//      its last value ends: sizes are what a step writes, to the byte.
// To see a plan: --debug-only=prog-plan-memory.
#include "PlanMemoryAccount.h"
#include "weft/Transforms/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "prog-plan-memory"

namespace weft {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {

/// Bytes of each region, by name.
using Regions = llvm::MapVector<StringRef, int64_t>;

} // namespace

static constexpr int64_t kPage = 4096;

static StringRef regionOf(pipe::SlotOp slot) {
  return slot.getKind() == "input" ? StringRef("input") : slot.getLifetime();
}

/// Those that peers may have to reach come first: only that part of a region
/// need be memory that they share. Of them, what fills whole pages begins on
/// one, so that peers can map it (an all_gather without a copy).
static SmallVector<pipe::SlotOp> slotsInOrder(ModuleOp module) {
  DenseSet<StringRef> exchanged;
  module.walk([&](prog::CollectiveOp op) {
    for (Value operand : op->getOperands())
      if (auto slot = prog::bufferOf(operand).getSlot())
        exchanged.insert(*slot);
  });
  SmallVector<pipe::SlotOp> slots(module.getOps<pipe::SlotOp>());
  auto rank = [&](pipe::SlotOp slot) {
    if (!exchanged.contains(slot.getSymName()))
      return 2;
    return prog::bytesOf(localSlotType(slot)) % kPage == 0 ? 0 : 1;
  };
  llvm::stable_sort(
      slots, [&](pipe::SlotOp a, pipe::SlotOp b) { return rank(a) < rank(b); });
  return slots;
}

static void placeSlots(ModuleOp module, Regions &regions) {
  Builder builder(module.getContext());
  for (pipe::SlotOp slot : slotsInOrder(module)) {
    int64_t &end = regions[regionOf(slot)];
    int64_t offset = alignMemory(end);
    slot->setAttr(prog::kRegionAttrName, builder.getStringAttr(regionOf(slot)));
    slot->setAttr(prog::kOffsetAttrName, builder.getI64IntegerAttr(offset));
    end = offset + prog::bytesOf(localSlotType(slot));
  }
}

static FunctionPlan planFunction(func::FuncOp function) {
  FunctionPlan result{function, temporariesOf(function), {}};
  result.plan = planMemory(result.temporaries.lifetimes);
  LDBG() << function.getSymName() << "\n"
         << toString(result.plan, result.temporaries.lifetimes);
  return result;
}

/// Writes offsets; temporaries start behind the slots of their region.
static void applyPlans(ModuleOp module, ArrayRef<FunctionPlan> plans,
                       int64_t base) {
  SymbolTable symbols(module);
  module.walk([&](prog::BufferOp buffer) {
    if (auto slot = buffer.getSlot())
      buffer.setOffset(symbols.lookup(*slot)
                           ->getAttrOfType<IntegerAttr>(prog::kOffsetAttrName)
                           .getInt());
  });
  for (const FunctionPlan &plan : plans)
    for (auto [op, offset] :
         llvm::zip(plan.temporaries.buffers, plan.plan.offsets)) {
      prog::BufferOp buffer = op;
      buffer.setOffset(base + offset);
    }
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

static DictionaryAttr regionsAttr(MLIRContext *context,
                                  const Regions &regions) {
  NamedAttrList fields;
  for (auto [name, bytes] : regions)
    fields.append(name, Builder(context).getI64IntegerAttr(bytes));
  return fields.getDictionary(context);
}

namespace {
struct PlanMemoryPass : weft::impl::PlanMemoryPassBase<PlanMemoryPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (module->hasAttr(prog::kRegionsAttrName))
      return;
    Regions regions;
    for (StringRef name : prog::kRegionNames)
      regions[name] = 0;
    placeSlots(module, regions);
    SmallVector<FunctionPlan> plans;
    for (auto function : module.getOps<func::FuncOp>())
      if (!function.isDeclaration() &&
          !function->hasAttr(prog::kKernelAttrName))
        plans.push_back(planFunction(function));
    int64_t base = alignMemory(regions["microbatch"]);
    applyPlans(module, plans, base);
    for (const FunctionPlan &plan : plans)
      if (plan.plan.bytes > 0)
        regions["microbatch"] =
            std::max(regions["microbatch"], base + plan.plan.bytes);
    module->setAttr(prog::kRegionsAttrName,
                    regionsAttr(&getContext(), regions));
    module->setAttr(prog::kMemoryAttrName, accountFor(module, plans));
  }
};
} // namespace
