// SPDX-License-Identifier: Apache-2.0
//
// Attention, forward. Per kv head the keys are packed into panels; then per
// query head and block of 32 queries:
//
// 1. scores of the block into row buffers, panels that no query of the block
//    may see are skipped;
// 2. softmax of whole rows: exact maximum, 64 partials, lse;
// 3. out = (P V) / sum, one chain over keys.
//
// Skipped panels add exact zeros, so nothing depends on the block size.

#include "AttentionTiles.h"
#include "MathExpansion.h"

#include <limits>

using namespace mlir;

namespace weft {

static constexpr int64_t kBlockRows = 32;

namespace {
struct ForwardScratch : ScratchPlan {
  explicit ForwardScratch(const AttentionShape &shape)
      : panels(take(shape.panels(), 4)), scores(take(shape.rows(), 4)),
        tops(take(shape.blockRows, 4)), sums(take(shape.blockRows, 4)),
        lowest(take(shape.numPanels, 8)) {}
  int64_t panels, scores, tops, sums, lowest;
};

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &b, const AttentionSpec &spec)
      : b(b), spec(spec), shape(spec, b.target, kBlockRows),
        tiles(b, spec, shape) {
    ForwardScratch plan(shape);
    q = b.arg(0), k = b.arg(1), v = b.arg(2);
    tiles.queryPositions = b.arg(3), tiles.keyPositions = b.arg(4);
    out = b.arg(5), lse = b.arg(6);
    panels = b.scratch(7, plan.panels, shape.panels(), b.f32());
    scores = b.scratch(7, plan.scores, shape.rows(), b.f32());
    tops = b.scratch(7, plan.tops, shape.blockRows, b.f32());
    sums = b.scratch(7, plan.sums, shape.blockRows, b.f32());
    tiles.lowest = b.scratch(7, plan.lowest, shape.numPanels, b.getI64Type());
  }

  void emit() {
    tiles.findPanelPositions();
    int64_t group = spec.heads / spec.kvHeads;
    b.loop(spec.batch * spec.kvHeads, 1, [&](Value kvHead) {
      Value kvBase = b.at(b.index(0), kvHead, spec.keys * spec.width);
      tiles.packPanels(k, kvBase, panels);
      b.loop(group, 1, [&](Value member) {
        Value head = b.at(member, kvHead, group);
        forTiles(
            b, spec.queries, shape.blockRows,
            [&](Value row, int64_t rows) { block(head, kvBase, row, rows); });
      });
    });
  }

private:
  void block(Value head, Value kvBase, Value row, int64_t rows) {
    Value first = b.at(row, head, spec.queries);
    Value base = b.at(b.index(0), first, spec.width);
    Value end = tiles.forPanels(
        tiles.highestQuery(row, rows),
        [&](Value key, int64_t keys, Value panel) {
          if (keys < shape.panelWidth)
            fill(key, rows);
          tiles.multiplyPanel({q, base, panels, panel, scores, key, rows, keys,
                               [&](Value sum, Value r, Value at) {
                                 return score(sum, row, r, at);
                               }});
        },
        [&](Value key) { fill(key, rows); });
    padRows(end, rows);
    Value count = roundedUp(end);
    b.loop(rows, 1, [&](Value r) { exponentials(r, count); });
    finishRows(first, rows);
    forTiles(b, spec.width, b.target.tileCols(), [&](Value d, int64_t cols) {
      forTiles(b, rows, b.target.tileRows(), [&](Value r, int64_t numRows) {
        valueTile(b.add(base, d), b.add(kvBase, d), end, r, numRows, cols);
      });
    });
  }

  Value score(Value sum, Value firstRow, Value row, Value key) {
    Value scaled = b.mul(sum, b.constantLike(sum, spec.scale));
    Value visible = tiles.visible(firstRow, row, key);
    if (!visible)
      return scaled;
    return b.select(visible, scaled, minusInfinity(b.target.lanes));
  }

  Value minusInfinity(int64_t lanes) {
    double infinity = std::numeric_limits<double>::infinity();
    return b.constant(b.vec(lanes, b.f32()), -infinity);
  }

  /// Scores of a panel that nobody sees.
  void fill(Value key, int64_t rows) {
    b.loop(rows, 1, [&](Value r) {
      Value at = b.at(key, r, shape.paddedKeys);
      for (int64_t c = 0; c < shape.panelWidth; c += b.target.lanes)
        b.store(minusInfinity(b.target.lanes), scores, b.add(at, b.index(c)));
    });
  }

  Value roundedUp(Value end) {
    Value blocks = arith::CeilDivUIOp::create(b, end, b.index(kPartials));
    return b.mul(blocks, b.index(kPartials));
  }

  /// Rows are read in blocks of 64 keys: what lies between the last panel and
  /// the block's end must not count.
  void padRows(Value end, int64_t rows) {
    Value panelEnd =
        b.mul(arith::CeilDivUIOp::create(b, end, b.index(shape.panelWidth)),
              b.index(shape.panelWidth));
    b.loop(panelEnd, roundedUp(end), shape.panelWidth,
           [&](Value key) { fill(key, rows); });
  }

  /// Replaces the scores of a row by exp(score - top); leaves top and sum.
  void exponentials(Value row, Value count) {
    int64_t lanes = b.target.lanes;
    Value base = b.at(b.index(0), row, shape.paddedKeys);
    Value top =
        b.reduceBlocks(Combine::FastMax, count, lanes, b.f32(), [&](Value at) {
          return b.load(scores, b.add(base, at), lanes);
        });
    Value zero = b.constant(b.f32(), 0.0);
    Value none = b.less(top, b.constant(b.f32(), -3.0e38));
    top = b.select(none, zero, top);
    Value shift = b.splat(top, lanes);
    Value sum =
        b.reduceBlocks(Combine::Sum, count, lanes, b.f32(), [&](Value at) {
          Value s = b.load(scores, b.add(base, at), lanes);
          Value e = expandExp(b, b.sub(s, shift));
          b.store(e, scores, b.add(base, at));
          return e;
        });
    b.store(top, tops, row);
    b.store(sum, sums, row);
  }

  /// lse of all rows at once, and 1 / sum in place of the sum.
  void finishRows(Value first, int64_t rows) {
    int64_t lanes = b.target.lanes;
    Value zero = b.constant(b.vec(lanes, b.f32()), 0.0);
    Value one = b.constant(zero.getType(), 1.0);
    b.vectorLoop(rows, lanes, [&](Value row, Value mask) {
      Value top = b.load(tops, row, lanes, mask);
      Value sum = b.load(sums, row, lanes, mask);
      b.store(b.add(top, expandLog(b, sum)), lse, b.add(first, row), mask);
      Value empty =
          arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, zero);
      b.store(b.select(empty, zero, b.div(one, sum)), sums, row, mask);
    });
  }

  void valueTile(Value outBase, Value valueBase, Value end, Value row,
                 int64_t rows, int64_t cols) {
    GemmTile tile;
    tile.a = scores;
    tile.aBase = b.at(b.index(0), row, shape.paddedKeys);
    tile.aRow = shape.paddedKeys;
    tile.b = v;
    tile.bBase = valueBase;
    tile.k = {{b.index(0), end, 1, spec.width}};
    tile.c = out;
    tile.cBase = b.at(outBase, row, spec.width);
    tile.cRow = spec.width;
    tile.rows = rows;
    tile.columns = cols;
    tile.finish = [&](Value sum, int64_t r, int64_t) {
      Value scale = b.load(sums, b.add(row, b.index(r)));
      return b.mul(sum, b.splat(scale, b.target.lanes));
    };
    emitGemmTile(b, tile);
  }

  KernelBuilder &b;
  const AttentionSpec &spec;
  AttentionShape shape;
  AttentionTiles tiles;
  Value q, k, v, out, lse, panels, scores, tops, sums;
};
} // namespace

int64_t attentionScratchBytes(const AttentionSpec &spec,
                              const TargetInfo &target) {
  return ForwardScratch(AttentionShape(spec, target, kBlockRows)).size();
}

func::FuncOp emitAttention(const KernelSite &site, const AttentionSpec &spec) {
  KernelBuilder b(site);
  Type f32 = b.f32(), i64 = b.getI64Type();
  auto query =
      MemRefType::get({spec.batch, spec.heads, spec.queries, spec.width}, f32);
  auto key =
      MemRefType::get({spec.batch, spec.kvHeads, spec.keys, spec.width}, f32);
  int64_t bytes = attentionScratchBytes(spec, site.target);
  b.begin({query, key, key, MemRefType::get({spec.queries}, i64),
           MemRefType::get({spec.keys}, i64), query,
           MemRefType::get({spec.batch, spec.heads, spec.queries}, f32),
           MemRefType::get({bytes}, b.getI8Type())});
  AttentionEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
