// SPDX-License-Identifier: Apache-2.0
//
// Execution: binds functions to slots and runs the calls of a step.
#include "weft/Interpreter/Execution.h"
#include "Evaluators.h"
#include "weft/Interpreter/Sharding.h"
#include <algorithm>

using namespace weft;
using namespace weft::interpreter;
using llvm::StringRef;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;

/// The layout of a slot; replicated if it has none.
static Layout layoutOf(pipe::SlotOp slot) {
  dist::LayoutAttr layout = dist::layoutOf(slot.getType());
  return layout ? layout.getLayout() : Layout();
}

static mlir::RankedTensorType typeOf(pipe::SlotOp slot) {
  return llvm::cast<mlir::RankedTensorType>(slot.getType());
}

Execution::Execution(mlir::ModuleOp module, Arithmetic arithmetic)
    : module(module), ranks(machineFor(module, arithmetic)) {
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    slotOps.push_back(slot);
    slotByName[slot.getSymName()] = slot;
  }
}

std::pair<std::string, int64_t> Execution::keyOf(pipe::SlotOp slot,
                                                 int64_t microbatch) const {
  bool isOnePerMicrobatch =
      slot.getLifetime() == "microbatch" || slot.getKind() == "input";
  return {slot.getSymName().str(), isOnePerMicrobatch ? microbatch : 0};
}

//===----------------------------------------------------------------------===//
// Values of slots
//===----------------------------------------------------------------------===//

RankTensors Execution::distributed(pipe::SlotOp slot,
                                   const Tensor &global) const {
  Tensor value =
      global.converted(*elementKindOf(typeOf(slot).getElementType()));
  if (ranks.arithmetic == Arithmetic::Rounded)
    value.round();
  if (ranks.numRanks == 1)
    return {value};
  double padding = 0.0;
  if (slot.getKind() == "parameter" && value.isFloating())
    padding = parameterPadding;
  if (slot.getSymName() == "tokens")
    padding = kPoisonedId;
  return shard(ranks.mesh, layoutOf(slot), value, padding);
}

LogicalResult Execution::set(StringRef name, const Tensor &global,
                             int64_t microbatch) {
  pipe::SlotOp slot = slotNamed(name);
  if (!slot)
    return module.emitError("module has no slot \"") << name << "\"";
  if (global.shape() != typeOf(slot).getShape())
    return slot.emitOpError("value has another shape: got [")
           << global.shape() << "], expected [" << typeOf(slot).getShape()
           << "]";
  values[keyOf(slot, microbatch)] = distributed(slot, global);
  return success();
}

void Execution::setScalar(StringRef name, double value) {
  if (pipe::SlotOp slot = slotNamed(name)) {
    Tensor tensor = Tensor::zeros(typeOf(slot));
    tensor.set(0, value);
    values[keyOf(slot, 0)] = distributed(slot, tensor);
  }
}

LogicalResult Execution::load(const TensorMap &stored) {
  for (pipe::SlotOp slot : slotOps) {
    if (!slot.getStored())
      continue;
    auto tensor = stored.find(slot.getStored()->str());
    if (tensor == stored.end())
      return slot.emitOpError("stored tensor is missing: got no \"")
             << *slot.getStored() << "\" among " << stored.size() << " tensors";
    if (failed(set(slot.getSymName(), tensor->second)))
      return failure();
  }
  return success();
}

FailureOr<RankTensors> Execution::read(pipe::SlotOp slot,
                                       int64_t microbatch) const {
  auto value = values.find(keyOf(slot, microbatch));
  if (value != values.end())
    return value->second;
  StringRef kind = slot.getKind();
  bool startsAtZero = kind == "gradient" || kind == "optimizer" ||
                      kind == "scalar" || kind == "parameter" ||
                      kind == "buffer";
  if (!startsAtZero || slot.getStored())
    return slot.emitOpError("is read before it has a value");
  return distributed(slot, Tensor::zeros(typeOf(slot)));
}

Tensor Execution::global(StringRef name, int64_t microbatch) const {
  pipe::SlotOp slot = slotNamed(name);
  auto value = values.find(keyOf(slot, microbatch));
  if (value == values.end())
    return Tensor::zeros(typeOf(slot));
  if (ranks.numRanks == 1)
    return value->second.front();
  return unshard(ranks.mesh, layoutOf(slot), typeOf(slot).getShape(),
                 value->second);
}

double Execution::deviation(StringRef name) const {
  pipe::SlotOp slot = slotNamed(name);
  auto value = values.find(keyOf(slot, 0));
  if (value == values.end() || ranks.numRanks == 1)
    return 0.0;
  return replicaDeviation(ranks.mesh, layoutOf(slot), typeOf(slot).getShape(),
                          value->second);
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

LogicalResult Execution::call(StringRef name, int64_t microbatch) {
  auto function = module.lookupSymbol<mlir::func::FuncOp>(name);
  if (!function)
    return module.emitError("module has no function \"") << name << "\"";
  llvm::SmallVector<RankTensors> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    mlir::FlatSymbolRefAttr slot = pipe::slotOfArgument(function, i);
    if (!slot || !slotNamed(slot.getValue()))
      return function.emitOpError("argument ") << i << " has no slot";
    FailureOr<RankTensors> value = read(slotNamed(slot.getValue()), microbatch);
    if (failed(value))
      return failure();
    arguments.push_back(std::move(*value));
  }
  auto results = interpret(function, arguments, ranks);
  if (failed(results))
    return failure();
  for (auto [i, result] : llvm::enumerate(*results)) {
    mlir::FlatSymbolRefAttr slot = pipe::slotOfResult(function, i);
    if (!slot || !slotNamed(slot.getValue()))
      return function.emitOpError("result ") << i << " has no slot";
    values[keyOf(slotNamed(slot.getValue()), microbatch)] = std::move(result);
  }
  return success();
}

/// The entries of the module's schedule; null without one.
static mlir::ArrayAttr scheduleOf(mlir::ModuleOp module) {
  auto schedules = module.getOps<pipe::ScheduleOp>();
  return schedules.empty() ? mlir::ArrayAttr()
                           : (*schedules.begin()).getEntries();
}

static int64_t microbatchOf(mlir::Attribute entry) {
  auto microbatch =
      llvm::cast<mlir::DictionaryAttr>(entry).getAs<mlir::IntegerAttr>(
          "microbatch");
  return microbatch ? microbatch.getInt() : 0;
}

int64_t interpreter::numScheduledMicrobatches(mlir::ModuleOp module) {
  int64_t count = 0;
  if (mlir::ArrayAttr entries = scheduleOf(module))
    for (mlir::Attribute entry : entries)
      count = std::max(count, microbatchOf(entry) + 1);
  return count;
}

std::vector<Execution::Call>
Execution::callsOfStep(int64_t microbatches) const {
  std::vector<Call> calls;
  if (mlir::ArrayAttr entries = scheduleOf(module)) {
    for (mlir::Attribute entry : entries)
      calls.push_back({llvm::cast<mlir::DictionaryAttr>(entry)
                           .getAs<mlir::FlatSymbolRefAttr>("call")
                           .getValue()
                           .str(),
                       microbatchOf(entry)});
    return calls;
  }
  auto add = [&, module = module](StringRef function, int64_t count) mutable {
    if (module.lookupSymbol<mlir::func::FuncOp>(function))
      for (int64_t microbatch = 0; microbatch < count; ++microbatch)
        calls.push_back({function.str(), microbatch});
  };
  add("weigh", microbatches);
  add("seed", 1);
  add("stage0", microbatches);
  add("stage0_reduce", 1);
  add("stage0_update", 1);
  return calls;
}

LogicalResult Execution::step(int64_t microbatches,
                              llvm::function_ref<void(StringRef)> beforeCall) {
  for (pipe::SlotOp slot : slotOps)
    if (slot.getLifetime() == "step")
      values.erase(keyOf(slot, 0));
  for (const Call &next : callsOfStep(microbatches)) {
    if (beforeCall)
      beforeCall(next.function);
    if (failed(call(next.function, next.microbatch)))
      return failure();
  }
  return success();
}

StringRef interpreter::storedName(pipe::SlotOp parameter) {
  return parameter.getStored().value_or(parameter.getSymName());
}
