// SPDX-License-Identifier: Apache-2.0
//
// Every node once per vector. Inputs that repeat along the vector are loaded as
// scalars and splatted, strided ones lane by lane.

#include "RegionNodes.h"

#include "ScalarOps.h"

using namespace mlir;

namespace weft {

Value toMemory(KernelBuilder &b, Value value) {
  if (!elementOf(value).isInteger(1))
    return value;
  return arith::ExtUIOp::create(b, typeLike(value, b.getI8Type()), value);
}

SmallVector<Type> inputTypes(const ElementwiseSpec &spec) {
  SmallVector<Type> types;
  for (const ElementwiseInput &input : spec.inputs)
    types.push_back(MemRefType::get(input.memory, storedType(input.type)));
  return types;
}

Values RegionNodes::begins() {
  Values bases;
  for (const ElementwiseInput &input : spec.inputs)
    bases.push_back(b.index(input.offset));
  return bases;
}

Values RegionNodes::evaluate(const VectorDim &dim, ArrayRef<Value> bases,
                             Value position, Value mask, Value given) {
  Values values;
  for (const ScalarNode &node : spec.nodes) {
    if (node.op == Scalar::Given) {
      values.push_back(given);
      continue;
    }
    if (node.op == Scalar::Input) {
      values.push_back(loadInput(node.index, dim, bases, position, mask));
      continue;
    }
    if (node.op == Scalar::Iota) {
      values.push_back(iota(node, dim, position));
      continue;
    }
    if (node.op == Scalar::Constant) {
      values.push_back(b.splat(b.constant(node.type, node.value), dim.lanes));
      continue;
    }
    Values operands;
    for (unsigned operand : node.operands)
      operands.push_back(values[operand]);
    values.push_back(emitScalar(b, node.op, node.type, operands));
  }
  return values;
}

Value RegionNodes::loadInput(unsigned index, const VectorDim &dim,
                             ArrayRef<Value> bases, Value position,
                             Value mask) {
  int64_t lanes = dim.lanes, stride = dim.strides[index];
  Value at = b.at(bases[index], position, stride), memory = b.arg(index);
  bool isBool = spec.inputs[index].type.isInteger(1);
  auto boolean = [&](Value value) -> Value {
    if (!isBool)
      return value;
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value,
                                 b.integerLike(value, 0));
  };
  if (stride == 0)
    return b.splat(boolean(b.loadStored(memory, at)), lanes);
  if (stride == 1 && dim.isFetched && !mask)
    b.fetchAhead(memory, at, lanes, Fetch::Near);
  if (stride == 1 || lanes == 1)
    return boolean(b.loadStored(memory, at, lanes, mask));
  return boolean(gather(memory, at, stride, lanes, mask));
}

Value RegionNodes::gather(Value memory, Value at, int64_t stride, int64_t lanes,
                          Value mask) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  VectorType type = b.vec(lanes, element);
  Value offsets =
      b.mul(vector::StepOp::create(b, b.vec(lanes, b.getIndexType())),
            b.splat(b.index(stride), lanes));
  if (!mask)
    mask = b.constant(b.vec(lanes, b.getI1Type()), 1);
  return vector::GatherOp::create(b, type, memory, ValueRange{at}, offsets,
                                  mask, b.constant(type, 0));
}

Value RegionNodes::iota(const ScalarNode &node, const VectorDim &dim,
                        Value position) {
  bool inner = dim.iota == node.index;
  Value start = inner ? position : counters[node.index];
  Value count =
      b.splat(arith::IndexCastOp::create(b, b.getI64Type(), start), dim.lanes);
  if (inner && dim.lanes > 1) {
    auto steps = llvm::to_vector(llvm::seq<int64_t>(0, dim.lanes));
    count =
        b.add(count, arith::ConstantOp::create(b, b.getI64VectorAttr(steps)));
  }
  return emitScalar(b, Scalar::Cast, node.type, {count});
}

} // namespace weft
