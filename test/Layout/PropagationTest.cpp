// SPDX-License-Identifier: Apache-2.0
//
// Propagation over one rule: the header's tables, the three criteria, what an
// axis is never given to, and that any order of visits ends.
#include "EnumerateLayouts.h"
#include "ExampleRules.h"

#include "gtest/gtest.h"
#include <iostream>

namespace weft::test {
namespace {

constexpr Wish open = {};
constexpr Wish closed = {-1, 0, true};
Wish at(int dim, int priority) { return {dim, priority, false}; }
Wish fixed(int dim, int priority) { return {dim, priority, true}; }

/// One axis: the wish of each tensor.
using Row = std::vector<Wish>;

std::vector<TensorWishes> wishesOf(const Row &row) {
  std::vector<TensorWishes> tensors;
  for (const Wish &wish : row)
    tensors.push_back({wish});
  return tensors;
}

/// Propagates one axis and returns the row after it.
Row propagated(const Mesh &mesh, const ShardingRule &rule,
               llvm::ArrayRef<int64_t> bytes, const Row &row) {
  std::vector<TensorWishes> tensors = wishesOf(row);
  bool changed = propagateThroughRule(mesh, rule, bytes, tensors);
  Row after;
  for (const TensorWishes &wishes : tensors)
    after.push_back(wishes[0]);
  EXPECT_EQ(changed, after != row);
  EXPECT_FALSE(propagateThroughRule(mesh, rule, bytes, tensors));
  return after;
}

TEST(ChooseAssignment, follows_the_table_of_the_header) {
  enum { b, o, d };
  struct Case {
    Row row;
    int factor;
  };
  const Case cases[] = {
      {{at(0, 1), open, open}, b},     {{at(0, 1), at(0, 2), open}, o},
      {{at(0, 1), at(0, 1), open}, o}, {{at(1, 1), open, open}, d},
      {{open, open, open}, -1},        {{closed, closed, open}, -1},
      {{at(0, 1), at(1, 1), open}, d}, // moves x, reduces y (12), not w (16)
      {{at(0, 1), open, at(1, 1)}, o}, // moves x (4), not y (8)
  };
  Mesh mesh = meshOf("tp = 2");
  ShardingRule rule = contractRule();
  for (const Case &example : cases)
    EXPECT_EQ(chooseAssignment(mesh, rule, {4, 16, 8}, wishesOf(example.row))
                  .factorOf[0],
              example.factor);
}

TEST(Propagation, follows_the_table_of_the_header) {
  struct Case {
    Row before, after;
  };
  const Case cases[] = {
      {{at(0, 1), open, open}, {at(0, 1), open, at(0, 1)}},
      {{open, at(0, 2), at(1, 1)}, {open, at(0, 2), at(1, 2)}},
      {{at(0, 1), at(0, 2), open}, {at(0, 1), at(0, 2), at(1, 2)}},
      {{open, closed, at(1, 1)}, {open, closed, at(1, 1)}},
      // The higher priority replaces, a closed wish stays.
      {{at(0, 2), open, at(1, 1)}, {at(0, 2), open, at(0, 2)}},
      {{at(0, 2), open, fixed(1, 1)}, {at(0, 2), open, fixed(1, 1)}},
      // A closed wish is a source like others.
      {{open, fixed(1, 1), open}, {at(1, 1), fixed(1, 1), open}},
  };
  for (const Case &example : cases)
    EXPECT_EQ(propagated(meshOf("tp = 2"), contractRule(), {4, 16, 8},
                         example.before),
              example.after);
}

TEST(Propagation, prefers_fewer_bytes_then_the_lower_dim) {
  Mesh mesh = meshOf("tp = 2");
  EXPECT_EQ(propagated(mesh, addRule(), {4, 16, 8}, {at(0, 1), at(1, 1), open})
                .back(),
            at(1, 1));
  EXPECT_EQ(
      propagated(mesh, addRule(), {4, 4, 4}, {at(1, 1), at(0, 1), open}).back(),
      at(0, 1));
}

TEST(Propagation, never_shards_a_whole_factor) {
  EXPECT_EQ(
      propagated(meshOf("tp = 2"), softmaxRule(4, 8), {1, 1}, {at(1, 3), open}),
      (Row{at(1, 3), open}));
  EXPECT_EQ(propagated(meshOf("tp = 2"), softmaxRule(4, 8), {1, 1},
                       {at(1, 3), at(0, 1)}),
            (Row{at(1, 3), at(0, 1)}));
}

TEST(Propagation, needs_more_than_one_element) {
  EXPECT_EQ(propagated(meshOf("tp = 2"), addRule(1, 8), {1, 1, 1},
                       {at(0, 1), open, open}),
            (Row{at(0, 1), open, open}));
  EXPECT_EQ(propagated(meshOf("tp = 8"), addRule(3, 8), {1, 1, 1},
                       {at(0, 1), open, open}),
            (Row{at(0, 1), at(0, 1), at(0, 1)}));
}

TEST(Propagation, cuts_merged_dims_evenly_along_their_bounds) {
  struct Case {
    const char *mesh;
    Row before, after;
  };
  const Case cases[] = {
      // heads 2 x 8: two ranks take a head each, four do not fit.
      {"tp = 2", {at(1, 1), open}, {at(1, 1), at(1, 1)}},
      {"tp = 4", {at(1, 1), open}, {at(1, 1), open}},
      {"tp = 4", {open, at(1, 1)}, {open, at(1, 1)}},
      // Features of a head would be a strided shard of the merged dim.
      {"tp = 2", {open, at(2, 1)}, {open, at(2, 1)}},
      {"tp = 2", {open, at(1, 1)}, {at(1, 1), at(1, 1)}},
  };
  for (const Case &example : cases)
    EXPECT_EQ(propagated(meshOf(example.mesh), splitHeadsRule(4, 2, 8), {1, 1},
                         example.before),
              example.after);
}

TEST(Propagation, cuts_inner_factors_once_outer_ones_are_cut) {
  Mesh mesh = meshOf("tp = (2, 2)");
  std::vector<TensorWishes> tensors = {{at(1, 1), at(1, 1)}, {open, open}};
  EXPECT_TRUE(
      propagateThroughRule(mesh, splitHeadsRule(4, 2, 8), {1, 1}, tensors));
  EXPECT_EQ(tensors[1], (TensorWishes{at(1, 1), at(2, 1)}));
}

TEST(Propagation, leaves_axes_of_size_one) {
  EXPECT_EQ(propagated(meshOf("tp = 1"), addRule(), {1, 1, 1},
                       {at(0, 1), open, open}),
            (Row{at(0, 1), open, open}));
}

/// Visits `rules`, whose tensors are the same three, until nothing changes.
int64_t visitUntilFixed(const Mesh &mesh, llvm::ArrayRef<ShardingRule> rules,
                        std::vector<TensorWishes> &tensors) {
  int64_t numVisits = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (const ShardingRule &rule : rules)
      changed |= propagateThroughRule(mesh, rule, {4, 16, 8}, tensors);
    if (++numVisits > 20)
      return numVisits;
  }
  return numVisits;
}

TEST(Propagation, ends_and_matches_from_any_wishes) {
  Mesh mesh = meshOf("dp_shard = 2, tp = 2");
  // Both rules read the three tensors, and pull their dims different ways.
  const ShardingRule rules[] = {contractRule(8, 8, 8), addRule(8, 8)};
  const Wish all[] = {open,     closed,   at(0, 1),   at(1, 1),
                      at(0, 2), at(1, 2), fixed(0, 1)};
  int64_t numChecked = 0;
  for (const Wish &x : all)
    for (const Wish &w : all)
      for (const Wish &y : all)
        for (const Wish &other : all) {
          std::vector<TensorWishes> tensors = {
              {x, other}, {w, open}, {y, other}};
          EXPECT_LE(visitUntilFixed(mesh, rules, tensors), 8);
          // What an op chooses is an assignment its own layouts match.
          for (const ShardingRule &rule : rules) {
            Assignment chosen =
                chooseAssignment(mesh, rule, {4, 16, 8}, tensors);
            auto matched = matchLayouts(mesh, rule,
                                        {operandLayout(mesh, rule, chosen, 0),
                                         operandLayout(mesh, rule, chosen, 1)},
                                        resultLayout(mesh, rule, chosen, 0));
            EXPECT_EQ(matched.assignment, chosen) << matched.message;
          }
          ++numChecked;
        }
  std::cout << numChecked << " sets of wishes\n";
  EXPECT_GT(numChecked, 0);
}

} // namespace
} // namespace weft::test
