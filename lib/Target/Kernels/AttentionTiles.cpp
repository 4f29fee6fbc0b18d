// SPDX-License-Identifier: Apache-2.0
//
// Shared parts of the attention kernels; see the header.

#include "AttentionTiles.h"
#include "MathExpansion.h"

using namespace mlir;

namespace weft {

static int64_t roundUp(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

AttentionShape::AttentionShape(const AttentionSpec &spec,
                               const TargetInfo &target, int64_t mostRows) {
  tileRows = target.lanes == 16 ? 8 : 4;
  blockRows = std::min(mostRows, roundUp(spec.queries, target.lanes));
  numTiles = roundUp(spec.queries, tileRows) / tileRows;
  panelWidth = target.tileCols();
  numPanels = roundUp(spec.keys, panelWidth) / panelWidth;
  numRuns = numPanels * (panelWidth / tileRows);
  rowStride = roundUp(spec.keys, panelWidth) + target.lanes;
  panelSize = roundUp(spec.width, target.lanes) * panelWidth;
  bool isNarrow = spec.type && !spec.type.isF32();
  copySize = isNarrow ? blockRows * spec.width : 0;
}

static Type elementOf(KernelBuilder &b, const AttentionSpec &spec) {
  return spec.type ? spec.type : Type(b.f32());
}

MemRefType queryType(KernelBuilder &b, const AttentionSpec &spec,
                     bool rowsFirst) {
  HeadRows rows({}, spec.heads, spec.queries, spec.width, rowsFirst);
  return rows.type(spec.batch, elementOf(b, spec));
}

MemRefType keyType(KernelBuilder &b, const AttentionSpec &spec,
                   bool rowsFirst) {
  HeadRows rows({}, spec.kvHeads, spec.keys, spec.width, rowsFirst);
  return rows.type(spec.batch, elementOf(b, spec));
}

void AttentionTiles::packPanels(const HeadRows &matrix, Value head,
                                Value panels) {
  forTiles(b, spec.keys, shape.panelWidth, [&](Value key, int64_t count) {
    Value panel = arith::DivUIOp::create(b, key, b.index(shape.panelWidth));
    packTransposed(b, {matrix.memory, matrix.at(b, head, key), matrix.stride(),
                       b.index(0), b.index(spec.width), count, shape.panelWidth,
                       panels, b.at(b.index(0), panel, shape.panelSize)});
  });
}

AttentionTiles::Rows AttentionTiles::rowsInF32(const HeadRows &matrix,
                                               Value head, Value row,
                                               int64_t count, Value copy) {
  Value base = matrix.at(b, head, row);
  if (shape.copySize == 0)
    return {matrix.memory, base, matrix.stride()};
  int64_t lanes = b.target.lanes;
  b.loop(count, 1, [&](Value r) {
    Value from = b.at(base, r, matrix.stride());
    Value to = b.at(b.index(0), r, spec.width);
    b.vectorLoop(spec.width, lanes, [&](Value at, Value mask) {
      b.store(b.load(matrix.memory, b.add(from, at), lanes, mask), copy,
              b.add(to, at), mask);
    });
  });
  return {copy, b.index(0), spec.width};
}

AttentionTiles::Keys AttentionTiles::forPanels(
    Value row, int64_t rows, int64_t reach,
    llvm::function_ref<void(Value, int64_t, Value)> active,
    llvm::function_ref<void(Value)> skipped) {
  int64_t width = shape.panelWidth;
  auto panelOf = [&](Value key) {
    return arith::DivUIOp::create(b, key, b.index(width));
  };
  if (!mask.isThere()) {
    forTiles(b, spec.keys, width,
             [&](Value key, int64_t keys) { active(key, keys, panelOf(key)); });
    return {b.index(0), b.index(spec.keys)};
  }
  MaskExtent queries = mask.queriesOf(row, rows);
  // The first key seen so far (past all keys if none), and the end.
  auto visit = [&](Value key, int64_t keys, ValueRange current) -> Values {
    Value panel = panelOf(key);
    return b.choose(
        mask.maySee(queries, mask.keysOf(panel)), current.getTypes(),
        [&]() -> Values {
          Value begin = b.min(current[0], key);
          Value reached = b.mul(
              arith::DivUIOp::create(b, begin, b.index(reach)), b.index(reach));
          b.loop(arith::MaxUIOp::create(b, reached, current[1]), key, width,
                 skipped);
          active(key, keys, panel);
          return {begin, b.add(key, b.index(keys))};
        },
        [&] { return Values(current); });
  };
  int64_t full = spec.keys / width * width;
  Values run = {b.index(mask.skipsFirst() ? spec.keys : 0), b.index(0)};
  if (full > 0)
    run = b.loop(b.index(0), b.index(full), width, run,
                 [&](Value key, ValueRange current) {
                   return visit(key, width, current);
                 });
  if (full < spec.keys)
    run = visit(b.index(full), spec.keys - full, run);
  if (!mask.skipsFirst())
    return {b.index(0), run[1]};
  return {b.min(run[0], run[1]), run[1]};
}

void AttentionTiles::multiplyPanel(const PanelProduct &p) {
  forTiles(b, p.rows, shape.tileRows, [&](Value row, int64_t rows) {
    auto compute = [&](Value isWhole) {
      if (p.seen)
        p.seen(row, rows, isWhole);
      productTile(p, row, rows, isWhole);
    };
    if (!mask.isThere())
      return compute({});
    MaskExtent queries = mask.queriesOf(b.add(p.firstRow, row), rows);
    MaskExtent keys = mask.keysOf(p.panel);
    b.choose(
        mask.maySee(queries, keys), {},
        [&]() -> Values {
          compute(mask.seesAll(queries, keys));
          return {};
        },
        [&]() -> Values {
          p.hidden(row, rows);
          return {};
        });
  });
}

Value AttentionTiles::forRuns(
    Value row, int64_t rows, Value key, int64_t keys,
    llvm::function_ref<void(Value run, Value sees)> visit) {
  MaskExtent queries = mask.queriesOf(row, rows);
  Value first = arith::DivUIOp::create(b, key, b.index(shape.tileRows));
  Value end = key;
  for (int64_t at = 0; at < keys; at += shape.tileRows) {
    Value run = b.add(first, b.index(at / shape.tileRows));
    Value sees = mask.maySee(queries, mask.keysOfRun(run));
    int64_t behind = std::min(at + shape.tileRows, keys);
    end = b.select(sees, b.add(key, b.index(behind)), end);
    visit(run, sees);
  }
  return end;
}

void AttentionTiles::productTile(const PanelProduct &p, Value row, int64_t rows,
                                 Value isWhole) {
  GemmTile tile;
  tile.a = p.a.memory;
  tile.aBase = b.at(p.a.base, row, p.a.stride);
  tile.aRow = p.a.stride;
  tile.b = p.panels;
  tile.bBase = b.at(b.index(0), p.panel, shape.panelSize);
  tile.padded = true;
  tile.k = {{b.index(0), b.index(spec.width), 1, shape.panelWidth}};
  tile.unroll = rows == shape.tileRows ? 4 : 1;
  tile.c = p.target;
  tile.cBase = b.at(p.key, row, shape.rowStride);
  tile.cRow = shape.rowStride;
  tile.rows = rows;
  tile.columns = p.keys;
  auto bind = [&](const RegisterFn &function) -> GemmTile::FinishFn {
    if (!function)
      return {};
    return [&, row](Value sum, int64_t r, int64_t column) {
      return function(sum, b.add(row, b.index(r)),
                      b.add(p.key, b.index(column)));
    };
  };
  tile.finish = bind(p.finish);
  tile.mask = isWhole ? bind(p.mask) : GemmTile::FinishFn();
  tile.last = bind(p.last);
  tile.isWhole = isWhole;
  emitGemmTile(b, tile);
}

void AttentionTiles::fillRows(Value target, Value value, Value key, Value row,
                              int64_t rows) {
  b.loop(rows, 1, [&](Value r) {
    Value at = b.at(key, b.add(row, r), shape.rowStride);
    for (int64_t c = 0; c < shape.panelWidth; c += b.target.lanes)
      b.store(value, target, b.add(at, b.index(c)));
  });
}

Value AttentionTiles::combineRows(Combine kind, Value partials, Value first) {
  int64_t lanes = b.target.lanes;
  Values rows;
  for (int64_t r = 0; r < lanes; ++r)
    rows.push_back(b.load(
        partials, b.mul(b.add(first, b.index(r)), b.index(lanes)), lanes));
  rows = transposeRegisters(b, rows);
  for (int64_t half = lanes / 2; half >= 1; half /= 2)
    for (int64_t i = 0; i < half; ++i)
      rows[i] = b.combine(kind, rows[i], rows[i + half]);
  return rows[0];
}

Value AttentionTiles::scoreOf(Value sum, Value *turned) {
  if (turned)
    *turned = {};
  if (!spec.softcap)
    return b.mul(sum, b.constantLike(sum, spec.scale));
  double cap = *spec.softcap;
  Value tanh = expandTanh(b, b.mul(sum, b.constantLike(sum, spec.scale / cap)));
  if (turned)
    *turned = tanh;
  return b.mul(tanh, b.constantLike(sum, cap));
}

} // namespace weft
