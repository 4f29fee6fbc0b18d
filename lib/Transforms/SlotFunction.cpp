// SPDX-License-Identifier: Apache-2.0
//
// Functions over slots, loss terms, and wishes over groups of axes.
#include "SlotFunction.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace weft;

dist::ConstraintAttr weft::wishForAxes(MLIRContext *context,
                                       ArrayRef<StringLiteral> axes,
                                       Placement placement) {
  Constraint wishes;
  for (StringRef axis : axes)
    wishes.entries.push_back({axis.str(), placement});
  return dist::ConstraintAttr::get(context, wishes);
}

Value weft::constrain(nn::Expressions &e, Value value,
                      dist::ConstraintAttr constraint) {
  if (!constraint || constraint.getConstraint().entries.empty())
    return value;
  return dist::ConstrainOp::create(e.builder, e.loc, nn::plainType(value),
                                   value, constraint);
}

SmallVector<Value> weft::constrainTogether(nn::Expressions &e,
                                           ValueRange values,
                                           dist::ConstraintAttr wish) {
  if (values.size() == 1)
    return {constrain(e, values.front(), wish)};
  SmallVector<Value> parts, results;
  for (Value value : values)
    parts.push_back(e.reshape(value, nn::plainType(value).getNumElements()));
  Value vector = constrain(e, e.concat(parts, /*dim=*/0), wish);
  int64_t begin = 0;
  for (Value value : values) {
    int64_t size = nn::plainType(value).getNumElements();
    Value part = e.slice(vector, /*dim=*/0, begin, size);
    results.push_back(e.reshape(part, nn::plainType(value).getShape()));
    begin += size;
  }
  return results;
}

SmallVector<LossTerm> weft::lossTerms(ModuleOp module) {
  SmallVector<LossTerm> terms;
  for (auto slot : module.getOps<pipe::SlotOp>()) {
    std::optional<APFloat> coefficient = slot.getCoefficient();
    StringRef name = slot.getSymName();
    if (!coefficient || !name.consume_back(".sum"))
      continue;
    terms.push_back({slot, slot.getSymName().str(), name.str() + ".weight",
                     name.str() + ".seed", coefficient->convertToDouble()});
  }
  return terms;
}

SlotTable::SlotTable(ModuleOp module) : module(module) {
  for (auto slot : module.getOps<pipe::SlotOp>())
    slots[slot.getSymName()] = slot;
}

pipe::SlotOp SlotTable::create(Location loc, StringRef name,
                               RankedTensorType type, StringRef kind,
                               StringRef lifetime) {
  return slots[name] =
             pipe::createSlot(module, loc, name, type, kind, lifetime);
}

pipe::SlotOp SlotTable::getOrCreate(Location loc, StringRef name,
                                    RankedTensorType type, StringRef kind,
                                    StringRef lifetime) {
  pipe::SlotOp known = lookup(name);
  return known ? known : create(loc, name, type, kind, lifetime);
}

void weft::markAccumulator(pipe::SlotOp slot) {
  slot.setLifetime("step");
  if (!slot.getConstraint())
    slot.setConstraintAttr(
        wishForAxes(slot.getContext(), kDataAxes, Placement::partial(0)));
}

void weft::eraseDeadOps(func::FuncOp function) {
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

static DictionaryAttr slotAttrs(MLIRContext *context, StringRef slot) {
  NamedAttribute attr(StringAttr::get(context, pipe::kSlotAttrName),
                      FlatSymbolRefAttr::get(context, slot));
  return DictionaryAttr::get(context, attr);
}

llvm::DenseMap<Attribute, BlockArgument>
weft::argumentsBySlot(func::FuncOp function) {
  llvm::DenseMap<Attribute, BlockArgument> arguments;
  for (BlockArgument argument : function.getArguments())
    if (auto slot = pipe::slotOfArgument(function, argument.getArgNumber()))
      arguments.try_emplace(slot, argument);
  return arguments;
}

SlotFunction::SlotFunction(func::FuncOp function, const SlotTable &slots)
    : function(function), slots(slots),
      builder(function.front().getTerminator()) {
  for (BlockArgument argument : function.getArguments())
    if (auto slot = pipe::slotOfArgument(function, argument.getArgNumber()))
      arguments[slot.getValue()] = argument;
}

SlotFunction SlotFunction::create(const SlotTable &slots, Location loc,
                                  StringRef name) {
  auto builder = OpBuilder::atBlockEnd(ModuleOp(slots.module).getBody());
  auto function =
      func::FuncOp::create(builder, loc, name, builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  func::ReturnOp::create(builder, loc);
  return SlotFunction(function, slots);
}

Value SlotFunction::read(StringRef slot) {
  Value &argument = arguments[slot];
  if (!argument) {
    pipe::SlotOp op = slots.lookup(slot);
    argument = function.front().addArgument(op.getType(), function.getLoc());
    newArguments.push_back(slotAttrs(function.getContext(), slot));
  }
  return argument;
}

void SlotFunction::write(StringRef slot, Value value) {
  newResults.push_back(value);
  newResultSlots.push_back(slotAttrs(function.getContext(), slot));
}

/// `old` with attributes for what was added behind it.
static ArrayAttr extended(Builder &builder, ArrayAttr old, size_t oldSize,
                          ArrayRef<Attribute> added) {
  SmallVector<Attribute> all(oldSize, builder.getDictionaryAttr({}));
  if (old)
    llvm::copy(old, all.begin());
  all.append(added.begin(), added.end());
  return builder.getArrayAttr(all);
}

void SlotFunction::finish() {
  if (isFinished())
    return;
  Operation *terminator = function.front().getTerminator();
  size_t oldArguments = function.getFunctionType().getNumInputs();
  size_t oldResults = function.getFunctionType().getNumResults();
  terminator->insertOperands(terminator->getNumOperands(), newResults);
  ArrayAttr argumentAttrs =
      extended(builder, function.getArgAttrsAttr(), oldArguments, newArguments);
  ArrayAttr resultAttrs =
      extended(builder, function.getResAttrsAttr(), oldResults, newResultSlots);
  function.setFunctionType(builder.getFunctionType(
      function.front().getArgumentTypes(), terminator->getOperandTypes()));
  function.setArgAttrsAttr(argumentAttrs);
  function.setResAttrsAttr(resultAttrs);
  newArguments.clear();
  newResults.clear();
  newResultSlots.clear();
}
