// SPDX-License-Identifier: Apache-2.0
//
// Contractions of two strided operands.
//
// 1. Letters of size 1 are dropped; the rest fall into groups: batch (in A, B,
//    C), m (A, C), n (B, C), k (A, B). A and B are swapped if C's last letter
//    belongs to A, so that n is contiguous in C.
// 2. Neighbours of a group merge where all strides allow.
// 3. f32: per batch, block of k, block of m and panel of n: pack B's panel
//    [k][columns], then run register tiles down m. A is read by broadcasts: in
//    place if its rows are contiguous along k, else from panels [k][rows].
//    Further letters of m and n become outer loops; further letters of k nest
//    inside the chain.
// 4. Other types: plain loops, the same chain.

#include "weft/Target/Kernels.h"

#include "GemmTile.h"
#include "MathExpansion.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace weft {

namespace {
struct Letter {
  int64_t size, a, b, c; // strides; 0 where absent
};

struct Groups {
  SmallVector<Letter> batch, m, n, k;
  bool swapped = false;
};

/// Sizes of the blocks; the whole extent where blocking does not pay.
struct Blocks {
  int64_t k, m;
  bool pack, packA;

  /// k of a panel of B, with room for transposing past its end.
  int64_t depth(const Groups &groups, const TargetInfo &target) const;
  int64_t panelB(const Groups &groups, const TargetInfo &target) const {
    return pack ? depth(groups, target) * target.tileCols() : 0;
  }
  int64_t panelA(const TargetInfo &target) const {
    int64_t step = target.tileRows();
    return packA ? (m + step - 1) / step * step * k : 0;
  }
};
} // namespace

static SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int i = static_cast<int>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/// The letters of A, B and C.
static std::array<StringRef, 3> splitEquation(StringRef equation) {
  auto [operands, c] = equation.split("->");
  auto [a, b] = operands.split(",");
  return {a, b, c};
}

static int64_t sizeOf(const ContractSpec &spec, char letter) {
  auto letters = splitEquation(spec.equation);
  size_t inA = letters[0].find(letter);
  return inA != StringRef::npos ? spec.a[inA] : spec.b[letters[1].find(letter)];
}

Shape contractShape(const ContractSpec &spec) {
  Shape shape;
  StringRef letters = splitEquation(spec.equation)[2];
  for (char letter : letters)
    shape.push_back(sizeOf(spec, letter));
  return shape;
}

/// Merges neighbours that every operand steps through as one.
static void merge(SmallVector<Letter> &group) {
  SmallVector<Letter> merged;
  for (const Letter &inner : group) {
    auto joins = [&](const Letter &outer) {
      return outer.a == inner.a * inner.size &&
             outer.b == inner.b * inner.size && outer.c == inner.c * inner.size;
    };
    if (!merged.empty() && joins(merged.back())) {
      int64_t outerSize = merged.back().size;
      merged.back() = inner;
      merged.back().size *= outerSize;
      continue;
    }
    merged.push_back(inner);
  }
  group = merged;
}

static Groups analyse(const ContractSpec &spec) {
  auto [a, b, c] = splitEquation(spec.equation);
  Shape cShape = contractShape(spec);
  auto aStrides = stridesOf(spec.a), bStrides = stridesOf(spec.b),
       cStrides = stridesOf(cShape);
  auto stride = [](StringRef letters, ArrayRef<int64_t> strides, char letter) {
    size_t at = letters.find(letter);
    return at == StringRef::npos ? 0 : strides[at];
  };
  auto letterOf = [&](char name) -> Letter {
    return {sizeOf(spec, name), stride(a, aStrides, name),
            stride(b, bStrides, name), stride(c, cStrides, name)};
  };
  Groups groups;
  bool lastIsM = false;
  for (char name : c) {
    Letter letter = letterOf(name);
    if (letter.size == 1)
      continue;
    bool inA = a.contains(name), inB = b.contains(name);
    (inA && inB ? groups.batch : inA ? groups.m : groups.n).push_back(letter);
    lastIsM = inA && !inB;
  }
  for (char name : a)
    if (!c.contains(name) && letterOf(name).size > 1)
      groups.k.push_back(letterOf(name));
  if (lastIsM || groups.n.empty()) {
    std::swap(groups.m, groups.n);
    for (auto *group : {&groups.batch, &groups.m, &groups.n, &groups.k})
      for (Letter &letter : *group)
        std::swap(letter.a, letter.b);
    groups.swapped = true;
  }
  for (auto *group : {&groups.batch, &groups.m, &groups.n, &groups.k}) {
    merge(*group);
    if (group->empty() && group != &groups.batch)
      group->push_back({1, 0, 0, 0});
  }
  return groups;
}

static int64_t extent(ArrayRef<Letter> group) {
  int64_t product = 1;
  for (const Letter &letter : group)
    product *= letter.size;
  return product;
}

int64_t Blocks::depth(const Groups &groups, const TargetInfo &target) const {
  return extent(ArrayRef(groups.k).drop_back()) * k + target.lanes;
}

ContractOrder chooseContractOrder(const ContractSpec &spec) {
  Groups groups = analyse(spec);
  bool single = extent(groups.m) == 1 || extent(groups.n) == 1;
  const Letter &k = groups.k.back();
  bool contiguous = groups.k.size() == 1 && k.a == 1 && k.b == 1;
  return single && contiguous && k.size >= kPartials ? ContractOrder::Partials
                                                     : ContractOrder::Chain;
}

static ContractOrder orderOf(const ContractSpec &spec) {
  return spec.order.value_or(chooseContractOrder(spec));
}

static bool isTiled(const ContractSpec &spec) {
  return spec.aType.isF32() && spec.bType.isF32() && spec.cType.isF32();
}

/// B is packed where its columns are not contiguous, or where enough rows
/// share the panel; k and m are cut so that B's panel stays in the first cache
/// and A's block in the second. A is packed where it lies transposed.
static Blocks planBlocks(const Groups &groups, const TargetInfo &target) {
  constexpr int64_t kLong = 384, kBlock = 256, kCacheFloats = 1 << 18;
  const Letter &n = groups.n.back(), &k = groups.k.back();
  Blocks blocks;
  blocks.pack = n.b != 1 || extent(groups.m) >= 64;
  bool contiguousC = n.c == 1 || n.size == 1;
  bool cut = groups.k.size() == 1 && k.size > kLong && contiguousC;
  blocks.k = cut ? kBlock : k.size;
  int64_t rows = groups.m.back().size;
  int64_t most = kCacheFloats / std::max<int64_t>(blocks.k, 1);
  int64_t step = target.tileRows() * 8;
  blocks.m =
      rows <= most + most / 4 ? rows : std::max(step, most / step * step);
  bool simple = groups.k.size() == 1 && groups.m.size() == 1 &&
                llvm::isPowerOf2_64(target.tileRows());
  blocks.packA = blocks.pack && simple && k.a != 1 && groups.m.back().a == 1 &&
                 extent(groups.n) >= 2 * target.tileCols();
  return blocks;
}

int64_t contractScratchBytes(const ContractSpec &spec,
                             const TargetInfo &target) {
  if (!isTiled(spec) || orderOf(spec) == ContractOrder::Partials)
    return 0;
  Groups groups = analyse(spec);
  Blocks blocks = planBlocks(groups, target);
  return 4 * (blocks.panelB(groups, target) + blocks.panelA(target));
}

namespace {
/// Bases of the three operands at some point of the loop nest.
struct Bases {
  Value a, b, c;
};

class ContractEmitter {
public:
  ContractEmitter(KernelBuilder &b, const ContractSpec &spec)
      : b(b), spec(spec), groups(analyse(spec)),
        blocks(planBlocks(groups, b.target)) {
    memoryA = b.arg(groups.swapped ? 1 : 0);
    memoryB = b.arg(groups.swapped ? 0 : 1);
    memoryC = b.arg(2);
  }

  void emit() {
    Value zero = b.index(0);
    nest(groups.batch, {zero, zero, zero}, [&](Bases bases) {
      if (!isTiled(spec))
        return plain(bases);
      if (orderOf(spec) == ContractOrder::Partials)
        return dots(bases);
      tiled(bases);
    });
  }

private:
  /// Loops over every letter of `letters`.
  void nest(ArrayRef<Letter> letters, Bases bases,
            llvm::function_ref<void(Bases)> body) {
    if (letters.empty())
      return body(bases);
    const Letter &letter = letters.front();
    b.loop(letter.size, 1, [&](Value iv) {
      nest(letters.drop_front(), advance(bases, iv, letter), body);
    });
  }

  Bases advance(Bases bases, Value iv, const Letter &letter) {
    return {b.at(bases.a, iv, letter.a), b.at(bases.b, iv, letter.b),
            b.at(bases.c, iv, letter.c)};
  }

  /// Blocks of k: the first starts from +0, the others from C.
  void tiled(Bases bases) {
    const Letter &k = groups.k.back();
    int64_t sizeB = blocks.panelB(groups, b.target);
    if (blocks.pack)
      panel = b.scratch(3, 0, sizeB, b.f32());
    if (blocks.packA)
      panelA = b.scratch(3, 4 * sizeB, blocks.panelA(b.target), b.f32());
    kBlock(bases, b.index(0), b.index(std::min(blocks.k, k.size)),
           /*accumulate=*/false);
    if (blocks.k >= k.size)
      return;
    b.loop(b.index(blocks.k), b.index(k.size), blocks.k, [&](Value lo) {
      Value hi = b.min(b.add(lo, b.index(blocks.k)), b.index(k.size));
      kBlock(bases, lo, hi, /*accumulate=*/true);
    });
  }

  void kBlock(Bases bases, Value lo, Value hi, bool accumulate) {
    const Letter &m = groups.m.back(), &n = groups.n.back();
    forTiles(b, m.size, blocks.m, [&](Value m0, int64_t rows) {
      Bases block = advance(bases, m0, m);
      if (blocks.packA)
        packRows(block.a, lo, hi, rows);
      nest(ArrayRef(groups.n).drop_back(), block, [&](Bases outer) {
        forTiles(b, n.size, b.target.tileCols(), [&](Value n0, int64_t cols) {
          Bases column = advance(outer, n0, n);
          if (blocks.pack)
            pack(column.b, lo, hi, cols);
          nest(ArrayRef(groups.m).drop_back(), column, [&](Bases row) {
            forTiles(b, rows, b.target.tileRows(),
                     [&](Value r0, int64_t count) {
                       Bases at = advance(row, r0, m);
                       if (blocks.packA)
                         at.a = b.at(b.index(0), r0, blocks.k);
                       tile(at, lo, hi, count, cols, accumulate);
                     });
          });
        });
      });
    });
  }

  void tile(Bases bases, Value lo, Value hi, int64_t rows, int64_t cols,
            bool accumulate) {
    GemmTile t;
    t.a = blocks.packA ? panelA : memoryA;
    t.aBase = bases.a;
    t.aRow = groups.m.back().a;
    t.b = blocks.pack ? panel : memoryB;
    t.bBase = blocks.pack ? b.index(0) : bases.b;
    t.c = memoryC;
    t.cBase = bases.c;
    t.cRow = groups.m.back().c;
    t.cColumn = std::max<int64_t>(groups.n.back().c, 1);
    t.rows = rows;
    t.columns = cols;
    t.accumulate = accumulate;
    t.padded = blocks.pack;
    int64_t step = b.target.tileCols();
    for (const Letter &k : llvm::reverse(groups.k)) {
      bool inner = &k == &groups.k.back();
      t.k.insert(t.k.begin(),
                 {inner ? lo : b.index(0), inner ? hi : b.index(k.size), k.a,
                  blocks.pack ? step : k.b});
      step *= k.size;
    }
    // The panel counts k from the block's start.
    if (blocks.pack)
      t.bBase = b.sub(t.bBase, b.mul(lo, b.index(b.target.tileCols())));
    if (blocks.packA) {
      int64_t rowsOfTile = b.target.tileRows();
      t.k.back().aStride = rowsOfTile;
      t.aBase = b.sub(t.aBase, b.mul(lo, b.index(rowsOfTile)));
    }
    emitGemmTile(b, t);
  }

  /// Packs `rows` rows of A, k in [lo, hi), into panels [k][tileRows].
  void packRows(Value base, Value lo, Value hi, int64_t rows) {
    int64_t step = b.target.tileRows();
    forTiles(b, rows, 4 * step, [&](Value row, int64_t count) {
      b.loop(lo, hi, 1, [&](Value k) {
        Value from = b.at(b.add(base, row), k, groups.k.back().a);
        Value to = b.at(b.at(b.index(0), row, blocks.k), b.sub(k, lo), step);
        for (int64_t r = 0; r < count; r += step) {
          bool full = count - r >= step;
          Value mask = full ? Value() : b.mask(b.index(count - r), step);
          b.store(b.load(memoryA, b.add(from, b.index(r)), step, mask), panelA,
                  b.add(to, b.index(r * blocks.k)));
        }
      });
    });
  }

  /// Packs `cols` columns of B, k in [lo, hi) of the innermost level.
  void pack(Value base, Value lo, Value hi, int64_t cols) {
    packOuter(ArrayRef(groups.k).drop_back(), base, b.index(0), lo, hi, cols);
  }

  void packOuter(ArrayRef<Letter> outer, Value base, Value flat, Value lo,
                 Value hi, int64_t cols) {
    if (outer.empty())
      return packInner(base, flat, lo, hi, cols);
    int64_t below =
        extent(outer.drop_front()) * groups.k.back().size * b.target.tileCols();
    b.loop(outer.front().size, 1, [&](Value iv) {
      packOuter(outer.drop_front(), b.at(base, iv, outer.front().b),
                b.at(flat, iv, below), lo, hi, cols);
    });
  }

  void packInner(Value base, Value flat, Value lo, Value hi, int64_t cols) {
    const Letter &k = groups.k.back(), &n = groups.n.back();
    int64_t width = b.target.tileCols(), lanes = b.target.lanes;
    if (k.b == 1 && n.b != 1)
      return packTransposed(
          b, {memoryB, base, n.b, lo, hi, cols, width, panel, flat});
    b.loop(lo, hi, 1, [&](Value iv) {
      Value source = b.at(base, iv, k.b);
      Value row = b.at(flat, b.sub(iv, lo), width);
      for (int64_t column = 0; column < width; column += lanes)
        b.store(packedRegister(source, column, cols), panel,
                b.add(row, b.index(column)));
    });
  }

  /// Columns [column, column + lanes) of one row of B, zero past `cols`.
  Value packedRegister(Value source, int64_t column, int64_t cols) {
    int64_t lanes = b.target.lanes, stride = groups.n.back().b;
    int64_t count = std::clamp<int64_t>(cols - column, 0, lanes);
    Value empty = b.constant(b.vec(lanes, b.f32()), 0.0);
    if (count == 0)
      return empty;
    if (stride == 1)
      return b.load(memoryB, b.add(source, b.index(column)), lanes,
                    count == lanes ? Value() : b.mask(b.index(count), lanes));
    for (int64_t lane = 0; lane < count; ++lane)
      empty = vector::InsertOp::create(
          b, b.load(memoryB, b.add(source, b.index((column + lane) * stride))),
          empty, ArrayRef<int64_t>{lane});
    return empty;
  }

  /// 64-partial dot products, k contiguous in both operands.
  void dots(Bases bases) {
    int64_t lanes = b.target.lanes;
    nest(groups.m, bases, [&](Bases row) {
      nest(groups.n, row, [&](Bases at) {
        auto pair = [&](Value k, Value mask) {
          return std::pair(b.load(memoryA, b.add(at.a, k), lanes, mask),
                           b.load(memoryB, b.add(at.b, k), lanes, mask));
        };
        Value sum = b.dot(groups.k.back().size, lanes, b.f32(), pair);
        b.store(sum, memoryC, at.c);
      });
    });
  }

  void plain(Bases bases) {
    bool narrow = spec.cType.isBF16() || spec.cType.isF32();
    Type type = narrow ? b.f32() : spec.cType;
    nest(groups.m, bases, [&](Bases row) {
      nest(groups.n, row, [&](Bases at) {
        Values sum = plainChain(groups.k, at, {b.constant(type, 0.0)});
        b.store(spec.cType.isBF16() ? f32ToBf16(b, sum[0]) : sum[0], memoryC,
                at.c);
      });
    });
  }

  Values plainChain(ArrayRef<Letter> k, Bases bases, ValueRange sum) {
    if (k.empty())
      return {b.fma(widen(b.load(memoryA, bases.a), sum[0].getType()),
                    widen(b.load(memoryB, bases.b), sum[0].getType()), sum[0])};
    return b.loop(b.index(0), b.index(k.front().size), 1, sum,
                  [&](Value iv, ValueRange current) {
                    return plainChain(k.drop_front(),
                                      advance(bases, iv, k.front()), current);
                  });
  }

  Value widen(Value value, Type type) {
    if (value.getType().isBF16())
      value = bf16ToF32(b, value);
    if (value.getType() == type || !isa<FloatType>(type))
      return value;
    return arith::ExtFOp::create(b, type, value);
  }

  KernelBuilder &b;
  const ContractSpec &spec;
  Groups groups;
  Blocks blocks;
  Value memoryA, memoryB, memoryC, panel, panelA;
};
} // namespace

func::FuncOp emitContract(const KernelSite &site, const ContractSpec &spec) {
  KernelBuilder b(site);
  SmallVector<Type> types = {MemRefType::get(spec.a, spec.aType),
                             MemRefType::get(spec.b, spec.bType),
                             MemRefType::get(contractShape(spec), spec.cType)};
  if (int64_t bytes = contractScratchBytes(spec, site.target))
    types.push_back(MemRefType::get({bytes}, b.getI8Type()));
  b.begin(types);
  ContractEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
