// SPDX-License-Identifier: Apache-2.0
//
// Attention, forward. Per kv head the keys are packed into panels; then per
// query head and block of queries, one for each lane:
//
// 1. scores of the block into row buffers, panels that no query of the block
//    may see (too late, too early or of other documents) are skipped, only
//    those that not all may see are masked;
// 2. softmax of whole rows: exact maximum, 64 partials, lse; the last steps of
//    all rows' reductions are done at once, a row a lane;
// 3. out = (P V) / sum, one chain over the keys that a tile may see.
//
// Skipped panels add exact zeros, so nothing depends on the block size. q, k, v
// and out may be bf16 in memory; scores and weights are f32.

#include "AttentionTiles.h"
#include "MathExpansion.h"

#include <limits>

using namespace mlir;

namespace weft {

namespace {
struct ForwardScratch : ScratchPlan {
  ForwardScratch(const AttentionSpec &spec, const AttentionShape &shape)
      : panels(take(shape.panels(), 4)), scores(take(shape.rows(), 4)),
        tops(take(shape.blockRows, 4)), sums(take(shape.blockRows, 4)),
        partials(take(shape.blockRows * shape.blockRows, 4)),
        queries(take(shape.copySize, 4)),
        ends(take(shape.blockRows / shape.tileRows, 8)),
        mask(*this, spec, shape) {}
  int64_t panels, scores, tops, sums, partials, queries, ends;
  MaskPlan mask;
};

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &b, const AttentionSpec &spec)
      : b(b), spec(spec), shape(spec, b.target, b.target.lanes),
        tiles(b, spec, shape) {
    ForwardScratch plan(spec, shape);
    q = tiles.queryRows(b.arg(0), spec.rowsFirst.q);
    k = tiles.keyRows(b.arg(1), spec.rowsFirst.k);
    v = tiles.keyRows(b.arg(2), spec.rowsFirst.v);
    unsigned next = tiles.mask.bindOperands(3);
    out = tiles.queryRows(b.arg(next), spec.rowsFirst.out),
    lse = b.arg(next + 1);
    auto floats = [&](int64_t offset, int64_t count) {
      return b.scratch(next + 2, offset, count, b.f32());
    };
    panels = floats(plan.panels, shape.panels());
    scores = floats(plan.scores, shape.rows());
    tops = floats(plan.tops, shape.blockRows);
    sums = floats(plan.sums, shape.blockRows);
    partials = floats(plan.partials, shape.blockRows * shape.blockRows);
    ends = b.scratch(next + 2, plan.ends, shape.blockRows / shape.tileRows,
                     b.getIndexType());
    tiles.mask.bindScratch(plan.mask, next + 2);
    if (shape.copySize > 0)
      queries = floats(plan.queries, shape.copySize);
  }

  void emit() {
    tiles.mask.findPositions();
    int64_t group = spec.heads / spec.kvHeads;
    b.loop(spec.batch * spec.kvHeads, 1, [&](Value kvHead) {
      tiles.mask.beginBatch(
          arith::DivUIOp::create(b, kvHead, b.index(spec.kvHeads)));
      tiles.packPanels(k, kvHead, panels);
      Value values = v.at(b, kvHead, b.index(0));
      b.loop(group, 1, [&](Value member) {
        Value head = b.at(member, kvHead, group);
        forTiles(
            b, spec.queries, shape.blockRows,
            [&](Value row, int64_t rows) { block(head, values, row, rows); });
      });
    });
  }

private:
  void block(Value head, Value values, Value row, int64_t rows) {
    Value first = b.at(row, head, spec.queries);
    AttentionTiles::Rows wide = tiles.rowsInF32(q, head, row, rows, queries);
    AttentionTiles::Keys seen = tiles.forPanels(
        row, rows, kPartials,
        [&](Value key, int64_t keys, Value panel) {
          if (keys < shape.panelWidth)
            hide(key, b.index(0), rows);
          tiles.multiplyPanel(product(row, wide, rows, key, keys, panel));
        },
        [&](Value key) { hide(key, b.index(0), rows); });
    softmax(first, seen, rows);
    Value base = out.at(b, head, row);
    forTiles(b, spec.width, b.target.tileCols(), [&](Value d, int64_t cols) {
      forTiles(b, rows, shape.tileRows, [&](Value r, int64_t numRows) {
        valueTile(b.add(base, d), b.add(values, d), seen, r, numRows, cols);
      });
    });
  }

  AttentionTiles::PanelProduct product(Value firstRow,
                                       const AttentionTiles::Rows &wide,
                                       int64_t rows, Value key, int64_t keys,
                                       Value panel) {
    AttentionTiles::PanelProduct p;
    p.a = wide, p.panels = panels, p.panel = panel;
    p.target = scores, p.key = key, p.firstRow = firstRow;
    p.rows = rows, p.keys = keys;
    p.finish = [this](Value sum, Value, Value) { return tiles.scoreOf(sum); };
    p.mask = [=, this](Value score, Value row, Value at) {
      return b.select(tiles.mask.visible(b.add(firstRow, row), at), score,
                      minusInfinity());
    };
    p.seen = [=, this](Value row, int64_t count, Value isWhole) {
      Value end = b.add(key, b.index(keys));
      auto partly = [&]() -> Values {
        return {tiles.forRuns(b.add(firstRow, row), count, key, keys,
                              [](Value, Value) {})};
      };
      if (isWhole)
        end = b.choose(
            isWhole, {end.getType()}, [&]() -> Values { return {end}; },
            partly)[0];
      b.store(end, ends, tileOf(row));
    };
    p.hidden = [=, this](Value row, int64_t count) { hide(key, row, count); };
    return p;
  }

  Value tileOf(Value row) {
    return arith::DivUIOp::create(b, row, b.index(shape.tileRows));
  }

  Value minusInfinity() {
    double infinity = std::numeric_limits<double>::infinity();
    return b.constant(b.vec(b.target.lanes, b.f32()), -infinity);
  }

  /// Scores of a panel that rows [row, row + rows) don't see.
  void hide(Value key, Value row, int64_t rows) {
    tiles.fillRows(scores, minusInfinity(), key, row, rows);
  }

  /// Replaces scores by exp(score - top); leaves 1 / sum of each row, and lse.
  void softmax(Value first, const AttentionTiles::Keys &seen, int64_t rows) {
    int64_t lanes = b.target.lanes, width = shape.panelWidth;
    Value count = b.mul(arith::CeilDivUIOp::create(b, seen.end, b.index(width)),
                        b.index(width));
    Value begin = b.index(0); // a multiple of 64: partials are as from 0 on
    if (tiles.mask.skipsFirst()) {
      begin = b.mul(arith::DivUIOp::create(b, seen.begin, b.index(kPartials)),
                    b.index(kPartials));
      count = b.sub(count, begin);
    }
    auto score = [&](Value row, Value at) {
      return b.add(b.at(begin, row, shape.rowStride), at);
    };
    forRows(rows, [&](Value row) {
      return b.partialsOf(
          Combine::FastMax, count, width, lanes, b.f32(),
          [&](Value at) { return b.load(scores, score(row, at), lanes); });
    });
    Value top = tiles.combineRows(Combine::FastMax, partials, b.index(0));
    Value none = b.less(top, b.constantLike(top, -3.0e38));
    top = b.select(none, b.constantLike(top, 0.0), top);
    b.store(top, tops, b.index(0));
    forRows(rows, [&](Value row) {
      Value shift = b.splat(b.load(tops, row), lanes);
      return b.partialsOf(Combine::Sum, count, width, lanes, b.f32(),
                          [&](Value at) {
                            Value s = b.load(scores, score(row, at), lanes);
                            Value e = expandExp(b, b.sub(s, shift));
                            b.store(e, scores, score(row, at));
                            return e;
                          });
    });
    Value sum = tiles.combineRows(Combine::Sum, partials, b.index(0));
    finishRows(first, top, sum, rows);
  }

  void forRows(int64_t rows, llvm::function_ref<Value(Value row)> partialsOf) {
    b.loop(rows, 1, [&](Value row) {
      b.store(partialsOf(row), partials, b.mul(row, b.index(b.target.lanes)));
    });
  }

  void finishRows(Value first, Value top, Value sum, int64_t rows) {
    int64_t lanes = b.target.lanes;
    Value zero = b.constantLike(sum, 0.0);
    Value mask = rows < lanes ? b.mask(b.index(rows), lanes) : Value();
    b.store(b.add(top, expandLog(b, sum)), lse, first, mask);
    Value empty =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, zero);
    Value scale = b.div(b.constantLike(sum, 1.0), sum);
    b.store(b.select(empty, zero, scale), sums, b.index(0));
  }

  void valueTile(Value outBase, Value valueBase,
                 const AttentionTiles::Keys &seen, Value row, int64_t rows,
                 int64_t cols) {
    GemmTile tile;
    tile.a = scores;
    tile.aBase = b.at(b.index(0), row, shape.rowStride);
    tile.aRow = shape.rowStride;
    tile.b = v.memory;
    tile.bBase = valueBase;
    // A tile that sees nothing has weights of 0 wherever it ends.
    Value end = seen.end;
    if (tiles.mask.isThere())
      end = b.min(b.load(ends, tileOf(row)), end);
    tile.k = {{b.min(seen.begin, end), end, 1, v.stride()}};
    tile.unroll = rows == shape.tileRows ? 4 : 1;
    tile.c = out.memory;
    tile.cBase = b.at(outBase, row, out.stride());
    tile.cRow = out.stride();
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
  HeadRows q, k, v, out;
  Value lse, panels, scores, tops, sums, partials, queries;
  Value ends; // of tiles: the keys that they may see
};
} // namespace

int64_t attentionScratchBytes(const AttentionSpec &spec,
                              const TargetInfo &target) {
  AttentionShape shape(spec, target, target.lanes);
  return ForwardScratch(spec, shape).size();
}

func::FuncOp emitAttention(const KernelSite &site, const AttentionSpec &spec) {
  KernelBuilder b(site);
  b.computeInF32();
  int64_t bytes = attentionScratchBytes(spec, site.target);
  SmallVector<Type> types = {queryType(b, spec, spec.rowsFirst.q),
                             keyType(b, spec, spec.rowsFirst.k),
                             keyType(b, spec, spec.rowsFirst.v)};
  AttentionMask::addTypes(b, spec, types);
  types.append(
      {queryType(b, spec, spec.rowsFirst.out),
       MemRefType::get({spec.batch, spec.heads, spec.queries}, b.f32()),
       MemRefType::get({bytes}, b.getI8Type())});
  b.begin(types);
  AttentionEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
