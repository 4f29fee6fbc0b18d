// SPDX-License-Identifier: Apache-2.0
//
// A fused region as an ElementwiseSpec: one node per op of its body.
#include "weft/IR/NN/NN.h"
#include "weft/Target/KernelTable.h"
#include "weft/Transforms/FusedRegion.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace weft {

static Scalar scalarOf(nn::Predicate predicate) {
  switch (predicate) {
  case nn::Predicate::eq:
    return Scalar::Equal;
  case nn::Predicate::ne:
    return Scalar::NotEqual;
  case nn::Predicate::lt:
    return Scalar::Less;
  case nn::Predicate::le:
    return Scalar::LessEqual;
  case nn::Predicate::gt:
    return Scalar::Greater;
  case nn::Predicate::ge:
    return Scalar::GreaterEqual;
  }
  llvm_unreachable("unknown predicate");
}

/// The operation an elementwise op does on elements.
static Scalar scalarOf(Operation *op) {
  if (auto compare = dyn_cast<nn::CompareOp>(op))
    return scalarOf(compare.getPredicate());
  return llvm::StringSwitch<Scalar>(op->getName().stripDialect())
      .Case("neg", Scalar::Neg)
      .Case("abs", Scalar::Abs)
      .Case("exp", Scalar::Exp)
      .Case("log", Scalar::Log)
      .Case("expm1", Scalar::Expm1)
      .Case("log1p", Scalar::Log1p)
      .Case("sqrt", Scalar::Sqrt)
      .Case("rsqrt", Scalar::Rsqrt)
      .Case("sin", Scalar::Sin)
      .Case("cos", Scalar::Cos)
      .Case("tanh", Scalar::Tanh)
      .Case("erf", Scalar::Erf)
      .Case("sigmoid", Scalar::Sigmoid)
      .Case("silu", Scalar::Silu)
      .Case("gelu", Scalar::Gelu)
      .Case("gelu_tanh", Scalar::GeluTanh)
      .Case("relu", Scalar::Relu)
      .Case("logical_not", Scalar::Not)
      .Case("cast", Scalar::Cast)
      .Case("sub", Scalar::Sub)
      .Case("mul", Scalar::Mul)
      .Case("div", Scalar::Div)
      .Case("pow", Scalar::Pow)
      .Case("maximum", Scalar::Maximum)
      .Case("minimum", Scalar::Minimum)
      .Case("logical_and", Scalar::And)
      .Case("logical_or", Scalar::Or)
      .Case("select", Scalar::Select)
      .Cases({"add", "sum_of"}, Scalar::Add);
}

static Type elementType(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

namespace {

class RegionReader {
public:
  explicit RegionReader(prog::FusedOp op) : body(op.getBody().front()) {
    nn::ReduceOp reduction = reductionOf(op);
    Value loop = reduction ? reduction.getInput() : op.getResult(0);
    spec.shape = Shape(cast<RankedTensorType>(loop.getType()).getShape());
  }

  ElementwiseSpec read() {
    for (BlockArgument argument : body.getArguments())
      readInput(argument);
    for (Operation &op : body.without_terminator())
      readOp(&op);
    for (Value result : body.getTerminator()->getOperands()) {
      auto reduction = result.getDefiningOp<nn::ReduceOp>();
      spec.outputs.push_back(
          nodes.lookup(reduction ? reduction.getInput() : result));
    }
    return std::move(spec);
  }

private:
  void readInput(BlockArgument argument) {
    auto type = cast<RankedTensorType>(argument.getType());
    if (llvm::any_of(argument.getUsers(), llvm::IsaPred<nn::ContractOp>)) {
      spec.inputs.push_back(
          {type.getElementType(), Shape(type.getShape()), {}});
      return; // read by the contraction
    }
    // What is not of the region's shape has one reader, a broadcast.
    Shape strides = rowMajorStrides(spec.shape);
    Value node = argument;
    for (Operation *user : argument.getUsers())
      if (auto broadcast = dyn_cast<nn::BroadcastOp>(user)) {
        strides = broadcastStrides(type.getShape(), broadcast.getDims(),
                                   spec.shape.size());
        node = broadcast.getResult();
      }
    spec.inputs.push_back(
        {type.getElementType(), Shape(type.getShape()), strides});
    add(node,
        {Scalar::Input, type.getElementType(), {}, argument.getArgNumber()});
  }

  void readOp(Operation *op) {
    // Read with its input; whoever runs the loop does the reduction.
    if (isa<nn::BroadcastOp, nn::ReduceOp>(op))
      return;
    Value result = op->getResult(0);
    Type type = elementType(result);
    if (isa<nn::ContractOp>(op))
      return add(result, {Scalar::Given, type, {}});
    if (std::optional<double> value = nn::splatElement(result))
      return add(result, {Scalar::Constant, type, {}, 0, *value});
    if (auto iota = dyn_cast<nn::IotaOp>(op))
      return add(
          result,
          {Scalar::Iota, type, {}, static_cast<unsigned>(iota.getDim())});
    SmallVector<unsigned, 3> operands;
    for (Value operand : op->getOperands())
      operands.push_back(nodes.lookup(operand));
    if (!isa<nn::SumOfOp>(op))
      return add(result, {scalarOf(op), type, operands});
    nodes[result] = operands.front();
    for (unsigned operand : ArrayRef(operands).drop_front())
      add(result, {Scalar::Add, type, {nodes.lookup(result), operand}});
  }

  void add(Value value, const ScalarNode &node) {
    nodes[value] = spec.nodes.size();
    spec.nodes.push_back(node);
  }

  Block &body;
  ElementwiseSpec spec;
  DenseMap<Value, unsigned> nodes;
};

} // namespace

ElementwiseSpec describeRegion(prog::FusedOp op) {
  return RegionReader(op).read();
}

} // namespace weft
