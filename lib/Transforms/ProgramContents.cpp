// SPDX-License-Identifier: Apache-2.0
//
// Keeps, per region, disjoint intervals of bytes with the slot or temporary
// that each was last written as. Slots hold their values when a function
// begins, and must when it ends.
#include "ProgramContents.h"

using namespace mlir;

namespace weft {

static std::string nameOf(Operation *owner) {
  if (auto slot = dyn_cast<pipe::SlotOp>(owner))
    return ("slot @" + slot.getSymName()).str();
  StringRef name = prog::nameOf(owner->getLoc());
  return "\"" + (name.empty() ? "a temporary" : name.str()) + "\"";
}

Operation *ProgramContents::ownerOf(prog::BufferOp buffer) {
  auto slot = buffer.getSlot();
  Operation *op = slot ? symbols.lookup(*slot) : nullptr;
  return op ? op : buffer;
}

InFlightDiagnostic ProgramContents::error(Operation &op) {
  isOk = false;
  return op.emitOpError();
}

void ProgramContents::checkLent(Operation &op, const Range &range,
                                bool isWrite) {
  for (const Lent &part : lent)
    if (part.range.region == range.region && part.range.begin < range.end &&
        range.begin < part.range.end && (isWrite || part.isOutput)) {
      error(op) << (isWrite ? "writes" : "reads") << " memory of call "
                << part.id << " before it is waited for";
      return;
    }
}

void ProgramContents::read(Operation &op, Value memref) {
  prog::BufferOp buffer = prog::bufferOf(memref);
  int64_t begin = buffer.getOffset();
  int64_t end = begin + prog::bytesOf(buffer.getType());
  if (begin == end) // no elements: there is nothing to read
    return;
  checkLent(op, {buffer.getRegion(), begin, end}, /*isWrite=*/false);
  auto found = contents.find({buffer.getRegion(), begin});
  Operation *owner = ownerOf(buffer);
  if (found != contents.end() && found->second.owner == owner &&
      found->second.end == end)
    return;
  // The first other writer within the bytes, to name it.
  auto other = contents.lower_bound({buffer.getRegion(), begin});
  for (; other != contents.end() && other->first.first == buffer.getRegion() &&
         other->first.second < end;
       ++other)
    if (other->second.owner != owner) {
      error(op) << "reads " << nameOf(owner) << " where "
                << nameOf(other->second.owner) << " lies: byte "
                << other->first.second << " of region \"" << buffer.getRegion()
                << "\"";
      return;
    }
  error(op) << "reads " << nameOf(owner) << ", of which not all is written";
}

void ProgramContents::write(Operation &op, Value memref,
                            ArrayRef<Value> others) {
  prog::BufferOp buffer = prog::bufferOf(memref);
  Range range{buffer.getRegion(), static_cast<int64_t>(buffer.getOffset()), 0};
  range.end = range.begin + prog::bytesOf(buffer.getType());
  if (range.begin == range.end)
    return;
  checkLent(op, range, /*isWrite=*/true);
  for (Value used : others) {
    prog::BufferOp other = prog::bufferOf(used);
    int64_t begin = other.getOffset();
    int64_t end = begin + prog::bytesOf(other.getType());
    if (ownerOf(other) != ownerOf(buffer) &&
        other.getRegion() == range.region && begin < range.end &&
        range.begin < end)
      error(op) << "writes " << nameOf(ownerOf(buffer)) << " over its operand "
                << nameOf(ownerOf(other));
  }
  auto next = contents.lower_bound({range.region, range.begin});
  if (next != contents.begin()) {
    auto before = std::prev(next);
    bool overlaps =
        before->first.first == range.region && before->second.end > range.begin;
    if (overlaps) {
      Content tail = before->second;
      before->second.end = range.begin;
      if (tail.end > range.end)
        contents[{range.region, range.end}] = tail;
    }
  }
  while (next != contents.end() && next->first.first == range.region &&
         next->first.second < range.end) {
    Content cut = next->second;
    next = contents.erase(next);
    if (cut.end > range.end)
      contents[{range.region, range.end}] = cut;
  }
  contents[{range.region, range.begin}] = {range.end, ownerOf(buffer)};
}

void ProgramContents::lend(prog::CollectiveOp op) {
  auto add = [&](ValueRange memrefs, bool isOutput) {
    for (Value memref : memrefs) {
      prog::BufferOp buffer = prog::bufferOf(memref);
      int64_t begin = buffer.getOffset();
      lent.push_back(
          {static_cast<int64_t>(op.getId()),
           {buffer.getRegion(), begin, begin + prog::bytesOf(buffer.getType())},
           isOutput});
    }
  };
  add(op.getInputs(), /*isOutput=*/false);
  add(op.getOutputs(), /*isOutput=*/true);
}

void ProgramContents::visit(Operation &op) {
  SmallVector<Value> used = prog::readBy(&op);
  for (Value input : used)
    read(op, input);
  for (Value output : prog::writtenBy(&op)) {
    write(op, output, used);
    used.push_back(output);
  }
  if (auto collective = dyn_cast<prog::CollectiveOp>(op))
    lend(collective);
  if (auto wait = dyn_cast<prog::WaitOp>(op))
    llvm::erase_if(lent, [&](const Lent &part) {
      return part.id == static_cast<int64_t>(wait.getId());
    });
}

/// Where a slot lies; it begins at -1 if it was given no place.
static std::pair<StringRef, int64_t> placeOf(pipe::SlotOp slot) {
  auto region = slot->getAttrOfType<StringAttr>(prog::kRegionAttrName);
  auto offset = slot->getAttrOfType<IntegerAttr>(prog::kOffsetAttrName);
  return {region ? region.getValue() : "", offset ? offset.getInt() : -1};
}

static int64_t bytesOf(pipe::SlotOp slot) {
  auto type = cast<RankedTensorType>(slot.getType());
  return prog::bytesOf(dist::layoutOf(type) ? dist::localType(type) : type);
}

LogicalResult ProgramContents::verify() {
  auto slots = function->getParentOfType<ModuleOp>().getOps<pipe::SlotOp>();
  for (auto slot : slots)
    contents[placeOf(slot)] = {placeOf(slot).second + bytesOf(slot), slot};
  for (Operation &op : function.front())
    visit(op);
  for (auto slot : slots) {
    auto found = contents.find(placeOf(slot));
    if (found != contents.end() && found->second.owner == slot &&
        found->second.end == placeOf(slot).second + bytesOf(slot))
      continue;
    error(*function) << "leaves something else in the memory of slot @"
                     << slot.getSymName();
  }
  return success(isOk);
}

} // namespace weft
