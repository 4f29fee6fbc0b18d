// SPDX-License-Identifier: Apache-2.0
//
// The prog dialect: registration and verifiers.
#include "weft/IR/Prog/Prog.h"
#include "mlir/IR/Builders.h"

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
  for (Type type : getResultTypes())
    if (cast<RankedTensorType>(type).getShape() !=
        cast<RankedTensorType>(getResultTypes().front()).getShape())
      return emitOpError("results differ in shape: got ")
             << type << " and " << getResultTypes().front();
  return success();
}

LogicalResult BufferOp::verify() {
  // C1
  StringRef region = getRegion();
  if (region != "run" && region != "step" && region != "microbatch" &&
      region != "input")
    return emitOpError("region is unknown: got \"")
           << region << "\", expected run, step, microbatch or input";
  // C2
  if (getOffset() != -1 && (getOffset() < 0 || getOffset() % 64))
    return emitOpError("offset is not a multiple of 64: got ") << getOffset();
  return success();
}

LogicalResult CopyOp::verify() {
  // C1
  if (getSource().getType() != getTarget().getType())
    return emitOpError("types differ: got ")
           << getSource().getType() << " and " << getTarget().getType();
  return success();
}
