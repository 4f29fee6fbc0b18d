// SPDX-License-Identifier: Apache-2.0
//
// Emission of the tiles; see the header.

#include "GemmTileBf16.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace weft {

static constexpr int64_t kLanes = 16;     // f32 or pairs of a register
static constexpr int64_t kTileBytes = 64; // of a row of an AMX tile

Value packedPairs(KernelBuilder &b, Value pairs) {
  if (b.target.hasAmx)
    return pairs;
  Value shift = b.integerLike(pairs, 16);
  return arith::OrIOp::create(b, arith::ShLIOp::create(b, pairs, shift),
                              arith::ShRUIOp::create(b, pairs, shift));
}

//===----------------------------------------------------------------------===//
// AMX
//===----------------------------------------------------------------------===//

Value Bf16Tiles::tile(int64_t number) {
  return LLVM::ConstantOp::create(b, b.getI8Type(), b.getI8IntegerAttr(number));
}

void Bf16Tiles::callTiles(StringRef name, ValueRange operands) {
  std::string intrinsic = ("llvm.x86." + name).str();
  LLVM::CallIntrinsicOp::create(b, b.getStringAttr(intrinsic), operands);
}

Value Bf16Tiles::pointerTo(Value memory, Value position) {
  unsigned width =
      cast<MemRefType>(memory.getType()).getElementTypeBitWidth() / 8;
  Value start = memref::ExtractAlignedPointerAsIndexOp::create(b, memory);
  Value address = arith::IndexCastOp::create(b, b.getI64Type(),
                                             b.at(start, position, width));
  return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()),
                                  address);
}

void Bf16Tiles::begin() {
  if (!b.target.hasAmx)
    return;
  // Palette 1: eight tiles of 16 rows x 64 bytes.
  SmallVector<int8_t> bytes(64, 0);
  bytes[0] = 1;
  for (int64_t number = 0; number < 8; ++number) {
    bytes[16 + 2 * number] = kTileBytes;
    bytes[48 + number] = kLanes;
  }
  auto type = b.vec(64, b.getI8Type());
  Value configuration = arith::ConstantOp::create(
      b, DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)));
  b.store(configuration, panels.scratch, b.index(0));
  callTiles("ldtilecfg", pointerTo(panels.scratch, b.index(0)));
}

void Bf16Tiles::end() {
  if (b.target.hasAmx)
    callTiles("tilerelease", {});
}

Value Bf16Tiles::bytes(int64_t count) {
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(count));
}

/// The lines of C's part that is stored next, some rows in the iteration of
/// the chain that begins at `pair`. Rows lie far apart, often by a power of
/// two: the first cache would not keep them.
void Bf16Tiles::fetchRows(Value pair, const CTile &at) {
  int64_t each = llvm::divideCeil(kLanes * at.rows, panels.depth);
  Value first = b.mul(b.divide(pair, kLanes).first, b.index(each));
  for (int64_t i = 0; i < each; ++i) {
    Value row = b.min(b.add(first, b.index(i)), b.index(at.rows - 1));
    panels.tail.fetch(b.at(at.base, row, panels.cRow), at.columns, Fetch::Far,
                      Fetch::Far);
  }
}

/// Sums 32 x 32 of C from `column` of the panels on. Tiles 0 to 3 are C, 2 x 2;
/// 4 and 5 are A, 6 and 7 are B.
void Bf16Tiles::sumByTiles(Value row, int64_t column, const CTile &at) {
  auto load = [&](int64_t number, Value memory, Value position, int64_t width) {
    callTiles("tileloadd64",
              {tile(number), pointerTo(memory, position), bytes(4 * width)});
  };
  for (int64_t number = 0; number < 4; ++number)
    callTiles("tilezero", tile(number));
  Value aRow = b.at(b.index(0), row, panels.depth);
  b.loop(panels.depth, kLanes, [&](Value pair) {
    if (!panels.tail.isPlain())
      fetchRows(pair, at);
    Value a = b.add(aRow, pair);
    Value bAt = b.at(b.index(column * panels.depth), pair, kBf16TileCols);
    for (int64_t part = 0; part < 2; ++part) {
      load(4 + part, panels.a, b.add(a, b.index(part * kLanes * panels.depth)),
           panels.depth);
      load(6 + part, panels.b, b.add(bAt, b.index(part * kLanes)),
           kBf16TileCols);
    }
    for (int64_t number = 0; number < 4; ++number)
      callTiles("tdpbf16ps",
                {tile(number), tile(4 + number / 2), tile(6 + number % 2)});
  });
}

void Bf16Tiles::storeTiles(Value memory, Value position, int64_t row) {
  for (int64_t number = 0; number < 4; ++number) {
    int64_t offset = number / 2 * kLanes * row + number % 2 * kLanes;
    Value at = b.add(position, b.index(offset));
    callTiles("tilestored64",
              {tile(number), pointerTo(memory, at), bytes(4 * row)});
  }
}

void Bf16Tiles::multiplyByTiles(Value row, const CTile &at) {
  bool isDirect =
      panels.c && at.rows == kBf16TileRows && at.columns % kBf16TileCols == 0;
  int64_t width = llvm::alignTo(at.columns, kBf16TileCols);
  Value sums = panels.c;
  if (!isDirect)
    sums = memref::ViewOp::create(
        b, MemRefType::get({kBf16TileRows * panels.columns}, b.f32()),
        panels.scratch, b.index(64), ValueRange{});
  for (int64_t column = 0; column < width; column += kBf16TileCols) {
    Value cBase = b.add(at.base, b.index(column));
    sumByTiles(row, column,
               {cBase, at.rows, std::min(kBf16TileCols, at.columns - column)});
    storeTiles(sums, isDirect ? cBase : b.index(column),
               isDirect ? panels.cRow : panels.columns);
  }
  if (isDirect)
    return;
  b.loop(at.rows, 1, [&](Value r) {
    Value from = b.at(b.index(0), r, panels.columns);
    int64_t lanes = std::min(panels.lanes, width);
    Values row;
    for (int64_t column = 0; column < width; column += lanes)
      row.push_back(b.load(sums, b.add(from, b.index(column)), lanes));
    storeRow(row, b.at(at.base, r, panels.cRow), at.columns);
  });
}

//===----------------------------------------------------------------------===//
// AVX512-BF16
//===----------------------------------------------------------------------===//

/// Sums and stores 32 columns of C from `column` of the panels on.
void Bf16Tiles::multiplyByVectors(Value row, int64_t column, const CTile &at) {
  constexpr int64_t parts = kBf16TileCols / kLanes;
  VectorType sum = b.vec(kLanes, b.f32());
  VectorType pairs = b.vec(2 * kLanes, b.getBF16Type());
  StringAttr name = b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512");
  Value aRow = b.at(b.index(0), row, panels.depth);
  Values zeros(rows() * parts, b.constant(sum, 0.0));
  auto step = [&](Value pair, ValueRange sums) {
    auto asPairs = [&](Value value) -> Value {
      return vector::BitCastOp::create(b, pairs, value);
    };
    Value bAt = b.at(b.index(column * panels.depth), pair, kBf16TileCols);
    Values columnsOfB, next;
    for (int64_t part = 0; part < parts; ++part)
      columnsOfB.push_back(asPairs(
          b.load(panels.b, b.add(bAt, b.index(part * kLanes)), kLanes)));
    for (int64_t r = 0; r < rows(); ++r) {
      Value at = b.add(b.add(aRow, pair), b.index(r * panels.depth));
      Value a = asPairs(b.splat(b.load(panels.a, at), kLanes));
      for (int64_t part = 0; part < parts; ++part)
        next.push_back(
            LLVM::CallIntrinsicOp::create(
                b, sum, name, {sums[r * parts + part], a, columnsOfB[part]})
                .getResult(0));
    }
    return next;
  };
  Values sums = b.loop(b.index(0), b.index(panels.depth), 1, zeros, step);
  for (int64_t r = 0; r < at.rows; ++r)
    storeRow(ArrayRef(sums).slice(r * parts, parts),
             b.add(at.base, b.index(r * panels.cRow)), at.columns);
}

//===----------------------------------------------------------------------===//
// Both
//===----------------------------------------------------------------------===//

void Bf16Tiles::storeRow(ValueRange vectors, Value position, int64_t columns) {
  int64_t column = 0;
  for (Value sums : vectors) {
    int64_t left = columns - column, lanes = lanesOf(sums);
    if (left <= 0)
      break;
    Value mask = left >= lanes ? Value() : b.mask(b.index(left), lanes);
    panels.tail.store(sums, b.add(position, b.index(column)), mask);
    column += lanes;
  }
}

void Bf16Tiles::multiply(Value row, const CTile &at) {
  if (b.target.hasAmx)
    return multiplyByTiles(row, at);
  for (int64_t column = 0; column < at.columns; column += kBf16TileCols)
    multiplyByVectors(row, column,
                      {b.add(at.base, b.index(column)), at.rows,
                       std::min(kBf16TileCols, at.columns - column)});
}

} // namespace weft
