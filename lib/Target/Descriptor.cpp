// SPDX-License-Identifier: Apache-2.0
//
// The program descriptor: the module's slots, collectives and schedule as the
// JSON that runtime/include/weft_runtime/Program.h defines.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "weft/IR/Pipe/Pipe.h"
#include "weft/IR/Prog/Prog.h"
#include "weft/Target/Program.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
namespace json = llvm::json;

namespace weft {

static constexpr int64_t kAbiVersion = 3;

std::string contentHash(StringRef bytes) {
  auto hash =
      llvm::xxh3_128bits(ArrayRef(bytes.bytes_begin(), bytes.bytes_end()));
  return llvm::formatv("{0:x-16}{1:x-16}", hash.high64, hash.low64).str();
}

std::string contentKey(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  // Where the weights and libraries lie is not what the program is.
  SmallVector<NamedAttribute> places;
  for (StringRef name : {kWeightsAttrName, kLibrariesAttrName})
    if (Attribute place = module->removeAttr(name))
      places.emplace_back(StringAttr::get(module.getContext(), name), place);
  module->print(os, OpPrintingFlags().useLocalScope().enableDebugInfo(false));
  for (NamedAttribute place : places)
    module->setAttr(place.getName(), place.getValue());
  return contentHash(text);
}

static std::string dtypeOf(Type type) {
  if (type.isInteger())
    return "i" + std::to_string(type.getIntOrFloatBitWidth());
  if (type.isBF16())
    return "bf16";
  return "f" + std::to_string(type.getIntOrFloatBitWidth());
}

static json::Array arrayOf(ArrayRef<int64_t> values) {
  return json::Array(values);
}

static int64_t product(ArrayRef<int64_t> sizes) {
  return llvm::product_of(sizes);
}

//===----------------------------------------------------------------------===//
// Mesh and slots
//===----------------------------------------------------------------------===//

static json::Array meshOf(const Mesh &mesh) {
  json::Array axes;
  for (int atom = 0; atom < mesh.numAtoms(); ++atom)
    axes.push_back(
        json::Object{{"name", mesh.atomName(atom)},
                     {"axis", mesh.axes()[mesh.axisOfAtom(atom)].name},
                     {"size", mesh.atomSize(atom)}});
  return axes;
}

static json::Value textOrNull(std::optional<StringRef> text) {
  return text ? json::Value(text->str()) : json::Value(nullptr);
}

static void addLayout(json::Object &json, const Mesh &mesh,
                      RankedTensorType type) {
  Layout layout;
  if (dist::LayoutAttr attr = dist::layoutOf(type))
    layout = attr.getLayout();
  json::Array shards, partial;
  for (const Placement &entry : layout.entries())
    if (entry.kind == PlacementKind::Shard)
      shards.push_back(json::Object{{"axis", entry.axis}, {"dim", entry.dim}});
  for (int axis : layout.partialAxes())
    partial.push_back(axis);
  json["global_shape"] = arrayOf(type.getShape());
  json["local_shape"] = arrayOf(layout.localShape(mesh, type.getShape()));
  json["layout"] = std::move(shards);
  json["partial"] = std::move(partial);
}

static json::Object describe(pipe::SlotOp slot, const Mesh &mesh) {
  auto type = cast<RankedTensorType>(slot.getType());
  json::Array names;
  if (ArrayAttr all = slot.getNamesAttr())
    for (auto name : all.getAsRange<StringAttr>())
      names.push_back(name.getValue());
  // An open slot is not the parameter's gradient: it is reduced into it.
  std::optional<StringRef> gradientOf;
  if (slot.getKind() == "gradient" && slot.getLifetime() == "run")
    gradientOf = slot.getOf();
  json::Object result{
      {"name", slot.getSymName()},
      {"kind", slot.getKind()},
      {"dtype", dtypeOf(type.getElementType())},
      {"region",
       slot->getAttrOfType<StringAttr>(prog::kRegionAttrName).getValue()},
      {"offset",
       slot->getAttrOfType<IntegerAttr>(prog::kOffsetAttrName).getInt()},
      {"stored", textOrNull(slot.getStored())},
      {"names", std::move(names)},
      {"trainable", slot.getTrainable()},
      {"gradient_of", textOrNull(gradientOf)}};
  if (auto indices = slot->getAttrOfType<IntegerAttr>(pipe::kIndicesAttrName)) {
    result["indices"] = indices.getInt();
    result["ignores"] = slot->hasAttr(pipe::kIgnoresAttrName);
  }
  addLayout(result, mesh, type);
  return result;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Bytes from the first on, without the second.
using Extent = std::pair<int64_t, int64_t>;

/// What `extents` cover, in order and each byte once.
static SmallVector<Extent> unionOf(SmallVector<Extent> extents) {
  llvm::sort(extents);
  SmallVector<Extent> result;
  for (auto [begin, end] : extents) {
    if (begin == end)
      continue;
    if (result.empty() || result.back().second < begin)
      result.push_back({begin, end});
    result.back().second = std::max(result.back().second, end);
  }
  return result;
}

/// The bytes of each region that some slot or buffer has.
static json::Object occupiedBytes(ModuleOp module) {
  llvm::MapVector<StringRef, SmallVector<Extent>> regions;
  for (StringRef name : prog::kRegionNames)
    regions[name];
  auto add = [&](StringRef region, int64_t offset, ShapedType type) {
    regions[region].push_back({offset, offset + prog::bytesOf(type)});
  };
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    auto type = cast<RankedTensorType>(slot.getType());
    add(slot->getAttrOfType<StringAttr>(prog::kRegionAttrName).getValue(),
        slot->getAttrOfType<IntegerAttr>(prog::kOffsetAttrName).getInt(),
        dist::layoutOf(type) ? dist::localType(type) : type);
  }
  module.walk([&](prog::BufferOp buffer) {
    add(buffer.getRegion(), buffer.getOffset(), buffer.getType());
  });
  json::Object result;
  for (auto &[name, extents] : regions) {
    json::Array list;
    for (auto [begin, end] : unionOf(std::move(extents)))
      list.push_back(arrayOf({begin, end}));
    result[name] = std::move(list);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

/// A dim and all behind it, over `n` blocks, and what is before.
static json::Object blocksOf(ArrayRef<int64_t> shape, int64_t dim, int64_t n) {
  return json::Object{{"outer", product(shape.take_front(dim))},
                      {"inner", product(shape.drop_front(dim)) / n}};
}

/// Operand `i`, in elements (see Program.h).
static json::Object describeOperand(prog::CollectiveOp op, int64_t i,
                                    int64_t n) {
  auto input = cast<MemRefType>(op.getInputs()[i].getType());
  auto output = cast<MemRefType>(op.getOutputs()[i].getType());
  StringRef kind = op.getKind();
  json::Object result;
  if (kind == "all_gather") {
    result = blocksOf(input.getShape(), op.getDims()[i], 1);
  } else if (kind == "reduce_scatter") {
    result = blocksOf(output.getShape(), op.getDims()[i], 1);
  } else {
    result = json::Object{{"outer", 1}, {"inner", input.getNumElements()}};
    if (kind == "all_to_all") {
      result["split"] = blocksOf(input.getShape(), op.getDims()[i], n);
      result["concat"] = blocksOf(output.getShape(), op.getConcatDims()[i], n);
    }
  }
  // Booleans lie in bytes; moving those is moving them.
  Type type = input.getElementType();
  result["dtype"] = type.isInteger(8) ? "i1" : dtypeOf(type);
  return result;
}

static json::Object describe(prog::CollectiveOp op,
                             const DenseMap<Operation *, int64_t> &gathered) {
  int64_t n = dist::groupSize(op.getMesh(), op.getAxes());
  json::Array axes, operands;
  for (int atom : dist::atomsOf(op.getMesh(), op.getAxes()))
    axes.push_back(atom);
  for (size_t i = 0; i < op.getInputs().size(); ++i)
    operands.push_back(describeOperand(op, i, n));
  json::Object result{{"id", op.getId()},
                      {"kind", op.getKind()},
                      {"axes", std::move(axes)},
                      {"reduce", op.getReduce()},
                      {"operands", std::move(operands)},
                      {"loc", prog::nameOf(op.getLoc())}};
  if (auto found = gathered.find(prog::bufferOf(op.getOutputs().front()));
      found != gathered.end())
    result["gathered"] = found->second;
  if (op.getKind() == "permute") {
    json::Array pairs;
    for (auto [to, from] : llvm::enumerate(op.getDims()))
      pairs.push_back(arrayOf({from, static_cast<int64_t>(to)}));
    result["pairs"] = std::move(pairs);
  }
  return result;
}

static FailureOr<json::Array> collectivesOf(ModuleOp module) {
  json::Array collectives;
  DenseMap<Operation *, int64_t> gathered = gatheredBuffers(module);
  WalkResult walked = module.walk([&](prog::CollectiveOp op) {
    if (op.getReduce() == "product") {
      op.emitOpError("combines across ranks with a product, which no "
                     "communicator does");
      return WalkResult::interrupt();
    }
    collectives.push_back(describe(op, gathered));
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  return collectives;
}

//===----------------------------------------------------------------------===//
// Schedule and configuration
//===----------------------------------------------------------------------===//

/// The calls of one step; without a table, one microbatch in default order.
static json::Array scheduleOf(ModuleOp module) {
  json::Array calls;
  auto schedules = module.getOps<pipe::ScheduleOp>();
  if (schedules.empty()) {
    for (StringRef name :
         {"weigh", "seed", "stage0", "stage0_reduce", "stage0_update"})
      if (module.lookupSymbol<func::FuncOp>(name))
        calls.push_back(json::Object{{"call", name}});
    return calls;
  }
  for (auto entry :
       (*schedules.begin()).getEntries().getAsRange<DictionaryAttr>()) {
    json::Object call{
        {"call", entry.getAs<FlatSymbolRefAttr>("call").getValue()}};
    if (auto microbatch = entry.getAs<IntegerAttr>("microbatch"))
      call["microbatch"] = microbatch.getInt();
    calls.push_back(std::move(call));
  }
  return calls;
}

static int64_t numMicrobatches(const json::Array &calls) {
  int64_t count = 1;
  for (const json::Value &call : calls)
    count = std::max(
        count, call.getAsObject()->getInteger("microbatch").value_or(0) + 1);
  return count;
}

/// Samples of a global microbatch: the first dim of the batch inputs.
static int64_t batchOf(ModuleOp module) {
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    auto shape = cast<RankedTensorType>(slot.getType()).getShape();
    if (slot.getKind() == "input" && !shape.empty())
      return shape.front();
  }
  return 0;
}

/// Numbers and text of a dictionary, as they are.
static json::Object objectOf(DictionaryAttr dictionary) {
  json::Object result;
  for (NamedAttribute field : dictionary) {
    StringRef name = field.getName();
    if (auto number = dyn_cast<FloatAttr>(field.getValue()))
      result[name] = number.getValueAsDouble();
    else if (auto number = dyn_cast<IntegerAttr>(field.getValue()))
      result[name] = number.getInt();
    else if (auto text = dyn_cast<StringAttr>(field.getValue()))
      result[name] = text.getValue();
  }
  return result;
}

/// How many leading bytes of each region peers may have to reach. What is
/// small, with all of its bucket, is copied by every communicator.
static json::Object exchangedBytes(ModuleOp module) {
  constexpr int64_t kSmall = 4096;
  llvm::MapVector<StringRef, int64_t> ends;
  for (StringRef name : prog::kRegionNames)
    ends[name] = 0;
  auto add = [&](Value operand) {
    prog::BufferOp buffer = prog::bufferOf(operand);
    int64_t &end = ends[buffer.getRegion()];
    end = std::max<int64_t>(end, buffer.getOffset() +
                                     prog::bytesOf(buffer.getType()));
  };
  module.walk([&](prog::CollectiveOp op) {
    int64_t bytes = 0;
    for (Value input : op.getInputs())
      bytes += prog::bytesOf(cast<MemRefType>(input.getType()));
    if (bytes <= kSmall)
      return;
    llvm::for_each(op.getInputs(), add);
    if (op.getKind() == "all_reduce") // each member writes to all of them
      llvm::for_each(op.getOutputs(), add);
  });
  json::Object result;
  for (auto [name, end] : ends)
    result[name] = end;
  return result;
}

FailureOr<json::Object> buildDescriptor(ModuleOp module) {
  const Mesh &mesh = dist::meshOf(module).getMesh();
  auto regions = module->getAttrOfType<DictionaryAttr>(prog::kRegionsAttrName);
  if (!regions)
    return module.emitError("module has no sizes of regions");
  FailureOr<json::Array> collectives = collectivesOf(module);
  if (failed(collectives))
    return failure();
  json::Array slots;
  for (auto slot : module.getOps<pipe::SlotOp>())
    slots.push_back(describe(slot, mesh));
  json::Array calls = scheduleOf(module);
  json::Object result{{"abi", kAbiVersion},
                      {"key", contentKey(module)},
                      {"mesh", meshOf(mesh)},
                      {"regions", objectOf(regions)},
                      {"occupied", occupiedBytes(module)},
                      {"exchanged", exchangedBytes(module)},
                      {"microbatches", numMicrobatches(calls)},
                      {"batch", batchOf(module)},
                      {"slots", std::move(slots)},
                      {"collectives", std::move(*collectives)},
                      {"sites", describeSites(module)}};
  result["schedule"] = json::Object{{"step", std::move(calls)}};
  if (auto text = module->getAttrOfType<StringAttr>(kCommunicatorAttrName))
    result["communicator"] = text.getValue();
  if (auto text = module->getAttrOfType<StringAttr>(kWeightsAttrName))
    result["weights"] = text.getValue();
  if (auto folders = module->getAttrOfType<ArrayAttr>(kLibrariesAttrName)) {
    json::Array names;
    for (StringRef folder : folders.getAsValueRange<StringAttr>())
      names.push_back(folder);
    result["libraries"] = std::move(names);
  }
  if (auto config = module->getAttrOfType<DictionaryAttr>(kOptimizerAttrName))
    result["optimizer"] = objectOf(config);
  return result;
}

} // namespace weft
