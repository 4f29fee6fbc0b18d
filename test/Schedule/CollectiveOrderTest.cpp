// SPDX-License-Identifier: Apache-2.0
//
// Ranks that meet, and every way in which they don't.
#include "weft/Schedule/CollectiveOrder.h"

#include <gtest/gtest.h>

using namespace weft;
using Calls = std::vector<CollectiveCall>;

static const Mesh mesh({MeshAxis{"dp", {2}}, MeshAxis{"tp", {2}}});
static const CollectiveCall a{"a", {1}}, b{"b", {1}}, d{"d", {0}},
    all{"all", {0, 1}};

static std::string prove(std::vector<Calls> ranks) {
  std::vector<llvm::ArrayRef<CollectiveCall>> lists(ranks.begin(), ranks.end());
  return proveOrder(mesh, lists).value_or("");
}

TEST(CollectiveOrder, equal_lists_meet) {
  Calls list = {a, d, b, all, a};
  EXPECT_EQ(prove({list, list, list, list}), "");
}

TEST(CollectiveOrder, groups_may_differ_where_they_do_not_overlap) {
  EXPECT_EQ(prove({{a, all}, {a, all}, {b, b, all}, {b, b, all}}), "");
}

TEST(CollectiveOrder, swapped_calls_are_found) {
  EXPECT_EQ(prove({{a, b}, {b, a}, {}, {}}),
            "rank 0 waits in \"a\" for rank 1, which waits in \"b\"");
}

TEST(CollectiveOrder, a_missing_call_is_found) {
  EXPECT_EQ(prove({{a, all}, {a, all}, {all}, {}}),
            "rank 0 waits in \"all\" for rank 3, which has ended");
}

TEST(CollectiveOrder, a_cycle_over_two_axes_is_found) {
  // 0 waits for 1 over tp, 1 for 3 over dp, 3 for 2 over tp, 2 for 0 over dp.
  EXPECT_EQ(prove({{a, d}, {d, a}, {d, a}, {a, d}}),
            "rank 0 waits in \"a\" for rank 1, which waits in \"d\"");
}

// Lists that differ along tp only: two ranks stand for any number.
TEST(CollectiveOrder, ranks_with_one_list_are_walked_once) {
  Mesh large({MeshAxis{"dp", {1 << 20}}, MeshAxis{"tp", {2, 2}}});
  CollectiveCall over{"over", {0, 2}}, a{"a", {1}}, b{"b", {1}};
  Calls one = {over, a, b}, other = {over, b, a};
  EXPECT_EQ(proveOrder(large, {}, {one}), std::nullopt);
  EXPECT_EQ(proveOrder(large, {1}, {one, one}), std::nullopt);
  EXPECT_EQ(proveOrder(large, {1}, {one, other}),
            "rank 0 waits in \"a\" for rank 2, which waits in \"b\"");
}
