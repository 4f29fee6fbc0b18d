// SPDX-License-Identifier: Apache-2.0
//
// RuleBuilder: an op's sharding rule in a few sentences.
//
//   RuleBuilder rule(op);
//   auto rows = rule.addDims(shape.drop_back());     // parallel factors
//   int classes = rule.add(shape.back(), FactorKind::Whole);
//   rule.operand({rows, classes}).result({rows});
#ifndef WEFT_LIB_IR_NN_RULEBUILDER_H
#define WEFT_LIB_IR_NN_RULEBUILDER_H

#include "weft/IR/NN/NN.h"

namespace weft::nn {

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType()).getShape();
}

/// A list of factor numbers, one per dim; concatenates lists and numbers.
struct Dims {
  llvm::SmallVector<int, 4> factors;

  Dims() = default;
  Dims(int factor) : factors{factor} {}
  Dims(std::initializer_list<Dims> parts) {
    for (const Dims &part : parts)
      factors.append(part.factors.begin(), part.factors.end());
  }
};

class RuleBuilder {
public:
  int add(int64_t size, FactorKind kind = FactorKind::Parallel,
          ReduceKind reduce = ReduceKind::Sum) {
    return rule.add(size, kind, reduce);
  }

  /// One factor of `kind` per dim of `shape`.
  Dims addDims(llvm::ArrayRef<int64_t> shape,
               FactorKind kind = FactorKind::Parallel) {
    Dims dims;
    for (int64_t size : shape)
      dims.factors.push_back(add(size, kind));
    return dims;
  }

  RuleBuilder &operand(const Dims &dims) {
    rule.operands.push_back(tensor(dims));
    return *this;
  }
  RuleBuilder &result(const Dims &dims) {
    rule.results.push_back(tensor(dims));
    return *this;
  }
  /// A tensor with merged dims.
  RuleBuilder &operand(TensorFactors dims) {
    rule.operands.push_back(std::move(dims));
    return *this;
  }
  RuleBuilder &result(TensorFactors dims) {
    rule.results.push_back(std::move(dims));
    return *this;
  }
  /// A scalar offset operand, if the op has one.
  RuleBuilder &offset(mlir::Value value) {
    return value ? operand(Dims()) : *this;
  }
  RuleBuilder &linear(llvm::ArrayRef<int> operands) {
    rule.linear.emplace_back(operands.begin(), operands.end());
    return *this;
  }

  ShardingRule take() { return std::move(rule); }

private:
  static TensorFactors tensor(const Dims &dims) {
    TensorFactors factors;
    for (int factor : dims.factors)
      factors.push_back({factor});
    return factors;
  }

  ShardingRule rule;
};

} // namespace weft::nn

#endif // WEFT_LIB_IR_NN_RULEBUILDER_H
