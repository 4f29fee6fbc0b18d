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
  blockRows = std::min(mostRows, spec.queries);
  panelWidth = target.tileCols();
  numPanels = roundUp(spec.keys, panelWidth) / panelWidth;
  paddedKeys = roundUp(spec.keys, kPartials);
  panelSize = roundUp(spec.width, target.lanes) * panelWidth;
}

void AttentionTiles::findPanelPositions() {
  if (!spec.causal)
    return;
  forTiles(b, spec.keys, shape.panelWidth, [&](Value key, int64_t count) {
    Value start = b.load(keyPositions, key);
    Values least =
        b.loop(b.index(1), b.index(count), 1, {start},
               [&](Value i, ValueRange current) -> Values {
                 Value position = b.load(keyPositions, b.add(key, i));
                 return {b.combine(Combine::Min, current[0], position)};
               });
    Value panel = arith::DivUIOp::create(b, key, b.index(shape.panelWidth));
    b.store(least[0], lowest, panel);
  });
}

void AttentionTiles::packPanels(Value matrix, Value base, Value panels) {
  forTiles(b, spec.keys, shape.panelWidth, [&](Value key, int64_t count) {
    Value panel = arith::DivUIOp::create(b, key, b.index(shape.panelWidth));
    packTransposed(b, {matrix, b.at(base, key, spec.width), spec.width,
                       b.index(0), b.index(spec.width), count, shape.panelWidth,
                       panels, b.at(b.index(0), panel, shape.panelSize)});
  });
}

Value AttentionTiles::highestQuery(Value row, int64_t rows) {
  if (!spec.causal)
    return {};
  Values most =
      b.loop(b.index(1), b.index(rows), 1, {b.load(queryPositions, row)},
             [&](Value i, ValueRange current) -> Values {
               Value position = b.load(queryPositions, b.add(row, i));
               return {b.combine(Combine::Max, current[0], position)};
             });
  return most[0];
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
  forTiles(b, p.rows, b.target.tileRows(), [&](Value row, int64_t rows) {
    GemmTile tile;
    tile.a = p.a;
    tile.aBase = b.at(p.aBase, row, spec.width);
    tile.aRow = spec.width;
    tile.b = p.panels;
    tile.bBase = b.at(b.index(0), p.panel, shape.panelSize);
    tile.padded = true;
    tile.k = {{b.index(0), b.index(spec.width), 1, shape.panelWidth}};
    tile.c = p.target;
    tile.cBase = b.at(p.key, row, shape.paddedKeys);
    tile.cRow = shape.paddedKeys;
    tile.rows = rows;
    tile.columns = p.keys;
    tile.finish = [&](Value sum, int64_t r, int64_t column) {
      return p.finish(sum, b.add(row, b.index(r)),
                      b.add(p.key, b.index(column)));
    };
    emitGemmTile(b, tile);
  });
}

Value AttentionTiles::visible(Value firstRow, Value row, Value key) {
  if (!spec.causal)
    return {};
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
