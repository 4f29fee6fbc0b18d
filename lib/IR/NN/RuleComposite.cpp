// SPDX-License-Identifier: Apache-2.0
//
// Sharding rules of the composite ops. Shape letters as in NNComposite.td.
#include "RuleBuilder.h"

using namespace mlir;

namespace weft::nn {

ShardingRule SoftmaxOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getInput()).drop_back());
  int last = rule.add(shapeOf(getInput()).back(), FactorKind::Whole);
  return rule.operand({rows, last}).result({rows, last}).take();
}

ShardingRule RmsNormOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getInput()).drop_back());
  int hidden = rule.add(shapeOf(getInput()).back(), FactorKind::Whole);
  rule.operand({rows, hidden}).operand(hidden);
  return rule.result({rows, hidden}).result(rows).take();
}

ShardingRule RmsNormGradOp::getShardingRule() {
  RuleBuilder rule;
  // The weight's cotangent sums over all rows.
  Dims rows =
      rule.addDims(shapeOf(getInput()).drop_back(), FactorKind::Reduced);
  int hidden = rule.add(shapeOf(getInput()).back(), FactorKind::Whole);
  rule.operand({rows, hidden}).operand({rows, hidden});
  rule.operand(hidden).operand(rows);
  return rule.result({rows, hidden}).result(hidden).linear({0}).take();
}

ShardingRule RotaryOp::getShardingRule() {
  auto shape = shapeOf(getInput());
  RuleBuilder rule;
  Dims leading = rule.addDims(shape.drop_back());
  int head = rule.add(shape.back(), FactorKind::Whole);
  Dims table = {leading.factors.back(), head};
  rule.operand({leading, head}).operand(table).operand(table);
  return rule.result({leading, head}).linear({0}).take();
}

namespace {
/// The factors attention and its gradient share. Query heads are merged from
/// kv heads and the group of query heads that shares one.
struct AttentionFactors {
  TensorFactors query, key, lse, queryPositions, keyPositions;
  TensorFactors queryDocuments, keyDocuments;

  AttentionFactors(RuleBuilder &rule, ArrayRef<int64_t> q, ArrayRef<int64_t> k,
                   FactorKind rowKind) {
    int batch = rule.add(q[0]);
    int kvHeads = rule.add(k[1]);
    int rows = rule.add(q[2], rowKind);
    int keys = rule.add(k[2], FactorKind::Whole);
    int size = rule.add(q[3], FactorKind::Whole);
    DimFactors heads = {kvHeads};
    // Of one head it isn't known whether it is a group of its own.
    if (q[1] != k[1] || k[1] == 1)
      heads.push_back(rule.add(q[1] / k[1], rowKind));
    query = {{batch}, heads, {rows}, {size}};
    key = {{batch}, {kvHeads}, {keys}, {size}};
    lse = {{batch}, heads, {rows}};
    queryPositions = {{rows}};
    keyPositions = {{keys}};
    queryDocuments = {{batch}, {rows}};
    keyDocuments = {{batch}, {keys}};
  }

  /// The operands that say which keys count, which both ops have last.
  void addMask(RuleBuilder &rule, ValueRange documents) const {
    rule.operand(queryPositions).operand(keyPositions);
    if (!documents.empty())
      rule.operand(queryDocuments).operand(keyDocuments);
  }
};
} // namespace

ShardingRule AttentionOp::getShardingRule() {
  RuleBuilder rule;
  AttentionFactors f(rule, shapeOf(getQuery()), shapeOf(getKey()),
                     FactorKind::Parallel);
  rule.operand(f.query).operand(f.key).operand(f.key);
  f.addMask(rule, getDocuments());
  return rule.result(f.query).result(f.lse).take();
}

ShardingRule AttentionGradOp::getShardingRule() {
  RuleBuilder rule;
  // dk and dv sum over query rows and over the query heads of a group.
  AttentionFactors f(rule, shapeOf(getQuery()), shapeOf(getKey()),
                     FactorKind::Reduced);
  rule.operand(f.query).operand(f.query).operand(f.key).operand(f.key);
  rule.operand(f.query).operand(f.lse);
  f.addMask(rule, getDocuments());
  rule.result(f.query).result(f.key).result(f.key);
  return rule.linear({0}).take();
}

ShardingRule EmbeddingOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getIds()));
  int vocabulary = rule.add(shapeOf(getTable())[0], FactorKind::Indexed);
  int hidden = rule.add(shapeOf(getTable())[1]);
  rule.operand(rows).operand({vocabulary, hidden}).offset(getOffset());
  return rule.result({rows, hidden}).linear({1}).take();
}

ShardingRule EmbeddingGradOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getIds()), FactorKind::Reduced);
  int vocabulary = rule.add(shapeOf(getResult())[0], FactorKind::Positional);
  int hidden = rule.add(shapeOf(getResult())[1]);
  rule.operand({rows, hidden}).operand(rows).offset(getOffset());
  return rule.result({vocabulary, hidden}).linear({0}).take();
}

ShardingRule CrossEntropyOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getLabels()), FactorKind::Reduced);
  int classes = rule.add(shapeOf(getLogits()).back(), FactorKind::Whole);
  rule.operand({rows, classes}).operand(rows);
  return rule.result(Dims()).result(rows).take();
}

ShardingRule CrossEntropyGradOp::getShardingRule() {
  RuleBuilder rule;
  Dims rows = rule.addDims(shapeOf(getLabels()));
  int classes = rule.add(shapeOf(getLogits()).back(), FactorKind::Positional);
  rule.operand({rows, classes}).operand(rows).operand(rows).operand(Dims());
  rule.offset(getOffset());
  return rule.result({rows, classes}).linear({3}).take();
}

} // namespace weft::nn
