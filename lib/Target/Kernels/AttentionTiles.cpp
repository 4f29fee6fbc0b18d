// SPDX-License-Identifier: Apache-2.0
//
// Shared parts of the attention kernels; see the header.

#include "AttentionTiles.h"

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
  rowStride = roundUp(spec.keys, panelWidth) + target.lanes;
  panelSize = roundUp(spec.width, target.lanes) * panelWidth;
  bool isNarrow = spec.type && !spec.type.isF32();
  copySize = isNarrow ? blockRows * spec.width : 0;
}

void PositionPlan::bind(AttentionTiles &tiles, unsigned argument) const {
  Type i64 = tiles.b.getI64Type();
  auto view = [&](int64_t offset, int64_t count) {
    return tiles.b.scratch(argument, offset, count, i64);
  };
  tiles.lowest = view(lowest, tiles.shape.numPanels);
  tiles.highest = view(highest, tiles.shape.numPanels);
  tiles.lowestQuery = view(lowestQuery, tiles.shape.numTiles);
  tiles.highestQueryOf = view(highestQuery, tiles.shape.numTiles);
}

/// The lowest and highest of each run of `step` positions.
static void findExtremes(KernelBuilder &b, Value positions, int64_t count,
                         int64_t step, Value lowest, Value highest) {
  forTiles(b, count, step, [&](Value first, int64_t size) {
    Value start = b.load(positions, first);
    Values ends =
        b.loop(b.index(1), b.index(size), 1, {start, start},
               [&](Value i, ValueRange current) -> Values {
                 Value position = b.load(positions, b.add(first, i));
                 return {b.combine(Combine::Min, current[0], position),
                         b.combine(Combine::Max, current[1], position)};
               });
    Value number = arith::DivUIOp::create(b, first, b.index(step));
    b.store(ends[0], lowest, number);
    b.store(ends[1], highest, number);
  });
}

void AttentionTiles::findPositions() {
  if (!spec.causal)
    return;
  findExtremes(b, keyPositions, spec.keys, shape.panelWidth, lowest, highest);
  findExtremes(b, queryPositions, spec.queries, shape.tileRows, lowestQuery,
               highestQueryOf);
}

void AttentionTiles::packPanels(Value matrix, Value base, Value panels) {
  forTiles(b, spec.keys, shape.panelWidth, [&](Value key, int64_t count) {
    Value panel = arith::DivUIOp::create(b, key, b.index(shape.panelWidth));
    packTransposed(b, {matrix, b.at(base, key, spec.width), spec.width,
                       b.index(0), b.index(spec.width), count, shape.panelWidth,
                       panels, b.at(b.index(0), panel, shape.panelSize)});
  });
}

AttentionTiles::Rows AttentionTiles::rowsInF32(Value matrix, Value base,
                                               int64_t rows, Value copy) {
  if (shape.copySize == 0)
    return {matrix, base};
  int64_t lanes = b.target.lanes;
  b.vectorLoop(rows * spec.width, lanes, [&](Value at, Value mask) {
    b.store(b.load(matrix, b.add(base, at), lanes, mask), copy, at, mask);
  });
  return {copy, b.index(0)};
}

Value AttentionTiles::highestQuery(Value row, int64_t rows) {
  if (!spec.causal)
    return {};
  Value tile = arith::DivUIOp::create(b, row, b.index(shape.tileRows));
  Value most = b.load(highestQueryOf, tile);
  for (int64_t r = shape.tileRows; r < rows; r += shape.tileRows)
    most = b.combine(
        Combine::Max, most,
        b.load(highestQueryOf, b.add(tile, b.index(r / shape.tileRows))));
  return most;
}

Value AttentionTiles::forPanels(
    Value highest, llvm::function_ref<void(Value, int64_t, Value)> active,
    llvm::function_ref<void(Value)> inactive) {
  auto visit = [&](Value key, int64_t keys, Value end) -> Value {
    Value panel = arith::DivUIOp::create(b, key, b.index(shape.panelWidth));
    Value next = b.add(key, b.index(keys));
    if (!spec.causal) {
      active(key, keys, panel);
      return next;
    }
    Value sees = arith::CmpIOp::create(b, arith::CmpIPredicate::sle,
                                       b.load(lowest, panel), highest);
    return b.choose(
        sees, {b.getIndexType()},
        [&]() -> Values {
          active(key, keys, panel);
          return {next};
        },
        [&]() -> Values {
          inactive(key);
          return {end};
        })[0];
  };
  int64_t width = shape.panelWidth, full = spec.keys / width * width;
  Value end = b.index(0);
  if (full > 0)
    end = b.loop(b.index(0), b.index(full), width, {end},
                 [&](Value key, ValueRange current) -> Values {
                   return {visit(key, width, current[0])};
                 })[0];
  return full < spec.keys ? visit(b.index(full), spec.keys - full, end) : end;
}

void AttentionTiles::multiplyPanel(const PanelProduct &p) {
  forTiles(b, p.rows, shape.tileRows, [&](Value row, int64_t rows) {
    auto compute = [&](Value isWhole) {
      if (p.seen)
        p.seen(row, rows);
      productTile(p, row, rows, isWhole);
    };
    if (!spec.causal)
      return compute({});
    Value tile = arith::DivUIOp::create(b, b.add(p.firstRow, row),
                                        b.index(shape.tileRows));
    auto notAfter = [&](Value keys, Value queries) -> Value {
      return arith::CmpIOp::create(b, arith::CmpIPredicate::sle,
                                   b.load(keys, p.panel),
                                   b.load(queries, tile));
    };
    b.choose(
        notAfter(lowest, highestQueryOf), {},
        [&]() -> Values {
          compute(notAfter(highest, lowestQuery));
          return {};
        },
        [&]() -> Values {
          p.hidden(row, rows);
          return {};
        });
  });
}

void AttentionTiles::productTile(const PanelProduct &p, Value row, int64_t rows,
                                 Value isWhole) {
  GemmTile tile;
  tile.a = p.a;
  tile.aBase = b.at(p.aBase, row, spec.width);
  tile.aRow = spec.width;
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

Value AttentionTiles::visible(Value firstRow, Value row, Value key) {
  int64_t lanes = b.target.lanes;
  Value query = b.load(queryPositions, b.add(firstRow, row));
  // The last register may reach past the keys.
  Value inside = b.mask(b.sub(b.index(spec.keys), key), lanes);
  Value mask = spec.keys % lanes ? inside : Value();
  Value keys = b.load(keyPositions, key, lanes, mask);
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, keys,
                               b.splat(query, lanes));
}

} // namespace weft
