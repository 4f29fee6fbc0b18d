// SPDX-License-Identifier: Apache-2.0
//
// Walks the schedule table of a step and the collectives of each function.
#include "weft/Pipelines/StepCollectives.h"

#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Plan/Pattern.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace weft;

// Calls `visit` for each collective of a step, in the order of issue.
static void
walkStep(ModuleOp module,
         llvm::function_ref<void(func::FuncOp, Operation *)> visit) {
  SymbolTable symbols(module);
  for (auto table : module.getOps<pipe::ScheduleOp>())
    for (auto entry : table.getEntries().getAsRange<DictionaryAttr>()) {
      auto call = entry.getAs<FlatSymbolRefAttr>("call");
      auto function = symbols.lookup<func::FuncOp>(call.getValue());
      function.walk([&](Operation *op) {
        if (dist::isCollective(op))
          visit(function, op);
      });
    }
}

static int64_t bytesOf(TypeRange types) {
  int64_t bytes = 0;
  for (Type type : types)
    bytes += dist::bytesOf(cast<ShapedType>(type));
  return bytes;
}

// Names in a location: several in a bucket, each with its path.
static SmallVector<StringRef> namesIn(Location location) {
  SmallVector<StringRef> names;
  location->walk([&](Location part) {
    if (auto name = dyn_cast<NameLoc>(part)) {
      names.push_back(name.getName().getValue());
      return WalkResult::skip();
    }
    return WalkResult::advance();
  });
  return names;
}

// What all names begin with: a module, or `(several)` if that is nothing.
static std::string commonModule(ArrayRef<StringRef> names) {
  if (names.empty())
    return "(unnamed)";
  StringRef common = names.front().split('/').first;
  for (StringRef name : names) {
    name = name.split('/').first;
    auto isWithin = [&](StringRef module) {
      return name == module ||
             (name.starts_with(module) && name[module.size()] == '.');
    };
    while (!common.empty() && !isWithin(common))
      common = common.contains('.') ? common.rsplit('.').first : StringRef();
  }
  return common.empty() ? "(several)" : generalize(common);
}

static std::string phaseOf(func::FuncOp function, Operation *op,
                           ArrayRef<StringRef> names) {
  StringRef name = function.getSymName();
  auto [stage, part] = name.split('_');
  if (!stage.starts_with("stage"))
    return name.str();
  if (!part.empty())
    return part.str();
  bool isBackward =
      op->hasAttr("recomputed") || llvm::any_of(names, [](StringRef name) {
        return name.contains("/grad");
      });
  return isBackward ? "backward" : "forward";
}

static std::string axesText(Operation *op) {
  std::string text;
  for (auto axis :
       op->getAttrOfType<ArrayAttr>("axes").getAsRange<StringAttr>())
    text += (text.empty() ? "" : ", ") + axis.str();
  return text;
}

std::vector<CollectiveCall> weft::callsOfStep(ModuleOp module) {
  std::vector<CollectiveCall> calls;
  walkStep(module, [&](func::FuncOp function, Operation *op) {
    auto mesh = op->getAttrOfType<dist::MeshAttr>("mesh");
    auto atoms = dist::atomsOf(mesh, op->getAttrOfType<ArrayAttr>("axes"));
    std::string operands;
    llvm::raw_string_ostream os(operands);
    llvm::interleaveComma(op->getOperandTypes(), os);
    auto kind = op->getAttrOfType<StringAttr>("kind");
    std::string what = llvm::formatv(
        "{0}{1} of {2} ({3}) in @{4}", op->getName().stripDialect(),
        kind ? (" " + kind.getValue()).str() : std::string(), operands,
        prog::nameOf(op->getLoc()), function.getSymName());
    calls.push_back({std::move(what), {atoms.begin(), atoms.end()}});
  });
  return calls;
}

std::vector<CollectiveUse> weft::usesOfStep(ModuleOp module) {
  llvm::MapVector<StringRef, CollectiveUse> uses;
  llvm::BumpPtrAllocator allocator;
  walkStep(module, [&](func::FuncOp function, Operation *op) {
    SmallVector<StringRef> names = namesIn(op->getLoc());
    CollectiveUse use{phaseOf(function, op, names),
                      op->getName().stripDialect().str(), axesText(op),
                      commonModule(names)};
    StringRef key = StringRef(use.phase + "|" + use.kind + "|" + use.axes +
                              "|" + use.module)
                        .copy(allocator);
    CollectiveUse &total = uses.try_emplace(key, use).first->second;
    ++total.calls;
    total.tensors += op->getNumOperands();
    total.bytes +=
        std::max(bytesOf(op->getOperandTypes()), bytesOf(op->getResultTypes()));
  });
  std::vector<CollectiveUse> table;
  for (auto &entry : uses)
    table.push_back(std::move(entry.second));
  return table;
}
