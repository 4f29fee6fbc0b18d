// SPDX-License-Identifier: Apache-2.0
//
// The prog dialect: registration and verifiers.
#include "weft/IR/Prog/Prog.h"
#include "mlir/IR/Builders.h"
#include "weft/IR/NN/NN.h"

using namespace mlir;
using namespace weft::prog;

#include "weft/IR/Prog/ProgDialect.cpp.inc"
#define GET_OP_CLASSES
#include "weft/IR/Prog/ProgOps.cpp.inc"

void ProgDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "weft/IR/Prog/ProgOps.cpp.inc"
      >();
}

Operation *FusedOp::getRowKernel() {
  for (Operation &op : getBody().front())
    if (weft::nn::goesByRows(&op))
      return &op;
  return nullptr;
}

/// C4
static LogicalResult verifyRowKernel(FusedOp fused, Operation *kernel) {
  Block &body = fused.getBody().front();
  auto withoutSwap = [](Value value) {
    auto swap = weft::nn::swapOfHeads(value.getDefiningOp());
    return swap ? swap.getInput() : value;
  };
  auto operands = llvm::map_range(kernel->getOperands(), withoutSwap);
  auto yielded =
      llvm::map_range(body.getTerminator()->getOperands(), withoutSwap);
  if (llvm::equal(operands, body.getArguments()) &&
      llvm::equal(yielded, kernel->getResults()))
    return success();
  return fused.emitOpError("does not pass its operands and results to and from "
                           "its row kernel one by one");
}

LogicalResult FusedOp::verify() {
  Block &body = getBody().front();
  // C1
  if (body.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("block arguments do not have the operands' types");
  // C2
  auto yield = dyn_cast<YieldOp>(body.back());
  if (!yield || yield.getOperandTypes() != getResultTypes())
    return emitOpError("yielded types are not the results' types");
  // C3
  if (Operation *kernel = getRowKernel())
    return verifyRowKernel(*this, kernel);
  for (Type type : getResultTypes())
    if (cast<RankedTensorType>(type).getShape() !=
        cast<RankedTensorType>(getResultTypes().front()).getShape())
      return emitOpError("results differ in shape: got ")
             << type << " and " << getResultTypes().front();
  return success();
}

LogicalResult WindowOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  int64_t dim = getDim();
  // C1
  if (dim < 0 || dim >= input.getRank())
    return emitOpError("dim is out of range: got ")
           << dim << ", expected less than " << input.getRank();
  // C2
  SmallVector<int64_t> shape(input.getShape());
  if (result.getRank() == input.getRank())
    shape[dim] = result.getDimSize(dim);
  if (result != input.clone(shape))
    return emitOpError("result differs in more than the dim: got ")
           << result << ", expected " << input.clone(shape);
  return success();
}

LogicalResult BufferOp::verify() {
  // C1
  if (regionNumber(getRegion()) < 0)
    return emitOpError("region is unknown: got \"")
           << getRegion() << "\", expected run, step, microbatch or input";
  // C2
  int64_t offset = getOffset();
  if (offset != -1 && (offset < 0 || offset % 64))
    return emitOpError("offset is not a multiple of 64: got ") << offset;
  return success();
}

LogicalResult ViewOp::verify() {
  auto input = cast<MemRefType>(getInput().getType());
  auto result = cast<MemRefType>(getResult().getType());
  // C1
  if (input.getNumElements() != result.getNumElements() ||
      input.getElementType() != result.getElementType())
    return emitOpError("memory differs: got ")
           << result << ", expected as many elements of the type of " << input;
  return success();
}

LogicalResult CollectiveOp::verify() {
  // C1
  if (getInputs().size() != getOutputs().size())
    return emitOpError("numbers of operands differ: got ")
           << getInputs().size() << " inputs and " << getOutputs().size()
           << " outputs";
  return success();
}

LogicalResult CopyOp::verify() {
  // C1
  if (getSource().getType() != getTarget().getType())
    return emitOpError("types differ: got ")
           << getSource().getType() << " and " << getTarget().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Questions
//===----------------------------------------------------------------------===//

namespace weft::prog {

int regionNumber(StringRef name) {
  const auto *found = llvm::find(kRegionNames, name);
  return found == std::end(kRegionNames) ? -1 : found - kRegionNames;
}

BufferOp bufferOf(Value memref) {
  while (auto view = memref.getDefiningOp<ViewOp>())
    memref = view.getInput();
  return memref.getDefiningOp<BufferOp>();
}

template <typename Effect> static SmallVector<Value> affectedBy(Operation *op) {
  SmallVector<MemoryEffects::EffectInstance> effects;
  if (auto affecting = dyn_cast<MemoryEffectOpInterface>(op))
    affecting.getEffects(effects);
  SmallVector<Value> values;
  for (const MemoryEffects::EffectInstance &effect : effects)
    if (effect.getValue() && isa<Effect>(effect.getEffect()))
      values.push_back(effect.getValue());
  return values;
}

SmallVector<Value> readBy(Operation *op) {
  return affectedBy<MemoryEffects::Read>(op);
}

SmallVector<Value> writtenBy(Operation *op) {
  return affectedBy<MemoryEffects::Write>(op);
}

StringRef nameOf(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName().getValue();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (StringRef name = nameOf(part); !name.empty())
        return name;
  return {};
}

} // namespace weft::prog
