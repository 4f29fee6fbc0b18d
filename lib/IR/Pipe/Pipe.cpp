// SPDX-License-Identifier: Apache-2.0
//
// The pipe dialect: verifiers, and binding of arguments and results to slots.
#include "weft/IR/Pipe/Pipe.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace weft::pipe;

#include "weft/IR/Pipe/PipeDialect.cpp.inc"
#define GET_OP_CLASSES
#include "weft/IR/Pipe/PipeOps.cpp.inc"

void PipeDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "weft/IR/Pipe/PipeOps.cpp.inc"
      >();
}

static LogicalResult verifyMember(SlotOp op, StringRef what, StringRef value,
                                  ArrayRef<StringRef> allowed) {
  if (llvm::is_contained(allowed, value))
    return success();
  return op.emitOpError(what)
         << " is unknown: got \"" << value << "\", expected one of "
         << llvm::join(allowed, ", ");
}

LogicalResult SlotOp::verify() {
  // C1
  if (failed(
          verifyMember(*this, "kind", getKind(),
                       {"parameter", "buffer", "gradient", "optimizer", "saved",
                        "activation", "cotangent", "input", "scalar"})) ||
      failed(verifyMember(*this, "lifetime", getLifetime(),
                          {"run", "step", "microbatch"})))
    return failure();
  // C2
  if (!isa<RankedTensorType>(getType()))
    return emitOpError("type is not a ranked tensor: got ") << getType();
  // C3
  if (auto reduce = getReduce())
    if (failed(verifyMember(*this, "reduce", *reduce, {"each", "last"})))
      return failure();
  // C4
  if (auto type = getReduceType())
    if (!type->isF32() && !type->isBF16())
      return emitOpError("reduce_type is unknown: got ")
             << *type << ", expected f32 or bf16";
  return success();
}

LogicalResult ScheduleOp::verify() {
  for (Attribute entry : getEntries()) {
    auto dictionary = dyn_cast<DictionaryAttr>(entry);
    // C1
    auto call = dictionary ? dictionary.getAs<FlatSymbolRefAttr>("call")
                           : FlatSymbolRefAttr();
    if (!call || !SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
                     getOperation(), call))
      return emitOpError("entry does not name a function: got ") << entry;
    // C2
    auto microbatch = dictionary.getAs<IntegerAttr>("microbatch");
    if (dictionary.contains("microbatch") &&
        (!microbatch || microbatch.getInt() < 0))
      return emitOpError("microbatch is not a number from 0: got ") << entry;
  }
  return success();
}

namespace weft::pipe {

FlatSymbolRefAttr slotOfArgument(func::FuncOp function, int index) {
  return function.getArgAttrOfType<FlatSymbolRefAttr>(index, kSlotAttrName);
}

FlatSymbolRefAttr slotOfResult(func::FuncOp function, int index) {
  return function.getResultAttrOfType<FlatSymbolRefAttr>(index, kSlotAttrName);
}

int resultOfSlot(func::FuncOp function, StringRef slot) {
  for (int i = 0, e = function.getNumResults(); i < e; ++i)
    if (auto name = slotOfResult(function, i); name && name.getValue() == slot)
      return i;
  return -1;
}

static LogicalResult verifyBinding(func::FuncOp function, StringRef what,
                                   Type type, FlatSymbolRefAttr name,
                                   SymbolTable &symbols) {
  if (!name)
    return function.emitError()
           << what << " of @" << function.getName() << " names no slot";
  auto slot = symbols.lookup<SlotOp>(name.getValue());
  if (!slot)
    return function.emitError() << what << " of @" << function.getName()
                                << " names no known slot: got " << name;
  if (slot.getType() != type)
    return function.emitError()
           << what << " of @" << function.getName()
           << " has another type than its slot " << name << ": got " << type
           << ", expected " << slot.getType();
  return success();
}

LogicalResult verifyBindings(func::FuncOp function, SymbolTable &symbols) {
  bool isOk = true;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
    isOk &= succeeded(verifyBinding(function, "an argument", type,
                                    slotOfArgument(function, i), symbols));
  for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
    isOk &= succeeded(verifyBinding(function, "a result", type,
                                    slotOfResult(function, i), symbols));
  return success(isOk);
}

static DictionaryAttr slotAttrs(MLIRContext *context, StringRef slot) {
  NamedAttribute attr(StringAttr::get(context, kSlotAttrName),
                      FlatSymbolRefAttr::get(context, slot));
  return DictionaryAttr::get(context, attr);
}

BlockArgument addArgument(func::FuncOp function, RankedTensorType type,
                          StringRef slot) {
  unsigned index = function.getNumArguments();
  (void)function.insertArgument(
      index, type, slotAttrs(function.getContext(), slot), function.getLoc());
  return function.getArgument(index);
}

void addResult(func::FuncOp function, Value value, StringRef slot) {
  Operation *terminator = function.front().getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), value);
  (void)function.insertResult(function.getNumResults(), value.getType(),
                              slotAttrs(function.getContext(), slot));
}

SlotOp createSlot(ModuleOp module, Location loc, StringRef name,
                  RankedTensorType type, StringRef kind, StringRef lifetime) {
  OpBuilder builder(module.getContext());
  // From the end, where a few functions are: slots are many.
  Operation *last =
      module.getBody()->empty() ? nullptr : &module.getBody()->back();
  while (last && !isa<SlotOp>(last))
    last = last->getPrevNode();
  if (last)
    builder.setInsertionPointAfter(last);
  else
    builder.setInsertionPointToStart(module.getBody());
  return SlotOp::create(
      builder, loc, builder.getStringAttr(name), TypeAttr::get(type),
      builder.getStringAttr(kind), builder.getStringAttr(lifetime),
      StringAttr(), ArrayAttr(), UnitAttr(), StringAttr(),
      dist::ConstraintAttr(), dist::ConstraintAttr(), dist::ConstraintAttr(),
      StringAttr(), TypeAttr(), FlatSymbolRefAttr(), FloatAttr());
}

} // namespace weft::pipe
