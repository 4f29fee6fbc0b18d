// SPDX-License-Identifier: Apache-2.0
//
// Emission of the tiles; see the header.

#include "GemmTileBf16.h"

#include "MathExpansion.h"

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

/// Tiles 0 to 3 are C, 2 x 2; 4 and 5 are A, 6 and 7 are B.
void Bf16Tiles::multiplyByTiles(Value row, Value cBase, int64_t count,
                                int64_t columns) {
  auto stride = [&](int64_t bytes) {
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(bytes));
  };
  auto load = [&](int64_t number, Value memory, Value position, int64_t bytes) {
    callTiles("tileloadd64",
              {tile(number), pointerTo(memory, position), stride(bytes)});
  };
  for (int64_t number = 0; number < 4; ++number)
    callTiles("tilezero", tile(number));
  Value aRow = b.at(b.index(0), row, panels.depth);
  b.loop(panels.depth, kLanes, [&](Value pair) {
    Value a = b.add(aRow, pair), bAt = b.at(b.index(0), pair, kBf16TileCols);
    for (int64_t part = 0; part < 2; ++part) {
      load(4 + part, panels.a, b.add(a, b.index(part * kLanes * panels.depth)),
           4 * panels.depth);
      load(6 + part, panels.b, b.add(bAt, b.index(part * kLanes)),
           4 * kBf16TileCols);
    }
    for (int64_t number = 0; number < 4; ++number)
      callTiles("tdpbf16ps",
                {tile(number), tile(4 + number / 2), tile(6 + number % 2)});
  });
  bool isDirect = !panels.narrowResult && count == kBf16TileRows &&
                  columns == kBf16TileCols;
  Value sums =
      isDirect
          ? panels.c
          : memref::ViewOp::create(
                b, MemRefType::get({kBf16TileRows * kBf16TileCols}, b.f32()),
                panels.scratch, b.index(64), ValueRange{});
  int64_t sumsRow = isDirect ? panels.cRow : kBf16TileCols;
  Value base = isDirect ? cBase : b.index(0);
  for (int64_t number = 0; number < 4; ++number) {
    int64_t offset = number / 2 * kLanes * sumsRow + number % 2 * kLanes;
    callTiles("tilestored64",
              {tile(number), pointerTo(sums, b.add(base, b.index(offset))),
               stride(4 * sumsRow)});
  }
  if (isDirect)
    return;
  b.loop(count, 1, [&](Value r) {
    Value from = b.at(b.index(0), r, kBf16TileCols);
    Values registers;
    for (int64_t part = 0; part < kBf16TileCols; part += kLanes)
      registers.push_back(b.load(sums, b.add(from, b.index(part)), kLanes));
    storeRow(registers, b.at(cBase, r, panels.cRow), columns);
  });
}

//===----------------------------------------------------------------------===//
// AVX512-BF16
//===----------------------------------------------------------------------===//

void Bf16Tiles::multiplyByVectors(Value row, Value cBase, int64_t count,
                                  int64_t columns) {
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
    Value bAt = b.at(b.index(0), pair, kBf16TileCols);
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
  for (int64_t r = 0; r < count; ++r)
    storeRow(ArrayRef(sums).slice(r * parts, parts),
             b.add(cBase, b.index(r * panels.cRow)), columns);
}

//===----------------------------------------------------------------------===//
// Both
//===----------------------------------------------------------------------===//

void Bf16Tiles::storeRow(ValueRange registers, Value position,
                         int64_t columns) {
  for (auto [part, value] : llvm::enumerate(registers)) {
    int64_t column = part * kLanes, left = columns - column;
    if (left <= 0)
      break;
    Value mask = left >= kLanes ? Value() : b.mask(b.index(left), kLanes);
    b.store(panels.narrowResult ? f32ToBf16(b, value) : value, panels.c,
            b.add(position, b.index(column)), mask);
  }
}

void Bf16Tiles::multiply(Value row, Value cBase, int64_t count,
                         int64_t columns) {
  if (b.target.hasAmx)
    multiplyByTiles(row, cBase, count, columns);
  else
    multiplyByVectors(row, cBase, count, columns);
}

} // namespace weft
