// SPDX-License-Identifier: Apache-2.0
//
// The account: slots live always, temporaries at the fullest step of the
// function whose plan reaches furthest.
#include "PlanMemoryAccount.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace weft {

/// In the order in which people read them.
static constexpr llvm::StringLiteral kCategories[] = {
    "parameters", "gradients", "optimizer",     "buffers", "inputs", "scalars",
    "saved",      "transient", "communication", "scratch", "padding"};

static constexpr size_t kNumLargest = 10;

/// Times the input region is there: once per microbatch of the schedule.
static int64_t numMicrobatches(ModuleOp module) {
  int64_t count = 1;
  for (auto schedule : module.getOps<pipe::ScheduleOp>())
    for (auto entry : schedule.getEntries().getAsRange<DictionaryAttr>())
      if (auto microbatch = entry.getAs<IntegerAttr>("microbatch"))
        count = std::max(count, microbatch.getInt() + 1);
  return count;
}

/// From the start of region `input` to the end of its last copy.
static int64_t inputBytes(ModuleOp module, int64_t bytesOfOne) {
  return (numMicrobatches(module) - 1) * alignMemory(bytesOfOne) + bytesOfOne;
}

static StringRef categoryOf(pipe::SlotOp slot) {
  return llvm::StringSwitch<StringRef>(slot.getKind())
      .Case("parameter", "parameters")
      .Case("buffer", "buffers")
      .Case("gradient", "gradients")
      .Case("optimizer", "optimizer")
      .Case("input", "inputs")
      .Case("scalar", "scalars")
      .Default("saved");
}

namespace {

/// A value that is live at the fullest moment.
struct LiveValue {
  std::string name;
  StringRef category;
  int64_t bytes;
  Type type;
};

/// What is known of one function's temporaries beside their lifetimes.
class BufferUses {
public:
  explicit BufferUses(func::FuncOp function);
  StringRef categoryOf(prog::BufferOp buffer, const Lifetime &lifetime) const;

private:
  int64_t backwardBegin = INT64_MAX;
  llvm::SmallPtrSet<Operation *, 8> scratch, received;
};

} // namespace

BufferUses::BufferUses(func::FuncOp function) {
  for (auto [step, op] : llvm::enumerate(function.front())) {
    // A buffer of a gradient's slot is declared before anything runs.
    if (!isa<prog::BufferOp, prog::ViewOp>(op) &&
        prog::nameOf(op.getLoc()).ends_with("/grad"))
      backwardBegin = std::min<int64_t>(backwardBegin, step);
    if (auto launch = dyn_cast<prog::LaunchOp>(op))
      for (Value value : launch.getScratch())
        scratch.insert(prog::bufferOf(value));
    auto collective = dyn_cast<prog::CollectiveOp>(op);
    if (!collective)
      continue;
    for (auto [input, output] :
         llvm::zip(collective.getInputs(), collective.getOutputs()))
      if (prog::bufferOf(input) != prog::bufferOf(output))
        received.insert(prog::bufferOf(output));
  }
}

StringRef BufferUses::categoryOf(prog::BufferOp buffer,
                                 const Lifetime &lifetime) const {
  if (scratch.contains(buffer))
    return "scratch";
  if (received.contains(buffer))
    return "communication";
  bool isSaved =
      lifetime.first < backwardBegin && backwardBegin <= lifetime.last;
  return isSaved ? "saved" : "transient";
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Appends the slots; inputs as often as they are there.
static void addSlots(ModuleOp module, std::vector<LiveValue> &values) {
  int64_t copies = numMicrobatches(module);
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    RankedTensorType type = localSlotType(slot);
    int64_t bytes =
        prog::bytesOf(type) * (slot.getKind() == "input" ? copies : 1);
    values.push_back({slot.getSymName().str(), categoryOf(slot), bytes, type});
  }
}

/// Appends what is live at the function's fullest step; returns where that is.
static std::string addTemporaries(const FunctionPlan &plan,
                                  std::vector<LiveValue> &values) {
  func::FuncOp function = plan.function;
  const Temporaries &temporaries = plan.temporaries;
  Peak peak = peakOf(temporaries.lifetimes);
  BufferUses uses(function);
  std::string name = function.getSymName().str();
  for (auto [op, lifetime] :
       llvm::zip(temporaries.buffers, temporaries.lifetimes)) {
    prog::BufferOp buffer = op;
    if (lifetime.first <= peak.step && peak.step <= lifetime.last)
      values.push_back({name + ": " + lifetime.name,
                        uses.categoryOf(buffer, lifetime), lifetime.bytes,
                        buffer.getType()});
  }
  Operation *fullest = &*std::next(function.front().begin(), peak.step);
  StringRef op = prog::nameOf(fullest->getLoc());
  return op.empty() ? name : name + ": " + op.str();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

static DictionaryAttr categoriesAttr(Builder &builder, int64_t peak,
                                     ArrayRef<LiveValue> values) {
  llvm::MapVector<StringRef, int64_t> sums;
  for (StringRef category : kCategories)
    sums[category] = 0;
  sums["padding"] = peak;
  for (const LiveValue &value : values) {
    sums[value.category] += value.bytes;
    sums["padding"] -= value.bytes;
  }
  NamedAttrList fields;
  for (auto [name, bytes] : sums)
    fields.append(name, builder.getI64IntegerAttr(bytes));
  return fields.getDictionary(builder.getContext());
}

static ArrayAttr largestAttr(Builder &builder, std::vector<LiveValue> values) {
  llvm::stable_sort(values, [](const LiveValue &a, const LiveValue &b) {
    return a.bytes > b.bytes;
  });
  SmallVector<Attribute> largest;
  for (const LiveValue &value : ArrayRef(values).take_front(kNumLargest)) {
    auto type = cast<ShapedType>(value.type);
    NamedAttrList fields;
    fields.append("bytes", builder.getI64IntegerAttr(value.bytes));
    fields.append("category", builder.getStringAttr(value.category));
    fields.append("name", builder.getStringAttr(value.name));
    fields.append("type", TypeAttr::get(RankedTensorType::get(
                              type.getShape(), type.getElementType())));
    largest.push_back(fields.getDictionary(builder.getContext()));
  }
  return builder.getArrayAttr(largest);
}

DictionaryAttr accountFor(ModuleOp module, ArrayRef<FunctionPlan> plans) {
  Builder builder(module.getContext());
  auto regions = module->getAttrOfType<DictionaryAttr>(prog::kRegionsAttrName);
  int64_t peak = 0;
  for (NamedAttribute region : regions) {
    int64_t bytes = cast<IntegerAttr>(region.getValue()).getInt();
    peak += region.getName() == "input" ? inputBytes(module, bytes) : bytes;
  }
  std::vector<LiveValue> values;
  addSlots(module, values);
  NamedAttrList fields;
  auto *fullest = llvm::max_element(
      plans, [](const FunctionPlan &a, const FunctionPlan &b) {
        return a.plan.bytes < b.plan.bytes;
      });
  int64_t wasted = 0;
  if (fullest != plans.end() && !fullest->temporaries.lifetimes.empty()) {
    fields.append("at",
                  builder.getStringAttr(addTemporaries(*fullest, values)));
    wasted = fullest->plan.bytes - peakOf(fullest->temporaries.lifetimes).bytes;
  }
  fields.append("categories", categoriesAttr(builder, peak, values));
  fields.append("largest", largestAttr(builder, values));
  fields.append("least", builder.getI64IntegerAttr(peak - wasted));
  fields.append("peak", builder.getI64IntegerAttr(peak));
  return fields.getDictionary(module.getContext());
}

} // namespace weft
