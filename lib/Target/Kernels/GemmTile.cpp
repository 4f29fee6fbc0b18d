// SPDX-License-Identifier: Apache-2.0
//
// Emission of the register tile and of transposed packing; see the header.

#include "GemmTile.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace weft {

namespace {
/// Emits one tile; `lanes` columns per register.
class TileEmitter {
public:
  TileEmitter(KernelBuilder &b, const GemmTile &tile)
      : b(b), tile(tile), lanes(b.target.lanes),
        registers((tile.columns + lanes - 1) / lanes) {}

  void emit() {
    Values sums = start();
    sums = chain(0, tile.aBase, tile.bBase, sums);
    sums = apply(tile.finish, sums);
    if (tile.mask)
      sums = b.choose(
          tile.isWhole, ValueRange(sums).getTypes(),
          [&]() -> Values { return sums; },
          [&]() -> Values { return apply(tile.mask, sums); });
    sums = apply(tile.last, sums);
    if (tile.cRow == 1 && tile.cColumn != 1 && tile.rows <= lanes)
      return storeTurned(sums);
    for (int64_t row = 0; row < tile.rows; ++row)
      for (int64_t part = 0; part < registers; ++part)
        store(sums[row * registers + part], row, part * lanes);
  }

private:
  /// The mask of the register at `column`, none if it is full.
  Value maskAt(int64_t column) {
    int64_t left = tile.columns - column;
    return left >= lanes ? Value() : b.mask(b.index(left), lanes);
  }

  Values apply(const GemmTile::FinishFn &function, Values sums) {
    if (function)
      for (auto [i, sum] : llvm::enumerate(sums))
        sum = function(sum, i / registers, i % registers * lanes);
    return sums;
  }

  Value cAt(int64_t row, int64_t column) {
    return b.add(tile.cBase, b.index(row * tile.cRow + column * tile.cColumn));
  }

  Values start() {
    Type type = b.vec(lanes, b.f32());
    auto zeros = [&]() -> Values {
      return Values(tile.rows * registers, b.constant(type, 0.0));
    };
    if (!tile.accumulate)
      return zeros();
    auto loads = [&]() -> Values {
      Values sums;
      for (int64_t row = 0; row < tile.rows; ++row)
        for (int64_t part = 0; part < registers; ++part)
          sums.push_back(b.load(tile.c, cAt(row, part * lanes), lanes,
                                maskAt(part * lanes)));
      return sums;
    };
    if (!tile.fresh)
      return loads();
    SmallVector<Type> types(tile.rows * registers, type);
    return b.choose(tile.fresh, types, zeros, loads);
  }

  Values chain(size_t level, Value aBase, Value bBase, ValueRange sums) {
    const KLevel &k = tile.k[level];
    auto body = [&](Value iv, ValueRange current) {
      Value aAt = b.at(aBase, iv, k.aStride);
      Value bAt = b.at(bBase, iv, k.bStride);
      if (level + 1 < tile.k.size())
        return chain(level + 1, aAt, bAt, current);
      return step(aAt, bAt, current);
    };
    if (level + 1 < tile.k.size() || tile.unroll == 1)
      return b.loop(k.lo, k.hi, 1, sums, body);
    return unrolled(k, sums, body);
  }

  /// Whole groups of `unroll` steps, then the rest one by one.
  Values unrolled(const KLevel &k, ValueRange sums,
                  llvm::function_ref<Values(Value, ValueRange)> body) {
    Value rest =
        b.createOrFold<arith::RemUIOp>(b.sub(k.hi, k.lo), b.index(tile.unroll));
    Value end = b.sub(k.hi, rest);
    Values next =
        b.loop(k.lo, end, tile.unroll, sums, [&](Value iv, ValueRange current) {
          if (tile.fetch)
            tile.fetch(iv);
          Values chained(current);
          for (int64_t i = 0; i < tile.unroll; ++i)
            chained = body(b.add(iv, b.index(i)), chained);
          return chained;
        });
    if (getConstantIntValue(rest) == 0)
      return next;
    return b.loop(end, k.hi, 1, next, body);
  }

  Values step(Value aAt, Value bAt, ValueRange sums) {
    Values row;
    for (int64_t part = 0; part < registers; ++part)
      row.push_back(b.load(tile.b, b.add(bAt, b.index(part * lanes)), lanes,
                           tile.padded ? Value() : maskAt(part * lanes)));
    Values next;
    for (int64_t r = 0; r < tile.rows; ++r) {
      Value scalar = b.load(tile.a, b.add(aAt, b.index(r * tile.aRow)));
      Value broadcast = b.splat(scalar, lanes);
      for (int64_t part = 0; part < registers; ++part)
        next.push_back(b.fma(broadcast, row[part], sums[r * registers + part]));
    }
    return next;
  }

  /// C is contiguous along rows: a register per column.
  void storeTurned(ValueRange sums) {
    Value none = b.constant(b.vec(lanes, b.f32()), 0.0);
    Value mask =
        tile.rows < lanes ? b.mask(b.index(tile.rows), lanes) : Value();
    for (int64_t part = 0; part < registers; ++part) {
      Values rows(lanes, none);
      for (int64_t row = 0; row < tile.rows; ++row)
        rows[row] = sums[row * registers + part];
      Values columns = transposeRegisters(b, rows);
      int64_t first = part * lanes;
      for (int64_t i = 0; i < std::min(lanes, tile.columns - first); ++i)
        put(columns[i], cAt(0, first + i), mask);
    }
  }

  void put(Value sum, Value position, Value mask) {
    if (tile.store)
      tile.store(sum, position, mask);
    else
      b.store(sum, tile.c, position, mask);
  }

  void store(Value sum, int64_t row, int64_t column) {
    if (tile.store || tile.cColumn == 1)
      return put(sum, cAt(row, column), maskAt(column));
    for (int64_t lane = 0; lane < std::min(lanes, tile.columns - column);
         ++lane)
      b.store(vector::ExtractOp::create(b, sum, ArrayRef<int64_t>{lane}),
              tile.c, cAt(row, column + lane));
  }

  KernelBuilder &b;
  const GemmTile &tile;
  int64_t lanes, registers;
};
} // namespace

void emitGemmTile(KernelBuilder &b, const GemmTile &tile) {
  TileEmitter(b, tile).emit();
}

void forTiles(KernelBuilder &b, int64_t count, int64_t tile,
              llvm::function_ref<void(Value, int64_t)> body) {
  int64_t full = count / tile * tile;
  b.loop(full, tile, [&](Value start) { body(start, tile); });
  if (full < count)
    body(b.index(full), count - full);
}

Values transposeRegisters(KernelBuilder &b, Values rows) {
  int64_t lanes = rows.size();
  SmallVector<int64_t> low, high;
  for (int64_t lane = 0; lane < lanes / 2; ++lane) {
    low.append({lane, lanes + lane});
    high.append({lanes / 2 + lane, lanes + lanes / 2 + lane});
  }
  // Each round interleaves row i with row i + lanes / 2; log2(lanes) rounds.
  for (int64_t round = 1; round < lanes; round *= 2) {
    Values next;
    for (int64_t i = 0; i < lanes / 2; ++i) {
      Value top = rows[i], bottom = rows[i + lanes / 2];
      next.push_back(vector::ShuffleOp::create(b, top, bottom, low));
      next.push_back(vector::ShuffleOp::create(b, top, bottom, high));
    }
    rows = next;
  }
  return rows;
}

void packTransposed(KernelBuilder &b, const TransposedPanel &p) {
  int64_t lanes = b.target.lanes;
  Type type = b.vec(lanes, b.f32());
  b.loop(p.kLo, p.kHi, lanes, [&](Value k) {
    Value mask = b.mask(b.sub(p.kHi, k), lanes);
    Value target = b.at(p.panelBase, b.sub(k, p.kLo), p.width);
    for (int64_t group = 0; group < p.width; group += lanes) {
      Values rows;
      for (int64_t row = group; row < group + lanes; ++row)
        rows.push_back(
            row < p.count
                ? b.load(p.source,
                         b.add(b.add(p.base, b.index(row * p.rowStride)), k),
                         lanes, mask)
                : b.constant(type, 0.0));
      Values columns = transposeRegisters(b, rows);
      for (int64_t i = 0; i < lanes; ++i)
        b.store(columns[i], p.panel,
                b.add(target, b.index(i * p.width + group)));
    }
  });
}

} // namespace weft
