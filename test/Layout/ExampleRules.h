// SPDX-License-Identifier: Apache-2.0
//
// Sharding rules of a few ops, and short ways to write wishes, for tests.
// Letters: b batch, d input features, o output features, v vocabulary, h heads.
#ifndef WEFT_TEST_LAYOUT_EXAMPLERULES_H
#define WEFT_TEST_LAYOUT_EXAMPLERULES_H

#include "weft/Layout/Propagation.h"

namespace weft::test {

/// "bd,od->bo": x [b][d], w [o][d], y [b][o].
inline ShardingRule contractRule(int64_t b = 4, int64_t d = 8, int64_t o = 8) {
  ShardingRule rule;
  int fb = rule.add(b), fo = rule.add(o);
  int fd = rule.add(d, FactorKind::Reduced);
  rule.operands = {{{fb}, {fd}}, {{fo}, {fd}}};
  rule.results = {{{fb}, {fo}}};
  rule.linear = {{0}, {1}};
  return rule;
}

/// add of two [b][d].
inline ShardingRule addRule(int64_t b = 4, int64_t d = 8) {
  ShardingRule rule;
  int fb = rule.add(b), fd = rule.add(d);
  rule.operands = {{{fb}, {fd}}, {{fb}, {fd}}};
  rule.results = {{{fb}, {fd}}};
  rule.linear = {{0, 1}};
  return rule;
}

/// reshape of [b][h d] to [b][h][d].
inline ShardingRule splitHeadsRule(int64_t b, int64_t h, int64_t d) {
  ShardingRule rule;
  int fb = rule.add(b), fh = rule.add(h), fd = rule.add(d);
  rule.operands = {{{fb}, {fh, fd}}};
  rule.results = {{{fb}, {fh}, {fd}}};
  rule.linear = {{0}};
  return rule;
}

/// embedding: ids [b], table [v][d], y [b][d].
inline ShardingRule embeddingRule(int64_t b, int64_t v, int64_t d) {
  ShardingRule rule;
  int fb = rule.add(b), fd = rule.add(d);
  int fv = rule.add(v, FactorKind::Indexed);
  rule.operands = {{{fb}}, {{fv}, {fd}}};
  rule.results = {{{fb}, {fd}}};
  rule.linear = {{1}};
  return rule;
}

/// softmax over the last dim: [b][v], v whole.
inline ShardingRule softmaxRule(int64_t b, int64_t v) {
  ShardingRule rule;
  int fb = rule.add(b), fv = rule.add(v, FactorKind::Whole);
  rule.operands = {{{fb}, {fv}}};
  rule.results = {{{fb}, {fv}}};
  return rule;
}

/// max over the last dim: [b][d] to [b].
inline ShardingRule maxRule(int64_t b, int64_t d) {
  ShardingRule rule;
  int fb = rule.add(b);
  int fd = rule.add(d, FactorKind::Reduced, ReduceKind::Max);
  rule.operands = {{{fb}, {fd}}};
  rule.results = {{{fb}}};
  return rule;
}

} // namespace weft::test

#endif // WEFT_TEST_LAYOUT_EXAMPLERULES_H
