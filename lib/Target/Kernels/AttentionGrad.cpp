// SPDX-License-Identifier: Apache-2.0
//
// Attention, backward. Per kv head the keys and the values are packed into
// panels; then per query head of its group and block of queries:
//
// 1. delta = sum of dout * out per row;
// 2. per visible panel P = exp(q k^T * scale - lse) and
//    dS = P (dout v^T - delta) * scale into row buffers;
//    (a tile of rows that does not see a panel leaves zeros);
// 3. dq = dS k, one chain over keys; dv += P^T dout and dk += dS^T q, chains
//    over the group's heads and, in each, over queries.
//
// Where dk and dv are bf16 in memory, these chains run in f32 scratch and are
// rounded at their end.

#include "AttentionTiles.h"
#include "MathExpansion.h"

#include <limits>

using namespace mlir;

namespace weft {

/// Rows of a block: fewer where their buffers would leave the L2 cache.
static int64_t blockRowsFor(const AttentionSpec &spec) {
  return spec.keys > 2048 ? 32 : 64;
}

/// True if dk and dv can't hold their own chains.
static bool roundsKeys(const AttentionSpec &spec) {
  return spec.type && !spec.type.isF32();
}

namespace {
struct BackwardScratch : ScratchPlan {
  BackwardScratch(const AttentionSpec &spec, const AttentionShape &shape)
      : keyPanels(take(shape.panels(), 4)),
        valuePanels(take(shape.panels(), 4)), p(take(shape.rows(), 4)),
        ds(take(shape.rows(), 4)), delta(take(shape.blockRows, 4)),
        partials(take(shape.blockRows * kPartials, 4)),
        slopes(take(spec.softcap ? shape.rows() : 0, 4)),
        starts(take(shape.numPanels, 8)), stops(take(shape.numPanels, 8)),
        runStarts(take(shape.numRuns, 8)),
        begins(take(shape.blockRows / shape.tileRows, 8)),
        ends(take(shape.blockRows / shape.tileRows, 8)),
        queries(take(shape.copySize, 4)), gradients(take(shape.copySize, 4)),
        dk(take(roundsKeys(spec) ? spec.keys * spec.width : 0, 4)),
        dv(take(roundsKeys(spec) ? spec.keys * spec.width : 0, 4)),
        mask(*this, spec, shape) {}
  int64_t keyPanels, valuePanels, p, ds, delta, partials, slopes;
  int64_t starts, stops, runStarts, begins, ends;
  int64_t queries, gradients, dk, dv;
  MaskPlan mask;
};

/// One block of queries of one head.
struct Block {
  Value head, kvHead;
  Value sumHead;  // of the chains of dk, dv
  Value firstRow; // query number
  Value flatRow;  // row of lse
  int64_t rows;
};

class AttentionGradEmitter {
public:
  AttentionGradEmitter(KernelBuilder &b, const AttentionSpec &spec)
      : b(b), spec(spec), shape(spec, b.target, blockRowsFor(spec)),
        tiles(b, spec, shape) {
    BackwardScratch plan(spec, shape);
    auto first = spec.rowsFirst;
    dout = tiles.queryRows(b.arg(0), first.dout),
    q = tiles.queryRows(b.arg(1), first.q);
    k = tiles.keyRows(b.arg(2), first.k), v = tiles.keyRows(b.arg(3), first.v);
    out = tiles.queryRows(b.arg(4), first.out), lse = b.arg(5);
    unsigned next = tiles.mask.bindOperands(6);
    dq = tiles.queryRows(b.arg(next), first.dq);
    dk = tiles.keyRows(b.arg(next + 1), first.dk);
    dv = tiles.keyRows(b.arg(next + 2), first.dv);
    auto floats = [&](int64_t offset, int64_t count) {
      return b.scratch(next + 3, offset, count, b.f32());
    };
    keyPanels = floats(plan.keyPanels, shape.panels());
    valuePanels = floats(plan.valuePanels, shape.panels());
    p = floats(plan.p, shape.rows());
    ds = floats(plan.ds, shape.rows());
    delta = floats(plan.delta, shape.blockRows);
    partials = floats(plan.partials, shape.blockRows * kPartials);
    if (spec.softcap)
      slopes = floats(plan.slopes, shape.rows());
    auto indices = [&](int64_t offset, int64_t count) {
      return b.scratch(next + 3, offset, count, b.getIndexType());
    };
    starts = indices(plan.starts, shape.numPanels);
    stops = indices(plan.stops, shape.numPanels);
    runStarts = indices(plan.runStarts, shape.numRuns);
    begins = indices(plan.begins, shape.blockRows / shape.tileRows);
    ends = indices(plan.ends, shape.blockRows / shape.tileRows);
    tiles.mask.bindScratch(plan.mask, next + 3);
    dkSums = dk, dvSums = dv;
    if (!roundsKeys(spec))
      return;
    queries = floats(plan.queries, shape.copySize);
    gradients = floats(plan.gradients, shape.copySize);
    dkSums = tiles.keyRows(floats(plan.dk, spec.keys * spec.width), false);
    dvSums = tiles.keyRows(floats(plan.dv, spec.keys * spec.width), false);
  }

  void emit() {
    tiles.mask.findPositions();
    int64_t group = spec.heads / spec.kvHeads;
    b.loop(spec.batch * spec.kvHeads, 1, [&](Value kvHead) {
      tiles.mask.beginBatch(
          arith::DivUIOp::create(b, kvHead, b.index(spec.kvHeads)));
      tiles.packPanels(k, kvHead, keyPanels);
      tiles.packPanels(v, kvHead, valuePanels);
      Value sumHead = roundsKeys(spec) ? b.index(0) : kvHead;
      for (const HeadRows &sums : {dkSums, dvSums})
        clearSums(sums, sumHead);
      b.loop(group, 1, [&](Value member) {
        Value head = b.at(member, kvHead, group);
        forTiles(b, spec.queries, shape.blockRows,
                 [&](Value row, int64_t rows) {
                   Value flat = b.at(row, head, spec.queries);
                   block({head, kvHead, sumHead, row, flat, rows});
                 });
      });
      if (roundsKeys(spec)) {
        roundSums(dkSums, dk, kvHead);
        roundSums(dvSums, dv, kvHead);
      }
    });
  }

private:
  int64_t passLanes() const {
    return std::min<int64_t>(kPartials, b.target.lanes * 2);
  }

  void clearSums(const HeadRows &sums, Value head) {
    Value zero = b.constant(b.vec(passLanes(), b.f32()), 0.0);
    b.loop(spec.keys, 1, [&](Value key) {
      Value row = sums.at(b, head, key);
      b.vectorLoop(spec.width, passLanes(), [&](Value at, Value mask) {
        b.store(zero, sums.memory, b.add(row, at), mask);
      });
    });
  }

  void roundSums(const HeadRows &sums, const HeadRows &rounded, Value head) {
    b.loop(spec.keys, 1, [&](Value key) {
      Value from = sums.at(b, b.index(0), key), to = rounded.at(b, head, key);
      b.vectorLoop(spec.width, passLanes(), [&](Value at, Value mask) {
        b.store(b.load(sums.memory, b.add(from, at), passLanes(), mask),
                rounded.memory, b.add(to, at), mask);
      });
    });
  }

  void block(const Block &at) {
    findDeltas(at);
    wideQueries = tiles.rowsInF32(q, at.head, at.firstRow, at.rows, queries);
    wideGradients =
        tiles.rowsInF32(dout, at.head, at.firstRow, at.rows, gradients);
    if (tiles.mask.skipsFirst())
      b.loop(shape.blockRows / shape.tileRows, 1,
             [&](Value tile) { b.store(b.index(spec.keys), begins, tile); });
    AttentionTiles::Keys seen = tiles.forPanels(
        at.firstRow, at.rows, shape.panelWidth,
        [&](Value key, int64_t keys, Value panel) {
          forgetPanel(at, panel);
          tiles.multiplyPanel(probabilities(at, key, keys, panel));
          tiles.multiplyPanel(scoreGradients(at, key, keys, panel));
        },
        [&](Value key) {
          forgetPanel(at, panelOf(key));
          clear(ds, key, b.index(0), at.rows);
        });
    queryGradient(at, seen);
    keyGradient(at, seen, p, dout, dvSums);
    keyGradient(at, seen, ds, q, dkSums);
  }

  /// No row of the block is known to see the panel.
  void forgetPanel(const Block &at, Value panel) {
    Value none = b.index(at.rows);
    b.store(none, starts, panel);
    b.store(none, stops, panel);
    int64_t runs = shape.panelWidth / shape.tileRows;
    for (int64_t run = 0; run < runs; ++run)
      b.store(none, runStarts,
              b.add(b.mul(panel, b.index(runs)), b.index(run)));
  }

  Value panelOf(Value key) {
    return arith::DivUIOp::create(b, key, b.index(shape.panelWidth));
  }

  /// sum of dout * out per row, the last steps of `lanes` rows at once.
  void findDeltas(const Block &at) {
    int64_t lanes = b.target.lanes;
    b.loop(at.rows, 1, [&](Value row) {
      auto load = [&](const HeadRows &rows, Value d, Value mask) {
        Value base = rows.at(b, at.head, b.add(at.firstRow, row));
        return b.load(rows.memory, b.add(base, d), lanes, mask);
      };
      Value sums =
          b.partialsOfDot(spec.width, lanes, b.f32(), [&](Value d, Value mask) {
            return std::pair(load(dout, d, mask), load(out, d, mask));
          });
      b.store(sums, partials, b.mul(row, b.index(lanes)));
    });
    b.loop(at.rows, lanes, [&](Value row) {
      b.store(tiles.combineRows(Combine::Sum, partials, row), delta, row);
    });
  }

  AttentionTiles::PanelProduct product(const Block &at,
                                       const AttentionTiles::Rows &a,
                                       Value panels, Value target, Value key,
                                       int64_t keys, Value panel) {
    AttentionTiles::PanelProduct p;
    p.a = a, p.panels = panels, p.panel = panel;
    p.target = target, p.key = key, p.firstRow = at.firstRow;
    p.rows = at.rows, p.keys = keys;
    p.hidden = [=, this](Value row, int64_t rows) {
      clear(target, key, row, rows);
    };
    return p;
  }

  AttentionTiles::PanelProduct probabilities(const Block &at, Value key,
                                             int64_t keys, Value panel) {
    auto p = product(at, wideQueries, keyPanels, this->p, key, keys, panel);
    p.finish = [=, this](Value sum, Value row, Value key) {
      Value lseOfRow = b.load(lse, b.add(at.flatRow, row));
      // A row without keys: its scores are all -inf, as is its lse.
      Value none = b.less(lseOfRow, b.constant(b.f32(), -3.0e38));
      lseOfRow = b.select(none, b.constant(b.f32(), 0.0), lseOfRow);
      Value turned, score = tiles.scoreOf(sum, &turned);
      if (turned)
        storeSlope(turned, row, key);
      return b.sub(score, b.splat(lseOfRow, b.target.lanes));
    };
    p.mask = [=, this](Value x, Value row, Value key) {
      double infinity = std::numeric_limits<double>::infinity();
      return b.select(tiles.mask.visible(b.add(at.firstRow, row), key), x,
                      b.constantLike(x, -infinity));
    };
    p.last = [this](Value x, Value, Value) { return expandExp(b, x); };
    p.seen = [=, this](Value row, int64_t rows, Value isWhole) {
      Value tile = arith::DivUIOp::create(b, row, b.index(shape.tileRows));
      auto wholly = [&]() -> Values {
        b.store(b.min(b.load(starts, panel), row), starts, panel);
        b.store(b.add(key, b.index(keys)), ends, tile);
        return {};
      };
      auto partly = [&]() -> Values {
        Value end = tiles.forRuns(
            b.add(at.firstRow, row), rows, key, keys,
            [&](Value run, Value sees) {
              Value first = b.load(runStarts, run);
              b.store(b.select(sees, b.min(first, row), first), runStarts, run);
            });
        b.store(end, ends, tile);
        return {};
      };
      if (isWhole)
        b.choose(isWhole, {}, wholly, partly);
      else
        wholly();
      if (!tiles.mask.skipsFirst())
        return;
      b.store(b.add(row, b.index(rows)), stops, panel);
      b.store(b.min(b.load(begins, tile), key), begins, tile);
    };
    return p;
  }

  AttentionTiles::PanelProduct scoreGradients(const Block &at, Value key,
                                              int64_t keys, Value panel) {
    auto p = product(at, wideGradients, valuePanels, ds, key, keys, panel);
    p.last = [=, this](Value sum, Value row, Value key) {
      int64_t lanes = b.target.lanes;
      Value position = b.at(key, row, shape.rowStride);
      Value probability = b.load(this->p, position, lanes);
      Value centred = b.sub(sum, b.splat(b.load(delta, row), lanes));
      Value slope = spec.softcap ? b.load(slopes, position, lanes)
                                 : b.constantLike(sum, spec.scale);
      return b.mul(b.mul(probability, slope), centred);
    };
    return p;
  }

  /// The derivative of capped scores: scale * (1 - tanh^2).
  void storeSlope(Value turned, Value row, Value key) {
    Value one = b.constantLike(turned, 1.0);
    Value slope = b.fma(b.neg(turned), turned, one);
    b.store(b.mul(slope, b.constantLike(turned, spec.scale)), slopes,
            b.at(key, row, shape.rowStride));
  }

  void clear(Value target, Value key, Value row, int64_t rows) {
    Value zero = b.constant(b.vec(b.target.lanes, b.f32()), 0.0);
    tiles.fillRows(target, zero, key, row, rows);
  }

  void queryGradient(const Block &at, const AttentionTiles::Keys &seen) {
    forTiles(b, spec.width, b.target.tileCols(), [&](Value d, int64_t cols) {
      forTiles(b, at.rows, shape.tileRows, [&](Value r, int64_t rows) {
        Value number = arith::DivUIOp::create(b, r, b.index(shape.tileRows));
        // A tile may see no key of this block of queries at all.
        Value first = seen.begin, last = seen.end;
        if (tiles.mask.isThere())
          last = b.min(b.load(ends, number), last);
        if (tiles.mask.skipsFirst())
          first = b.min(b.load(begins, number), last);
        GemmTile tile;
        tile.a = ds;
        tile.aBase = b.at(b.index(0), r, shape.rowStride);
        tile.aRow = shape.rowStride;
        tile.b = k.memory;
        tile.bBase = b.add(k.at(b, at.kvHead, b.index(0)), d);
        tile.k = {{first, last, 1, k.stride()}};
        tile.unroll = rows == shape.tileRows ? 4 : 1;
        tile.c = dq.memory;
        tile.cBase = b.add(dq.at(b, at.head, b.add(at.firstRow, r)), d);
        tile.cRow = dq.stride();
        tile.rows = rows;
        tile.columns = cols;
        emitGemmTile(b, tile);
      });
    });
  }

  /// target[key, :] += sum over rows of weights[row, key] * rowsOf[row, :]
  void keyGradient(const Block &at, const AttentionTiles::Keys &seen,
                   Value weights, const HeadRows &rowData,
                   const HeadRows &target) {
    int64_t step = shape.tileRows, full = spec.keys / step * step;
    auto tileAt = [&](Value key, int64_t keys, Value d, int64_t cols) {
      GemmTile tile;
      tile.a = weights;
      tile.aBase = key;
      tile.aRow = 1;
      tile.b = rowData.memory;
      tile.bBase = b.add(rowData.at(b, at.head, at.firstRow), d);
      Value first = b.index(0), last = b.index(at.rows);
      if (tiles.mask.isThere())
        first = b.min(
            b.load(starts, panelOf(key)),
            b.load(runStarts, arith::DivUIOp::create(b, key, b.index(step))));
      if (tiles.mask.skipsFirst())
        last = b.load(stops, panelOf(key));
      tile.k = {{first, last, shape.rowStride, rowData.stride()}};
      tile.unroll = keys == step ? 4 : 1;
      tile.c = target.memory;
      tile.cBase = b.add(target.at(b, at.sumHead, key), d);
      tile.cRow = target.stride();
      tile.rows = keys;
      tile.columns = cols;
      tile.accumulate = true;
      emitGemmTile(b, tile);
    };
    forTiles(b, spec.width, b.target.tileCols(), [&](Value d, int64_t cols) {
      b.loop(seen.begin, b.min(seen.end, b.index(full)), step,
             [&](Value key) { tileAt(key, step, d, cols); });
      if (full == spec.keys)
        return;
      Value reaches = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt,
                                            seen.end, b.index(full));
      b.when(reaches,
             [&] { tileAt(b.index(full), spec.keys - full, d, cols); });
    });
  }

  KernelBuilder &b;
  const AttentionSpec &spec;
  AttentionShape shape;
  AttentionTiles tiles;
  HeadRows dout, q, k, v, out, dq, dk, dv, dkSums, dvSums;
  Value lse;
  Value keyPanels, valuePanels, p, ds, delta, partials, slopes;
  Value starts, stops; // of panels: the rows of the block that may see it
  Value runStarts;     // of runs of keys, for tiles that see part of a panel
  Value begins, ends;  // of tiles: the keys that they may see
  Value queries, gradients;
  AttentionTiles::Rows wideQueries, wideGradients; // of the block under way
};
} // namespace

int64_t attentionGradScratchBytes(const AttentionSpec &spec,
                                  const TargetInfo &target) {
  AttentionShape shape(spec, target, blockRowsFor(spec));
  return BackwardScratch(spec, shape).size();
}

func::FuncOp emitAttentionGrad(const KernelSite &site,
                               const AttentionSpec &spec) {
  KernelBuilder b(site);
  b.computeInF32();
  int64_t bytes = attentionGradScratchBytes(spec, site.target);
  auto first = spec.rowsFirst;
  SmallVector<Type> types = {
      queryType(b, spec, first.dout),
      queryType(b, spec, first.q),
      keyType(b, spec, first.k),
      keyType(b, spec, first.v),
      queryType(b, spec, first.out),
      MemRefType::get({spec.batch, spec.heads, spec.queries}, b.f32())};
  AttentionMask::addTypes(b, spec, types);
  types.append({queryType(b, spec, first.dq), keyType(b, spec, first.dk),
                keyType(b, spec, first.dv),
                MemRefType::get({bytes}, b.getI8Type())});
  b.begin(types);
  AttentionGradEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
