// SPDX-License-Identifier: Apache-2.0
//
// Per batch and block of m:
//
// 1. A's block is packed as rows of pairs [m][K / 2], pair p = (2p, 2p + 1) of
//    k, padded with zeros to whole tiles.
// 2. Per 32 columns, for many regions 64, B is packed as panels of [K / 2][32]
//    pairs.
// 3. Register tiles run down m (GemmTileBf16).
//
// Packing reads 16 columns x 32 k at a time: registers of 16 pairs along k, or
// along m or n where two rows of k are interleaved; a transposition of 16 x 16
// pairs leads from one to the other. k is not cut: sums are never rounded.

#include "ContractBf16.h"

#include "GemmTile.h"
#include "GemmTileBf16.h"

using namespace mlir;

namespace weft {

static constexpr int64_t kLanes = 16;     // pairs of a register
static constexpr int64_t kDepthStep = 32; // k of a packing step and AMX tile

static int64_t roundUp(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

bool takesPairs(const ContractSpec &spec, const Groups &groups,
                const TargetInfo &target) {
  if (!target.hasAmx && !target.hasAvx512Bf16)
    return false;
  if (!spec.aType.isBF16() || !spec.bType.isBF16())
    return false;
  if (groups.m.size() != 1 || groups.n.size() != 1 || groups.k.size() != 1)
    return false;
  const Letter &m = groups.m[0], &n = groups.n[0], &k = groups.k[0];
  // Less does not fill a tile.
  bool isLarge = m.size >= 8 && n.size >= 8 && k.size >= 16;
  return isLarge && n.c == 1 && (k.a == 1 || m.a == 1) &&
         (k.b == 1 || n.b == 1);
}

/// Columns of B that are packed at once. 64 columns of sums hide the latency of
/// a region's chains as in an elementwise loop; where k is long and chains are
/// short, it matters more that one panel stays in the first cache.
static int64_t panelColumns(const ContractSpec &spec, const Groups &groups) {
  constexpr int64_t longest = 512;
  if (!spec.region)
    return kBf16TileCols;
  bool hasChains = llvm::any_of(spec.region->nodes, [](const ScalarNode &node) {
    return (node.op >= Scalar::Exp && node.op <= Scalar::GeluTanh) ||
           node.op == Scalar::Div || node.op == Scalar::Pow;
  });
  bool isWide = hasChains || groups.k[0].size <= longest;
  return isWide ? 2 * kBf16TileCols : kBf16TileCols;
}

namespace {
/// Sizes of the packed operands, in pairs, and where they lie in the scratch.
struct PairPlan {
  PairPlan(const ContractSpec &spec, const Groups &groups)
      : columns(panelColumns(spec, groups)) {
    constexpr int64_t cachePairs = 1 << 18; // half of a second-level cache
    depth = roundUp(groups.k[0].size, kDepthStep) / 2;
    int64_t most = std::max<int64_t>(
        cachePairs / depth / kBf16TileRows * kBf16TileRows, kBf16TileRows);
    rows = std::min(roundUp(groups.m[0].size, kBf16TileRows), most);
  }
  int64_t columns, depth, rows;

  int64_t panelA() const { return bf16TileScratch(columns); }
  int64_t panelB() const { return panelA() + 4 * rows * depth; }
  int64_t bytes() const { return panelB() + 4 * depth * columns; }
};

/// One operand: elements (x, k), contiguous along one of the two.
struct Operand {
  Value memory, base;
  int64_t x, k; // strides
};

class PairEmitter {
public:
  PairEmitter(KernelBuilder &b, const ContractSpec &spec, const Groups &groups)
      : b(b), groups(groups), m(groups.m[0]), n(groups.n[0]), k(groups.k[0]),
        plan(spec, groups), tail(b, spec),
        storesSums(tail.isPlain() && spec.cType.isF32()) {
    panelA = scratch(plan.panelA(), plan.rows * plan.depth, i32());
    panelB = scratch(plan.panelB(), plan.depth * plan.columns, i32());
  }

  void emit() {
    Value memoryA = b.arg(groups.swapped ? 1 : 0);
    Value memoryB = b.arg(groups.swapped ? 0 : 1);
    Bf16Tiles tiles(b, {panelA, panelB, plan.depth, plan.columns,
                        tail.lanesWithin(n.size, plan.columns), m.c,
                        scratch(0, plan.panelA(), b.getI8Type()),
                        storesSums ? tail.result() : Value(), tail});
    Value zero = b.index(0);
    tiles.begin();
    nestLetters(b, groups.batch, {zero, zero, zero}, [&](Bases bases) {
      forTiles(b, m.size, plan.rows, [&](Value m0, int64_t rows) {
        Bases block = bases.advance(b, m0, m);
        packRows({memoryA, block.a, m.a, k.a}, rows);
        forTiles(b, n.size, plan.columns, [&](Value n0, int64_t cols) {
          Bases column = block.advance(b, n0, n);
          packPanels({memoryB, column.b, n.b, k.b}, cols);
          forTiles(b, rows, tiles.rows(), [&](Value r0, int64_t count) {
            tiles.multiply(r0, {b.at(column.c, r0, m.c), count, cols});
          });
        });
      });
    });
    tiles.end();
  }

private:
  Type i32() { return b.getI32Type(); }

  Value scratch(int64_t byteOffset, int64_t count, Type type) {
    return b.scratch(tail.numArguments(), byteOffset, count, type);
  }

  /// A's block: register [x][16 pairs of k] at [x][depth].
  void packRows(const Operand &operand, int64_t rows) {
    forColumns(rows, roundUp(rows, kBf16TileRows), [&](Value x, int64_t valid) {
      forDepth([&](Value k, int64_t count) {
        Values pairs = alongDepth(operand, x, k, valid, count);
        Value to = b.at(b.at(b.index(0), x, plan.depth), half(k));
        for (int64_t i = 0; i < kLanes; ++i)
          b.store(pairs[i], panelA, b.add(to, b.index(i * plan.depth)));
      });
    });
  }

  /// B's panels, one behind the other.
  void packPanels(Operand operand, int64_t cols) {
    for (int64_t column = 0; column < cols; column += kBf16TileCols) {
      packColumns(operand, column * plan.depth,
                  std::min(kBf16TileCols, cols - column));
      operand.base = b.add(operand.base, b.index(kBf16TileCols * operand.x));
    }
  }

  /// A panel at `start`: register [pair of k][16 x] at [pair][32].
  void packColumns(const Operand &operand, int64_t start, int64_t cols) {
    forColumns(cols, kBf16TileCols, [&](Value x, int64_t valid) {
      forDepth([&](Value k, int64_t count) {
        Values pairs = acrossDepth(operand, x, k, valid, count);
        Value to = b.at(b.add(x, b.index(start)), half(k), kBf16TileCols);
        for (int64_t i = 0; i < kLanes; ++i)
          b.store(pairs[i], panelB, b.add(to, b.index(i * kBf16TileCols)));
      });
    });
  }

  /// Groups of 16 of [0, padded), of which the first `count` are valid.
  void forColumns(int64_t count, int64_t padded,
                  llvm::function_ref<void(Value x, int64_t valid)> body) {
    int64_t full = count / kLanes * kLanes;
    b.loop(full, kLanes, [&](Value x) { body(x, kLanes); });
    for (int64_t x = full; x < padded; x += kLanes)
      body(b.index(x), std::max<int64_t>(count - x, 0));
  }

  void forDepth(llvm::function_ref<void(Value k, int64_t count)> body) {
    forTiles(b, k.size, kDepthStep, body);
  }

  Value half(Value k) { return arith::ShRUIOp::create(b, k, b.index(1)); }

  /// 16 registers, one per x: its 16 pairs of k.
  Values alongDepth(const Operand &operand, Value x, Value k, int64_t valid,
                    int64_t count) {
    if (operand.k == 1)
      return loadDepth(operand, x, k, valid, count);
    return transposeRegisters(b, loadPairs(operand, x, k, valid, count));
  }

  /// 16 registers, one per pair of k: its 16 x.
  Values acrossDepth(const Operand &operand, Value x, Value k, int64_t valid,
                     int64_t count) {
    if (operand.x == 1)
      return loadPairs(operand, x, k, valid, count);
    return transposeRegisters(b, loadDepth(operand, x, k, valid, count));
  }

  Value zeros(int64_t lanes, Type type) {
    return b.constant(b.vec(lanes, type), 0.0);
  }

  Value positionOf(const Operand &operand, Value x, Value k) {
    return b.at(b.at(operand.base, x, operand.x), k, operand.k);
  }

  /// k contiguous: 32 k of each x.
  Values loadDepth(const Operand &operand, Value x, Value k, int64_t valid,
                   int64_t count) {
    Value mask =
        count == kDepthStep ? Value() : b.mask(b.index(count), kDepthStep);
    Values registers;
    for (int64_t i = 0; i < kLanes; ++i) {
      if (i >= valid) {
        registers.push_back(zeros(kLanes, i32()));
        continue;
      }
      Value at = positionOf(operand, b.add(x, b.index(i)), k);
      Value row = b.load(operand.memory, at, kDepthStep, mask);
      registers.push_back(asPairs(row));
    }
    return registers;
  }

  /// x contiguous: rows 2p and 2p + 1 of k, interleaved.
  Values loadPairs(const Operand &operand, Value x, Value k, int64_t valid,
                   int64_t count) {
    Value mask = valid >= kLanes ? Value() : b.mask(b.index(valid), kLanes);
    auto row = [&](int64_t i) {
      if (i >= count || valid == 0)
        return zeros(kLanes, b.getBF16Type());
      Value at = positionOf(operand, x, b.add(k, b.index(i)));
      return b.load(operand.memory, at, kLanes, mask);
    };
    SmallVector<int64_t> interleave;
    for (int64_t lane = 0; lane < kLanes; ++lane)
      interleave.append({lane, kLanes + lane});
    Values registers;
    for (int64_t i = 0; i < kDepthStep; i += 2)
      registers.push_back(asPairs(
          vector::ShuffleOp::create(b, row(i), row(i + 1), interleave)));
    return registers;
  }

  Value asPairs(Value narrow) {
    Value pairs = vector::BitCastOp::create(b, b.vec(kLanes, i32()), narrow);
    return packedPairs(b, pairs);
  }

  KernelBuilder &b;
  const Groups &groups;
  const Letter &m, &n, &k;
  PairPlan plan;
  ContractTail tail;
  bool storesSums;
  Value panelA, panelB;
};
} // namespace

int64_t pairScratchBytes(const ContractSpec &spec, const Groups &groups) {
  return PairPlan(spec, groups).bytes();
}

void emitPairContract(KernelBuilder &b, const ContractSpec &spec,
                      const Groups &groups) {
  PairEmitter(b, spec, groups).emit();
}

} // namespace weft
