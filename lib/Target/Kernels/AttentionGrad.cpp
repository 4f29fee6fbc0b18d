// SPDX-License-Identifier: Apache-2.0
//
// Attention, backward. Per kv head the keys and the values are packed into
// panels; then per query head of its group and block of queries:
//
// 1. delta = sum of dout * out per row;
// 2. per visible panel P = exp(q k^T * scale - lse) and
//    dS = P (dout v^T - delta) * scale into row buffers;
// 3. dq = dS k, one chain over keys; dv += P^T dout and dk += dS^T q, chains
//    over the group's heads and, in each, over queries.

#include "AttentionTiles.h"
#include "MathExpansion.h"

using namespace mlir;

namespace weft {

/// Rows of a block: fewer where their buffers would leave the L2 cache.
static int64_t blockRowsFor(const AttentionSpec &spec) {
  return spec.keys > 2048 ? 32 : 64;
}

namespace {
struct BackwardScratch : ScratchPlan {
  explicit BackwardScratch(const AttentionShape &shape)
      : keyPanels(take(shape.panels(), 4)),
        valuePanels(take(shape.panels(), 4)), p(take(shape.rows(), 4)),
        ds(take(shape.rows(), 4)), delta(take(shape.blockRows, 4)),
        lowest(take(shape.numPanels, 8)) {}
  int64_t keyPanels, valuePanels, p, ds, delta, lowest;
};

/// One block of queries of one head.
struct Block {
  Value base;     // element of q, out, dout
  Value kvBase;   // element of k, v
  Value firstRow; // query number
  Value flatRow;  // row of lse
  int64_t rows;
};

class AttentionGradEmitter {
public:
  AttentionGradEmitter(KernelBuilder &b, const AttentionSpec &spec)
      : b(b), spec(spec), shape(spec, b.target, blockRowsFor(spec)),
        tiles(b, spec, shape) {
    BackwardScratch plan(shape);
    dout = b.arg(0), q = b.arg(1), k = b.arg(2), v = b.arg(3);
    out = b.arg(4), lse = b.arg(5);
    tiles.queryPositions = b.arg(6), tiles.keyPositions = b.arg(7);
    dq = b.arg(8), dk = b.arg(9), dv = b.arg(10);
    auto floats = [&](int64_t offset, int64_t count) {
      return b.scratch(11, offset, count, b.f32());
    };
    keyPanels = floats(plan.keyPanels, shape.panels());
    valuePanels = floats(plan.valuePanels, shape.panels());
    p = floats(plan.p, shape.rows());
    ds = floats(plan.ds, shape.rows());
    delta = floats(plan.delta, shape.blockRows);
    tiles.lowest = b.scratch(11, plan.lowest, shape.numPanels, b.getI64Type());
  }

  void emit() {
    tiles.findPanelPositions();
    int64_t group = spec.heads / spec.kvHeads, size = spec.keys * spec.width;
    b.loop(spec.batch * spec.kvHeads, 1, [&](Value kvHead) {
      Value kvBase = b.at(b.index(0), kvHead, size);
      tiles.packPanels(k, kvBase, keyPanels);
      tiles.packPanels(v, kvBase, valuePanels);
      int64_t lanes = std::min<int64_t>(kPartials, b.target.lanes * 2);
      Value zero = b.constant(b.vec(lanes, b.f32()), 0.0);
      b.vectorLoop(size, lanes, [&](Value at, Value mask) {
        b.store(zero, dk, b.add(kvBase, at), mask);
        b.store(zero, dv, b.add(kvBase, at), mask);
      });
      b.loop(group, 1, [&](Value member) {
        Value head = b.at(member, kvHead, group);
        forTiles(b, spec.queries, shape.blockRows,
                 [&](Value row, int64_t rows) {
                   Value flat = b.at(row, head, spec.queries);
                   block({b.at(b.index(0), flat, spec.width), kvBase, row, flat,
                          rows});
                 });
      });
    });
  }

private:
  void block(const Block &at) {
    b.loop(at.rows, 1, [&](Value r) { findDelta(at, r); });
    Value end = tiles.forPanels(
        tiles.highestQuery(at.firstRow, at.rows),
        [&](Value key, int64_t keys, Value panel) {
          tiles.multiplyPanel({q, at.base, keyPanels, panel, p, key, at.rows,
                               keys, [&](Value sum, Value row, Value column) {
                                 return probability(at, sum, row, column);
                               }});
          tiles.multiplyPanel({dout, at.base, valuePanels, panel, ds, key,
                               at.rows, keys,
                               [&](Value sum, Value row, Value column) {
                                 return scoreGradient(sum, row, column);
                               }});
        },
        [&](Value key) { clear(key, at.rows); });
    // A register tile of keys may reach past the last panel that is seen.
    Value more = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, end,
                                       b.index(spec.keys));
    b.when(more, [&] { clear(end, at.rows); });
    queryGradient(at, end);
    keyGradient(at, end, p, dout, dv);
    keyGradient(at, end, ds, q, dk);
  }

  void findDelta(const Block &at, Value row) {
    int64_t lanes = b.target.lanes;
    Value base = b.at(at.base, row, spec.width);
    Value sum = b.dot(spec.width, lanes, b.f32(), [&](Value d, Value mask) {
      return std::pair(b.load(dout, b.add(base, d), lanes, mask),
                       b.load(out, b.add(base, d), lanes, mask));
    });
    b.store(sum, delta, row);
  }

  Value probability(const Block &at, Value sum, Value row, Value key) {
    Value shift = b.splat(b.load(lse, b.add(at.flatRow, row)), b.target.lanes);
    Value scaled = b.mul(sum, b.constantLike(sum, spec.scale));
    Value e = expandExp(b, b.sub(scaled, shift));
    Value visible = tiles.visible(at.firstRow, row, key);
    return visible ? b.select(visible, e, b.constantLike(e, 0.0)) : e;
  }

  Value scoreGradient(Value sum, Value row, Value key) {
    int64_t lanes = b.target.lanes;
    Value position = b.at(key, row, shape.paddedKeys);
    Value probability = b.load(p, position, lanes);
    Value centred = b.sub(sum, b.splat(b.load(delta, row), lanes));
    Value scaled = b.mul(probability, b.constantLike(sum, spec.scale));
    return b.mul(scaled, centred);
  }

  /// A panel that nobody sees, between panels that someone sees.
  void clear(Value key, int64_t rows) {
    int64_t lanes = b.target.lanes;
    Value zero = b.constant(b.vec(lanes, b.f32()), 0.0);
    b.loop(rows, 1, [&](Value r) {
      Value at = b.at(key, r, shape.paddedKeys);
      for (int64_t c = 0; c < shape.panelWidth; c += lanes) {
        b.store(zero, p, b.add(at, b.index(c)));
        b.store(zero, ds, b.add(at, b.index(c)));
      }
    });
  }

  void queryGradient(const Block &at, Value end) {
    forTiles(b, spec.width, b.target.tileCols(), [&](Value d, int64_t cols) {
      forTiles(b, at.rows, b.target.tileRows(), [&](Value r, int64_t rows) {
        GemmTile tile;
        tile.a = ds;
        tile.aBase = b.at(b.index(0), r, shape.paddedKeys);
        tile.aRow = shape.paddedKeys;
        tile.b = k;
        tile.bBase = b.add(at.kvBase, d);
        tile.k = {{b.index(0), end, 1, spec.width}};
        tile.c = dq;
        tile.cBase = b.at(b.add(at.base, d), r, spec.width);
        tile.cRow = spec.width;
        tile.rows = rows;
        tile.columns = cols;
        emitGemmTile(b, tile);
      });
    });
  }

  /// target[key, :] += sum over rows of weights[row, key] * rowsOf[row, :]
  void keyGradient(const Block &at, Value end, Value weights, Value rowData,
                   Value target) {
    int64_t step = b.target.tileRows(), full = spec.keys / step * step;
    auto tileAt = [&](Value key, int64_t keys, Value d, int64_t cols) {
      GemmTile tile;
      tile.a = weights;
      tile.aBase = key;
      tile.aRow = 1;
      tile.b = rowData;
      tile.bBase = b.add(at.base, d);
      tile.k = {{b.index(0), b.index(at.rows), shape.paddedKeys, spec.width}};
      tile.c = target;
      tile.cBase = b.at(b.add(at.kvBase, d), key, spec.width);
      tile.cRow = spec.width;
      tile.rows = keys;
      tile.columns = cols;
      tile.accumulate = true;
      emitGemmTile(b, tile);
    };
    forTiles(b, spec.width, b.target.tileCols(), [&](Value d, int64_t cols) {
      b.loop(b.index(0), b.min(end, b.index(full)), step,
             [&](Value key) { tileAt(key, step, d, cols); });
      if (full == spec.keys)
        return;
      Value reaches = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, end,
                                            b.index(full));
      b.when(reaches,
             [&] { tileAt(b.index(full), spec.keys - full, d, cols); });
    });
  }

  KernelBuilder &b;
  const AttentionSpec &spec;
  AttentionShape shape;
  AttentionTiles tiles;
  Value dout, q, k, v, out, lse, dq, dk, dv;
  Value keyPanels, valuePanels, p, ds, delta;
};
} // namespace

int64_t attentionGradScratchBytes(const AttentionSpec &spec,
                                  const TargetInfo &target) {
  AttentionShape shape(spec, target, blockRowsFor(spec));
  return BackwardScratch(shape).size();
}

func::FuncOp emitAttentionGrad(const KernelSite &site,
                               const AttentionSpec &spec) {
  KernelBuilder b(site);
  Type f32 = b.f32(), i64 = b.getI64Type();
  auto query =
      MemRefType::get({spec.batch, spec.heads, spec.queries, spec.width}, f32);
  auto key =
      MemRefType::get({spec.batch, spec.kvHeads, spec.keys, spec.width}, f32);
  int64_t bytes = attentionGradScratchBytes(spec, site.target);
  b.begin({query, query, key, key, query,
           MemRefType::get({spec.batch, spec.heads, spec.queries}, f32),
           MemRefType::get({spec.queries}, i64),
           MemRefType::get({spec.keys}, i64), query, key, key,
           MemRefType::get({bytes}, b.getI8Type())});
  AttentionGradEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
