// SPDX-License-Identifier: Apache-2.0
//
// Verifiers of the dist ops. Labels are those of DistOps.td.
#include "weft/IR/Dist/Dist.h"

using namespace mlir;
using namespace weft::dist;

static LogicalResult verifyAxes(Operation *op, MeshAttr mesh, ArrayAttr axes) {
  for (auto name : axes.getAsRange<StringAttr>())
    if (!mesh.getMesh().lookup(name))
      return op->emitOpError("axis ") << name << " is not in the mesh " << mesh;
  return success();
}

static LogicalResult verifyKind(Operation *op, StringRef kind) {
  if (!weft::parseReduceKind(kind))
    return op->emitOpError("unknown reduction \"")
           << kind << "\", expected sum, max, min or product";
  return success();
}

static LogicalResult verifyDims(Operation *op, ArrayRef<int64_t> dims,
                                TypeRange types) {
  if (dims.size() != types.size())
    return op->emitOpError("number of dims does not match the operands: got ")
           << dims.size() << ", expected " << types.size();
  for (auto [dim, type] : llvm::zip(dims, types)) {
    int64_t rank = cast<RankedTensorType>(type).getRank();
    if (dim < 0 || dim >= rank)
      return op->emitOpError("dim ") << dim << " is out of range for " << type;
  }
  return success();
}

/// Checks that each of `larger` is `type` with `dim` multiplied by `factor`.
static LogicalResult verifyScaled(Operation *op, TypeRange smaller,
                                  TypeRange larger, ArrayRef<int64_t> dims,
                                  int64_t factor) {
  if (smaller.size() != larger.size())
    return op->emitOpError(
               "number of results does not match the operands: got ")
           << op->getNumResults() << ", expected " << op->getNumOperands();
  for (auto [small, large, dim] : llvm::zip(smaller, larger, dims)) {
    auto smallType = cast<RankedTensorType>(small);
    SmallVector<int64_t> shape(smallType.getShape());
    shape[dim] *= factor;
    auto expected = RankedTensorType::get(shape, smallType.getElementType());
    if (large != expected)
      return op->emitOpError("size along dim ")
             << dim << " does not fit a group of " << factor << ": got "
             << small << " and " << large;
  }
  return success();
}

LogicalResult ConstrainOp::verify() {
  auto inputType = cast<RankedTensorType>(getInput().getType());
  // C1
  if (inputType != getResult().getType())
    return emitOpError("type of the result differs from the operand's: got ")
           << getResult().getType() << ", expected " << inputType;
  // C2
  auto resolved = weft::resolveConstraint(meshOf(*this).getMesh(),
                                          getConstraint().getConstraint(),
                                          inputType.getRank());
  if (!resolved.message.empty())
    return emitOpError() << resolved.message;
  return success();
}

LogicalResult RedistributeOp::verify() {
  auto inputType = cast<RankedTensorType>(getInput().getType());
  auto resultType = cast<RankedTensorType>(getResult().getType());
  // C1
  if (withoutLayout(inputType) != withoutLayout(resultType))
    return emitOpError("shape or element type changes: got ")
           << withoutLayout(resultType) << ", expected "
           << withoutLayout(inputType);
  // C2
  LayoutAttr from = layoutOf(inputType), to = layoutOf(resultType);
  if (!from || !to || from.getMesh() != to.getMesh())
    return emitOpError("needs layouts on one mesh, got ")
           << inputType << " and " << resultType;
  return success();
}

LogicalResult CoordinateOp::verify() {
  return verifyAxes(*this, getMesh(), getAxes()); // C1
}

LogicalResult ExtentOp::verify() {
  return verifyAxes(*this, getMesh(), getAxes()); // C1
}

LogicalResult ShardSliceOp::verify() {
  auto inputType = cast<RankedTensorType>(getInput().getType());
  int64_t dim = getDim();
  // C1
  if (failed(verifyAxes(*this, getMesh(), getAxes())))
    return failure();
  // C2
  if (dim < 0 || dim >= inputType.getRank())
    return emitOpError("dim ") << dim << " is out of range for " << inputType;
  // C3
  SmallVector<int64_t> shape(inputType.getShape());
  shape[dim] = llvm::divideCeil(shape[dim], groupSize(getMesh(), getAxes()));
  auto expected = RankedTensorType::get(shape, inputType.getElementType());
  if (getResult().getType() != expected)
    return emitOpError("type of the result is wrong: got ")
           << getResult().getType() << ", expected " << expected;
  return success();
}

LogicalResult MakePartialOp::verify() {
  // C1
  if (failed(verifyAxes(*this, getMesh(), getAxes())))
    return failure();
  // C2
  if (getInput().getType() != getResult().getType())
    return emitOpError("type of the result differs from the operand's: got ")
           << getResult().getType() << ", expected " << getInput().getType();
  // C3
  return verifyKind(*this, getKind());
}

LogicalResult AllGatherOp::verify() {
  // C1, C2, C3
  if (failed(verifyAxes(*this, getMesh(), getAxes())) ||
      failed(verifyDims(*this, getDims(), getInputs().getTypes())))
    return failure();
  return verifyScaled(*this, getInputs().getTypes(), getResultTypes(),
                      getDims(), groupSize(getMesh(), getAxes()));
}

LogicalResult AllReduceOp::verify() {
  // C1, C2
  if (failed(verifyAxes(*this, getMesh(), getAxes())) ||
      failed(verifyKind(*this, getKind())))
    return failure();
  // C3
  if (getInputs().getTypes() != getResultTypes())
    return emitOpError("types of the results differ from the operands'");
  return success();
}

LogicalResult ReduceScatterOp::verify() {
  // C1, C2, C3
  if (failed(verifyAxes(*this, getMesh(), getAxes())) ||
      failed(verifyKind(*this, getKind())) ||
      failed(verifyDims(*this, getDims(), getInputs().getTypes())))
    return failure();
  // C4
  return verifyScaled(*this, getResultTypes(), getInputs().getTypes(),
                      getDims(), groupSize(getMesh(), getAxes()));
}

LogicalResult AllToAllOp::verify() {
  // C1, C2
  if (failed(verifyAxes(*this, getMesh(), getAxes())) ||
      failed(verifyDims(*this, getSplitDims(), getInputs().getTypes())) ||
      failed(verifyDims(*this, getConcatDims(), getInputs().getTypes())))
    return failure();
  // C3
  int64_t size = groupSize(getMesh(), getAxes());
  if (getResults().size() != getInputs().size())
    return emitOpError("number of results does not match the operands: got ")
           << getNumResults() << ", expected " << getNumOperands();
  for (auto [k, input] : llvm::enumerate(getInputs().getTypes())) {
    auto type = cast<RankedTensorType>(input);
    SmallVector<int64_t> shape(type.getShape());
    shape[getConcatDims()[k]] *= size;
    if (shape[getSplitDims()[k]] % size)
      return emitOpError("size ")
             << shape[getSplitDims()[k]] << " along the split dim is not "
             << "divisible by the group of " << size;
    shape[getSplitDims()[k]] /= size;
    auto expected = RankedTensorType::get(shape, type.getElementType());
    if (getResults()[k].getType() != expected)
      return emitOpError("type of result ")
             << k << " is wrong: got " << getResults()[k].getType()
             << ", expected " << expected;
  }
  return success();
}

LogicalResult PermuteOp::verify() {
  // C1
  if (failed(verifyAxes(*this, getMesh(), getAxes())))
    return failure();
  // C2
  SmallVector<int64_t> sorted(getSources());
  llvm::sort(sorted);
  bool isPermutation =
      static_cast<int64_t>(sorted.size()) == groupSize(getMesh(), getAxes());
  for (auto [i, source] : llvm::enumerate(sorted))
    isPermutation &= static_cast<int64_t>(i) == source;
  if (!isPermutation)
    return emitOpError("sources are not a permutation of a group of ")
           << groupSize(getMesh(), getAxes());
  // C3
  if (getInputs().getTypes() != getResultTypes())
    return emitOpError("types of the results differ from the operands'");
  return success();
}

LogicalResult StartOp::verify() {
  // C1
  Block &body = getBody().front();
  auto yield = dyn_cast<YieldOp>(body.back());
  if (llvm::range_size(body) != 2 || !isCollective(&body.front()) || !yield ||
      !llvm::equal(yield.getOperands(), body.front().getResults()))
    return emitOpError("region does not hold exactly one collective");
  if (body.getArgumentTypes() != getInputs().getTypes() ||
      !llvm::equal(body.getArguments(), body.front().getOperands()))
    return emitOpError("collective is not on the operands, in order");
  // C2
  auto results = body.front().getResultTypes();
  bool matches = results.size() == getFutures().size();
  for (auto [future, result] : llvm::zip(getFutures().getTypes(), results))
    matches &= cast<FutureType>(future).getValueType() == result;
  if (!matches)
    return emitOpError("futures do not match the collective's results");
  return success();
}

LogicalResult WaitOp::verify() {
  // C1
  auto start = getFutures().empty()
                   ? StartOp()
                   : getFutures().front().getDefiningOp<StartOp>();
  if (!start || SmallVector<Value>(getFutures()) !=
                    SmallVector<Value>(start.getFutures()))
    return emitOpError("operands are not all futures of one start, in order");
  // C2
  for (Value future : getFutures())
    if (!future.hasOneUse())
      return emitOpError("a future is waited for more than once");
  // C3
  bool matches = getResults().size() == getFutures().size();
  for (auto [future, result] :
       llvm::zip(getFutures().getTypes(), getResultTypes()))
    matches &= cast<FutureType>(future).getValueType() == result;
  if (!matches)
    return emitOpError("types of the results are not the futures' value types");
  return success();
}
