// SPDX-License-Identifier: Apache-2.0
//
// prog-plan-memory: offsets of slots and temporaries.
//
//   1. Slots lie one after the other in their regions.
//   2. Per function, lifetimes of temporaries: from the first op that names a
//      buffer to the last, in program order.
//   3. One MemoryPlan per function (lib/Memory); the largest sizes the region.
//   4. Offsets are written on slots and buffers, sizes and the account of what
//      they are for on the module.
// To see a plan: --debug-only=prog-plan-memory.
#include "weft/Memory/MemoryPlan.h"
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

/// The temporaries of one function and where they lie.
struct FunctionPlan {
  StringRef function;
  SmallVector<prog::BufferOp> buffers;
  std::vector<Lifetime> lifetimes;
  /// Scratch of kernels, not values.
  llvm::SmallDenseSet<size_t> scratch;
  MemoryPlan plan;
};

} // namespace

/// The shape each rank holds of a slot.
static RankedTensorType localSlotType(pipe::SlotOp slot) {
  auto type = cast<RankedTensorType>(slot.getType());
  return dist::layoutOf(type) ? dist::localType(type) : type;
}

static StringRef regionOf(pipe::SlotOp slot) {
  return slot.getKind() == "input" ? StringRef("input") : slot.getLifetime();
}

static void placeSlots(ModuleOp module, Regions &regions) {
  Builder builder(module.getContext());
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    int64_t &end = regions[regionOf(slot)];
    slot->setAttr(prog::kRegionAttrName, builder.getStringAttr(regionOf(slot)));
    slot->setAttr(prog::kOffsetAttrName, builder.getI64IntegerAttr(end));
    end += alignMemory(prog::bytesOf(localSlotType(slot)));
  }
}

static std::string describe(prog::BufferOp buffer, size_t number) {
  StringRef name = prog::nameOf(buffer.getLoc());
  return name.empty() ? "temporary " + std::to_string(number) : name.str();
}

static FunctionPlan planFunction(func::FuncOp function) {
  FunctionPlan result;
  result.function = function.getSymName();
  DenseMap<Operation *, size_t> numbers;
  for (auto [step, op] : llvm::enumerate(function.front())) {
    if (isa<prog::ViewOp>(op))
      continue;
    auto launch = dyn_cast<prog::LaunchOp>(op);
    for (Value operand : op.getOperands()) {
      prog::BufferOp buffer = prog::bufferOf(operand);
      if (buffer.getSlot())
        continue;
      auto [entry, isNew] = numbers.try_emplace(buffer, result.buffers.size());
      if (isNew) {
        result.buffers.push_back(buffer);
        result.lifetimes.push_back({describe(buffer, entry->second),
                                    prog::bytesOf(buffer.getType()),
                                    static_cast<int64_t>(step), 0});
      }
      result.lifetimes[entry->second].last = step;
      if (launch && llvm::is_contained(launch.getScratch(), operand))
        result.scratch.insert(entry->second);
    }
  }
  result.plan = planMemory(result.lifetimes);
  LDBG() << result.function << "\n" << toString(result.plan, result.lifetimes);
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
    for (auto [op, offset] : llvm::zip(plan.buffers, plan.plan.offsets)) {
      prog::BufferOp buffer = op;
      buffer.setOffset(base + offset);
    }
}

//===----------------------------------------------------------------------===//
// The account
//===----------------------------------------------------------------------===//

namespace {

/// One line of the list of largest values.
struct NamedBytes {
  std::string name;
  int64_t bytes;
};

/// What memory is for, at the fullest step of the fullest function.
class Account {
public:
  Account(ModuleOp module, const Regions &regions)
      : builder(module.getContext()), module(module), regions(regions) {}

  DictionaryAttr build(ArrayRef<FunctionPlan> plans);

private:
  void addSlots();
  void addTemporaries(const FunctionPlan &plan);
  void add(StringRef category, const Twine &name, int64_t bytes,
           int64_t copies = 1);

  Builder builder;
  ModuleOp module;
  const Regions &regions;
  llvm::MapVector<StringRef, int64_t> categories;
  std::vector<NamedBytes> values;
};

} // namespace

/// Batch inputs are there once per microbatch.
static int64_t numMicrobatches(ModuleOp module) {
  int64_t count = 1;
  for (auto schedule : module.getOps<pipe::ScheduleOp>())
    for (auto entry : schedule.getEntries().getAsRange<DictionaryAttr>())
      if (auto microbatch = entry.getAs<IntegerAttr>("microbatch"))
        count = std::max(count, microbatch.getInt() + 1);
  return count;
}

static StringRef categoryOf(pipe::SlotOp slot) {
  return llvm::StringSwitch<StringRef>(slot.getKind())
      .Case("parameter", "parameters")
      .Case("buffer", "buffers")
      .Case("gradient", "gradients")
      .Case("optimizer", "optimizer")
      .Case("input", "inputs")
      .Case("scalar", "scalars")
      .Default("activations");
}

void Account::add(StringRef category, const Twine &name, int64_t bytes,
                  int64_t copies) {
  categories[category] += alignMemory(bytes) * copies;
  values.push_back({name.str(), bytes * copies});
}

void Account::addSlots() {
  int64_t copies = numMicrobatches(module);
  for (auto slot : module.getOps<pipe::SlotOp>())
    add(categoryOf(slot), slot.getSymName(), prog::bytesOf(localSlotType(slot)),
        slot.getKind() == "input" ? copies : 1);
}

void Account::addTemporaries(const FunctionPlan &plan) {
  int64_t step = peakOf(plan.lifetimes).step;
  for (auto [number, value] : llvm::enumerate(plan.lifetimes))
    if (value.first <= step && step <= value.last)
      add(plan.scratch.contains(number) ? "scratch" : "activations",
          plan.function + ": " + value.name, value.bytes);
}

DictionaryAttr Account::build(ArrayRef<FunctionPlan> plans) {
  for (StringRef category : {"parameters", "gradients", "optimizer", "buffers",
                             "scalars", "inputs", "activations", "scratch"})
    categories[category] = 0;
  addSlots();
  if (!plans.empty())
    addTemporaries(*llvm::max_element(
        plans, [](const FunctionPlan &a, const FunctionPlan &b) {
          return a.plan.bytes < b.plan.bytes;
        }));
  NamedAttrList fields;
  for (auto [name, bytes] : categories)
    fields.append(name, builder.getI64IntegerAttr(bytes));
  int64_t peak = 0;
  for (auto [name, bytes] : regions)
    peak += bytes * (name == "input" ? numMicrobatches(module) : 1);
  fields.append("peak", builder.getI64IntegerAttr(peak));
  llvm::stable_sort(values, [](const NamedBytes &a, const NamedBytes &b) {
    return a.bytes > b.bytes;
  });
  SmallVector<Attribute> largest;
  for (const NamedBytes &value : ArrayRef(values).take_front(10))
    largest.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr("bytes", builder.getI64IntegerAttr(value.bytes)),
         builder.getNamedAttr("name", builder.getStringAttr(value.name))}));
  fields.append("largest", builder.getArrayAttr(largest));
  return fields.getDictionary(module.getContext());
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
    for (const FunctionPlan &plan : plans)
      if (auto message = verify(plan.plan, plan.lifetimes)) {
        module.emitError(*message);
        return signalPassFailure();
      }
    int64_t base = regions["microbatch"];
    applyPlans(module, plans, base);
    for (const FunctionPlan &plan : plans)
      regions["microbatch"] =
          std::max(regions["microbatch"], base + plan.plan.bytes);
    module->setAttr(prog::kRegionsAttrName,
                    regionsAttr(&getContext(), regions));
    module->setAttr(prog::kMemoryAttrName,
                    Account(module, regions).build(plans));
  }
};
} // namespace
