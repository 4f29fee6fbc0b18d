// SPDX-License-Identifier: Apache-2.0
//
// Sharding rules of elementwise ops, contraction, reduction and shape ops.
#include "RuleBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include <map>
#include <numeric>

using namespace mlir;

namespace weft::nn {

/// Operand sets in which an elementwise op is linear.
static void addLinearity(Operation *op, RuleBuilder &rule) {
  if (isa<AddOp, SubOp>(op)) {
    rule.linear({0, 1});
  } else if (isa<MulOp>(op)) {
    rule.linear({0}).linear({1});
  } else if (isa<DivOp, NegOp>(op)) {
    rule.linear({0});
  } else if (isa<SelectOp>(op)) {
    rule.linear({1, 2});
  } else if (isa<SumOfOp>(op)) {
    SmallVector<int> all(op->getNumOperands());
    std::iota(all.begin(), all.end(), 0);
    rule.linear(all);
  } else if (auto cast = dyn_cast<CastOp>(op)) {
    // A partial value passes a cast to a narrower type only where that is
    // asked for.
    auto from = getElementTypeOrSelf(cast.getInput().getType());
    auto to = getElementTypeOrSelf(cast.getType());
    if (isa<FloatType>(from) && isa<FloatType>(to) &&
        (cast.getOfParts() ||
         to.getIntOrFloatBitWidth() >= from.getIntOrFloatBitWidth()))
      rule.linear({0});
  }
}

ShardingRule elementwiseRule(Operation *op) {
  RuleBuilder rule;
  Dims dims = rule.addDims(shapeOf(op->getResult(0)));
  for (int i = 0, e = op->getNumOperands(); i < e; ++i)
    rule.operand(dims);
  rule.result(dims);
  addLinearity(op, rule);
  return rule.take();
}

ShardingRule ConstantOp::getShardingRule() {
  RuleBuilder rule;
  auto kind = getValue().isSplat() ? FactorKind::Parallel : FactorKind::Whole;
  return rule.result(rule.addDims(shapeOf(getResult()), kind)).take();
}

ShardingRule IotaOp::getShardingRule() {
  RuleBuilder rule;
  Dims dims;
  for (auto [i, size] : llvm::enumerate(shapeOf(getResult())))
    dims.factors.push_back(rule.add(
        size, i == getDim() ? FactorKind::Positional : FactorKind::Parallel));
  return rule.offset(getOffset()).result(dims).take();
}

ShardingRule ContractOp::getShardingRule() {
  Equation equation = *parseEquation(getEquation());
  RuleBuilder rule;
  std::map<char, int> factorOf;
  auto addTerm = [&](StringRef letters, ArrayRef<int64_t> shape) {
    Dims dims;
    for (auto [letter, size] : llvm::zip(letters, shape)) {
      auto [it, isNew] = factorOf.try_emplace(letter, -1);
      bool isReduced = !StringRef(equation.result).contains(letter);
      if (isNew)
        it->second = rule.add(size, isReduced ? FactorKind::Reduced
                                              : FactorKind::Parallel);
      dims.factors.push_back(it->second);
    }
    return dims;
  };
  rule.operand(addTerm(equation.lhs, shapeOf(getLhs())));
  rule.operand(addTerm(equation.rhs, shapeOf(getRhs())));
  rule.result(addTerm(equation.result, shapeOf(getResult())));
  return rule.linear({0}).linear({1}).take();
}

ShardingRule ReduceOp::getShardingRule() {
  RuleBuilder rule;
  Dims input, result;
  auto reduce = static_cast<ReduceKind>(getKind());
  // No communicator multiplies: the factors of a product stay together.
  bool isProduct = getKind() == ReduceOpKind::product;
  FactorKind reduced = isProduct ? FactorKind::Whole : FactorKind::Reduced;
  for (auto [i, size] : llvm::enumerate(shapeOf(getInput()))) {
    bool isReduced = llvm::is_contained(getDims(), static_cast<int64_t>(i));
    int factor =
        rule.add(size, isReduced ? reduced : FactorKind::Parallel, reduce);
    input.factors.push_back(factor);
    if (!isReduced)
      result.factors.push_back(factor);
  }
  rule.operand(input).result(result);
  if (getKind() == ReduceOpKind::sum)
    rule.linear({0});
  return rule.take();
}

ShardingRule BroadcastOp::getShardingRule() {
  RuleBuilder rule;
  Dims result = rule.addDims(shapeOf(getResult()));
  Dims input;
  for (int64_t dim : getDims())
    input.factors.push_back(result.factors[dim]);
  return rule.operand(input).result(result).take();
}

/// The dims [inBegin, inEnd) of the operand and [outBegin, outEnd) of the
/// result of a reshape that hold the same elements.
struct ReshapeGroup {
  size_t inBegin, inEnd, outBegin, outEnd;
};

/// Splits a reshape into its smallest groups, in order.
///
///   [4, 64, 512] -> [4, 64, 8, 64]   {[4] [4]} {[64] [64]} {[512] [8, 64]}
static SmallVector<ReshapeGroup> groupReshape(ArrayRef<int64_t> in,
                                              ArrayRef<int64_t> out) {
  SmallVector<ReshapeGroup> groups;
  size_t i = 0, j = 0;
  while (i < in.size() || j < out.size()) {
    ReshapeGroup group{i, i, j, j};
    int64_t left = 1, right = 1;
    do {
      if (left <= right && i < in.size())
        left *= in[i++];
      else if (j < out.size())
        right *= out[j++];
      else
        left *= in[i++];
    } while (left != right || (i == group.inBegin && j == group.outBegin));
    group.inEnd = i;
    group.outEnd = j;
    groups.push_back(group);
  }
  return groups;
}

/// Adds the factors of one group whose `merged` side is one dim and whose
/// `split` side is several: only the outermost split dim may be sharded.
static void addMergedGroup(RuleBuilder &rule, ArrayRef<int64_t> split,
                           TensorFactors &splitDims,
                           TensorFactors &mergedDims) {
  DimFactors &merged = mergedDims.emplace_back();
  bool isOutermost = true;
  for (int64_t size : split) {
    int factor =
        rule.add(size, isOutermost ? FactorKind::Parallel : FactorKind::Whole);
    // Leading dims of size 1 leave the next dim outermost.
    isOutermost &= size == 1;
    merged.push_back(factor);
    splitDims.push_back({factor});
  }
}

ShardingRule ReshapeOp::getShardingRule() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult());
  RuleBuilder rule;
  TensorFactors input, result;
  for (const ReshapeGroup &group : groupReshape(in, out)) {
    auto inSizes = in.slice(group.inBegin, group.inEnd - group.inBegin);
    auto outSizes = out.slice(group.outBegin, group.outEnd - group.outBegin);
    if (inSizes.size() == 1 && outSizes.size() == 1) {
      int factor = rule.add(inSizes[0]);
      input.push_back({factor});
      result.push_back({factor});
    } else if (inSizes.size() == 1) {
      addMergedGroup(rule, outSizes, result, input);
    } else if (outSizes.size() == 1) {
      addMergedGroup(rule, inSizes, input, result);
    } else {
      for (int64_t size : inSizes)
        input.push_back({rule.add(size, FactorKind::Whole)});
      for (int64_t size : outSizes)
        result.push_back({rule.add(size, FactorKind::Whole)});
    }
  }
  return rule.operand(input).result(result).linear({0}).take();
}

ShardingRule TransposeOp::getShardingRule() {
  RuleBuilder rule;
  Dims input = rule.addDims(shapeOf(getInput()));
  Dims result;
  for (int64_t dim : getPermutation())
    result.factors.push_back(input.factors[dim]);
  return rule.operand(input).result(result).linear({0}).take();
}

/// Dims that keep their size are parallel, others whole.
static ShardingRule resizingRule(Value input, Value result) {
  RuleBuilder rule;
  Dims in, out;
  for (auto [from, to] : llvm::zip(shapeOf(input), shapeOf(result))) {
    if (from == to) {
      in.factors.push_back(rule.add(from));
      out.factors.push_back(in.factors.back());
      continue;
    }
    in.factors.push_back(rule.add(from, FactorKind::Whole));
    out.factors.push_back(rule.add(to, FactorKind::Whole));
  }
  return rule.operand(in).result(out).linear({0}).take();
}

ShardingRule SliceOp::getShardingRule() {
  return resizingRule(getInput(), getResult());
}

ShardingRule PadOp::getShardingRule() {
  // A pad that moves elements and keeps the size does not exist: padding
  // only adds.
  return resizingRule(getInput(), getResult());
}

ShardingRule ConcatOp::getShardingRule() {
  RuleBuilder rule;
  Dims outer = rule.addDims(shapeOf(getResult()).take_front(getDim()));
  Dims inner = rule.addDims(shapeOf(getResult()).drop_front(getDim() + 1));
  auto dimsOf = [&](Value value) {
    int joined = rule.add(shapeOf(value)[getDim()], FactorKind::Whole);
    return Dims{outer, joined, inner};
  };
  SmallVector<int> all;
  for (Value input : getInputs()) {
    rule.operand(dimsOf(input));
    all.push_back(all.size());
  }
  return rule.result(dimsOf(getResult())).linear(all).take();
}

ShardingRule MaskTailOp::getShardingRule() {
  RuleBuilder rule;
  Dims dims;
  for (auto [i, size] : llvm::enumerate(shapeOf(getResult())))
    dims.factors.push_back(rule.add(
        size, i == getDim() ? FactorKind::Whole : FactorKind::Parallel));
  return rule.operand(dims).operand(Dims()).result(dims).take();
}

ShardingRule PickOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getIndices()));
  int classes = rule.add(shapeOf(getInput()).back(), FactorKind::Indexed);
  rule.operand({rows, classes}).operand(rows).offset(getOffset());
  return rule.result(rows).linear({0}).take();
}

ShardingRule PlaceOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getIndices()));
  int classes = rule.add(shapeOf(getResult()).back(), FactorKind::Positional);
  rule.operand(rows).operand(rows).offset(getOffset());
  return rule.result({rows, classes}).linear({0}).take();
}

ShardingRule BoundaryOp::getShardingRule() {
  RuleBuilder rule;
  Dims dims = rule.addDims(shapeOf(getResult()));
  return rule.operand(dims).result(dims).linear({0}).take();
}

} // namespace weft::nn
