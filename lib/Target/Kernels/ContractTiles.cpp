// SPDX-License-Identifier: Apache-2.0
//
// The loop nest around the register tile.
//
// 1. m is cut into blocks whose rows of A stay in the second cache, k into
//    blocks only where it is very long (C is kept in f32 in between).
// 2. Per block of m, block of k and panel of n: pack B's panel [k][columns],
//    then run tiles down m. A is read by broadcasts: in place if its rows are
//    contiguous along k, else from panels [k][rows].
// 3. Memory is fetched while tiles compute: each tile asks for its part of C,
//    for its share of B's next panel and, as long as A is new, for the next
//    tile's rows.
//
// Further letters of m and n become outer loops; further letters of k nest
// inside the chain.

#include "ContractTiles.h"

#include "ContractBlocks.h"
#include "ContractTail.h"
#include "GemmTile.h"

#include <numeric>

using namespace mlir;

namespace weft {

namespace {
/// k steps of one iteration of a tile.
constexpr int64_t kUnroll = 8;
} // namespace

llvm::json::Object describeTiles(const ContractSpec &spec, const Groups &given,
                                 const TargetInfo &target) {
  Groups groups = withFewerRows(given, target);
  Blocks blocks = planBlocks(spec, groups, target);
  llvm::json::Array packed;
  if (blocks.packA)
    packed.push_back(groups.swapped ? "rhs" : "lhs");
  if (blocks.pack)
    packed.push_back(groups.swapped ? "lhs" : "rhs");
  return llvm::json::Object{
      {"tile", llvm::json::Array{blocks.rows, target.tileCols()}},
      {"block", llvm::json::Object{{"rows", blocks.m}, {"depth", blocks.k}}},
      {"packed", std::move(packed)}};
}

int64_t tiledScratchBytes(const ContractSpec &spec, const Groups &given,
                          const TargetInfo &target) {
  Groups groups = withFewerRows(given, target);
  Blocks blocks = planBlocks(spec, groups, target);
  return 4 * (blocks.panelB(groups, target) + blocks.panelsA());
}

namespace {
class TiledEmitter {
public:
  TiledEmitter(KernelBuilder &b, const ContractSpec &spec, const Groups &given)
      : b(b), groups(withFewerRows(given, b.target)),
        blocks(planBlocks(spec, groups, b.target)), m(groups.m.back()),
        n(groups.n.back()), k(groups.k.back()), cols(b.target.tileCols()),
        tail(b, spec) {
    isExchanged = groups.swapped != given.swapped;
    memoryA = b.arg(groups.swapped ? 1 : 0);
    memoryB = b.arg(groups.swapped ? 0 : 1);
    int64_t sizeB = blocks.panelB(groups, b.target);
    unsigned scratch = tail.numArguments();
    if (blocks.pack)
      panel = b.scratch(scratch, 0, sizeB, b.f32());
    if (blocks.packA)
      panelA = b.scratch(scratch, 4 * sizeB, blocks.panelsA(), b.f32());
  }

  /// `bases` are those of the operands as `given`.
  void emit(Bases bases) {
    if (isExchanged)
      std::swap(bases.a, bases.b);
    forTiles(b, m.size, blocks.m, [&](Value m0, int64_t rows) {
      Bases block = bases.advance(b, m0, m);
      if (blocks.k >= k.size)
        return kBlock({block, b.index(0), b.index(k.size), rows});
      b.loop(b.index(0), b.index(k.size), blocks.k, [&](Value lo) {
        Value hi = b.min(b.add(lo, b.index(blocks.k)), b.index(k.size));
        kBlock({block, lo, hi, rows});
      });
    });
  }

private:
  /// Rows of m and steps of k that panels are packed for.
  struct Block {
    Bases bases;
    Value lo, hi;
    int64_t rows;
  };
  /// A panel of B: bases at its first column, its number and width.
  struct Panel {
    const Block &block;
    Bases bases;
    Value column;
    int64_t columns;
  };

  void kBlock(const Block &block);
  void panelTiles(const Panel &at);
  void tile(const Panel &at, Bases bases, Value row, int64_t rows);
  void packRows(const Block &block);
  void packSteps(const Block &block, Value at, int64_t steps);
  void fetchFirstPanel(const Block &block, Value at);
  void pack(ArrayRef<Letter> outer, Value base, Value flat, const Panel &at);
  void packInner(Value base, Value flat, const Panel &at);
  Value packedRegister(Value source, int64_t column, int64_t columns);
  /// Asks for memory in an iteration of a tile that starts with step `step`.
  using FetchFn = std::function<void(Value step, Value iteration)>;
  FetchFn fetchC(const Panel &at, const GemmTile &t, Value row);
  FetchFn fetchNextPanel(const Panel &at, const GemmTile &t, Value row);
  FetchFn fetchNextRows(const Panel &at, const GemmTile &t, Value row);
  FetchFn spread(const GemmTile &t, int64_t count,
                 std::function<void(Value number)> line);
  void fetchAhead(const Panel &at, GemmTile &t, Value row);

  KernelBuilder &b;
  Groups groups;
  Blocks blocks;
  Letter m, n, k;
  int64_t cols;
  bool isExchanged;
  ContractTail tail;
  Value memoryA, memoryB, panel, panelA;
};
} // namespace

void TiledEmitter::kBlock(const Block &block) {
  if (blocks.packA)
    packRows(block);
  nestLetters(b, ArrayRef(groups.n).drop_back(), block.bases, [&](Bases outer) {
    forTiles(b, n.size, cols, [&](Value column, int64_t columns) {
      panelTiles({block, outer.advance(b, column, n), column, columns});
    });
  });
}

void TiledEmitter::panelTiles(const Panel &at) {
  if (blocks.pack)
    pack(ArrayRef(groups.k).drop_back(), at.bases.b, b.index(0), at);
  nestLetters(b, ArrayRef(groups.m).drop_back(), at.bases, [&](Bases outer) {
    forTiles(b, at.block.rows, blocks.rows, [&](Value row, int64_t rows) {
      tile(at, outer.advance(b, row, m), row, rows);
    });
  });
}

void TiledEmitter::tile(const Panel &at, Bases bases, Value row, int64_t rows) {
  GemmTile t;
  t.a = memoryA, t.aBase = bases.a, t.aRow = m.a;
  t.b = memoryB, t.bBase = bases.b;
  t.c = tail.result(), t.cBase = bases.c, t.cRow = m.c;
  if (!tail.isPlain())
    t.store = [this](Value sum, Value position, Value mask) {
      tail.store(sum, position, mask);
    };
  t.cColumn = std::max<int64_t>(n.c, 1);
  t.rows = rows, t.columns = at.columns;
  t.accumulate = blocks.k < k.size;
  t.padded = blocks.pack;
  // Tails are short: they are not worth the code. Packed rows need no fetches,
  // and do with less.
  bool isFull = rows == blocks.rows && at.columns == cols;
  t.unroll = !isFull ? 1 : blocks.packA ? kUnroll / 2 : kUnroll;
  if (t.accumulate)
    t.fresh = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, at.block.lo,
                                    b.index(0));
  int64_t step = cols;
  for (const Letter &letter : llvm::reverse(groups.k)) {
    bool inner = &letter == &groups.k.back();
    t.k.insert(t.k.begin(), {inner ? at.block.lo : b.index(0),
                             inner ? at.block.hi : b.index(letter.size),
                             letter.a, blocks.pack ? step : letter.b});
    step *= letter.size;
  }
  // Panels count k from the block's start.
  if (blocks.pack)
    t.bBase = b.mul(at.block.lo, b.index(-cols)), t.b = panel;
  if (blocks.packA) {
    Value number = b.divide(row, blocks.rows).first;
    t.a = panelA, t.aRow = 1, t.k.back().aStride = blocks.rows;
    t.aBase = b.at(b.mul(at.block.lo, b.index(-blocks.rows)), number,
                   blocks.strideA());
  }
  if (isFull)
    fetchAhead(at, t, row);
  emitGemmTile(b, t);
}

//===----------------------------------------------------------------------===//
// Fetching ahead
//===----------------------------------------------------------------------===//

/// The lines a tile will write. Where it starts from C, the next tile's: this
/// one's are read at once.
TiledEmitter::FetchFn TiledEmitter::fetchC(const Panel &at, const GemmTile &t,
                                           Value row) {
  if (t.cColumn != 1 && t.cRow != 1)
    return {};
  // Runs of C: along n, or along m.
  bool alongN = t.cColumn == 1;
  int64_t runs = alongN ? t.rows : t.columns;
  int64_t length = alongN ? t.columns : t.rows,
          stride = alongN ? t.cRow : t.cColumn;
  int64_t perRun = llvm::divideCeil(length, kLine);
  Value base = t.cBase;
  if (t.accumulate) {
    Value next =
        b.min(b.add(row, b.index(t.rows)), b.index(at.block.rows - t.rows));
    base = b.at(base, b.sub(next, row), t.cRow);
  }
  return spread(t, runs * perRun, [=, this](Value number) {
    auto [run, line] = b.divide(number, perRun);
    tail.fetch(b.at(b.at(base, run, stride), line, kLine), kLine, Fetch::Near,
               Fetch::Write);
  });
}

/// This tile's share of what the next panel of B is packed from. Past the last
/// panel the same one is asked for again, which costs little.
TiledEmitter::FetchFn
TiledEmitter::fetchNextPanel(const Panel &at, const GemmTile &t, Value row) {
  bool alongK = k.b == 1;
  if (!blocks.pack || groups.k.size() > 1 || !(alongK || n.b == 1) ||
      at.columns < cols)
    return {};
  int64_t perRun = llvm::divideCeil(alongK ? blocks.k : cols, kLine);
  int64_t lines = perRun * (alongK ? cols : blocks.k);
  int64_t share = llvm::divideCeil(lines, at.block.rows / blocks.rows);
  Value last = b.index(n.size - cols);
  Value next = b.min(b.add(at.column, b.index(cols)), last);
  Value base = b.at(at.bases.b, b.sub(next, at.column), n.b);
  Value lo = at.block.lo, end = b.index(k.size - 1);
  Value tile = b.divide(row, blocks.rows).first;
  Value first = b.mul(tile, b.index(share));
  return spread(t, share, [=, this](Value number) {
    Value at = b.min(b.add(first, number), b.index(lines - 1));
    auto [run, line] = b.divide(at, perRun);
    Value step = b.at(lo, alongK ? line : run, alongK ? kLine : 1);
    Value start = b.at(base, b.min(step, end), k.b);
    b.prefetch(memoryB,
               alongK ? b.at(start, run, n.b) : b.at(start, line, kLine),
               Fetch::Far);
  });
}

/// The next tile's rows of A that lie in place, as long as the first panel of B
/// is used; after that, its own again.
TiledEmitter::FetchFn
TiledEmitter::fetchNextRows(const Panel &at, const GemmTile &t, Value row) {
  if (blocks.packA || k.a != 1 || k.size < 2 * kLine || groups.k.size() > 1)
    return {};
  Value isFirst =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, at.column, b.index(0));
  Value isInside = arith::CmpIOp::create(
      b, arith::CmpIPredicate::ule, row,
      b.index(std::max<int64_t>(0, at.block.rows - 2 * blocks.rows)));
  Value ahead = b.select(b.createOrFold<arith::AndIOp>(isFirst, isInside),
                         b.index(blocks.rows * t.aRow), b.index(0));
  Value base = b.add(t.aBase, ahead);
  int64_t rows = t.rows, aRow = t.aRow;
  // A line lasts some iterations: a part of the rows in each.
  int64_t parts = std::max<int64_t>(1, kLine / t.unroll);
  int64_t each = llvm::divideCeil(rows, parts);
  return [=, this](Value step, Value iteration) {
    Value part = b.divide(iteration, parts).second;
    Value start = b.add(b.at(base, part, each * aRow), step);
    for (int64_t row = 0; row < each; ++row)
      b.prefetch(memoryA, b.add(start, b.index(row * aRow)), Fetch::Far);
  };
}

/// Lines 0 to `count` - 1, some in each iteration of the tile.
TiledEmitter::FetchFn
TiledEmitter::spread(const GemmTile &t, int64_t count,
                     std::function<void(Value number)> line) {
  int64_t iterations = std::max<int64_t>(1, blocks.k / t.unroll);
  int64_t each = llvm::divideCeil(count, iterations);
  return [=, this](Value, Value iteration) {
    Value first = b.mul(iteration, b.index(each));
    for (int64_t i = 0; i < each; ++i)
      line(b.min(b.add(first, b.index(i)), b.index(count - 1)));
  };
}

/// What is asked for at once would fill the buffers that the tile's own loads
/// go through.
void TiledEmitter::fetchAhead(const Panel &at, GemmTile &t, Value row) {
  Value lo = at.block.lo;
  t.fetch = [=, this, unroll = t.unroll,
             all = std::array{fetchC(at, t, row), fetchNextPanel(at, t, row),
                              fetchNextRows(at, t, row)}](Value step) {
    Value iteration = b.divide(b.sub(step, lo), unroll).first;
    for (const FetchFn &fetch : all)
      if (fetch)
        fetch(step, iteration);
  };
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// The first `count` lanes of each register, one after the other; a single one
/// stays as it is. `count` is at least half of the lanes.
static Values joinRows(KernelBuilder &b, const Values &rows, int64_t count) {
  if (rows.size() == 1)
    return rows;
  int64_t lanes = b.target.lanes;
  Values joined;
  for (int64_t first = 0; first < count * int64_t(rows.size());
       first += lanes) {
    // A register holds lanes of two neighbours.
    size_t low = first / count, high = std::min(low + 1, rows.size() - 1);
    SmallVector<int64_t> from;
    for (int64_t i = first; i < first + lanes; ++i)
      from.push_back(i % count + (i / count == int64_t(low) ? 0 : lanes));
    joined.push_back(vector::ShuffleOp::create(b, rows[low], rows[high], from));
  }
  return joined;
}

/// What the first panel of B is packed from in step `at`: nothing has asked for
/// it yet.
void TiledEmitter::fetchFirstPanel(const Block &block, Value at) {
  if (n.b != 1)
    return;
  Value base = b.at(block.bases.b, at, k.b);
  for (int64_t column = 0; column < std::min(n.size, cols); column += kLine)
    b.prefetch(memoryB, b.add(base, b.index(column)), Fetch::Far);
}

/// Packs a block of A, contiguous along m, into panels [k][tile's rows]: whole
/// rows are read in order. As many steps at a time as fill whole registers: of
/// unaligned stores most would cross a line.
void TiledEmitter::packRows(const Block &block) {
  int64_t lanes = b.target.lanes, rows = blocks.rows;
  int64_t together = lanes / std::gcd(lanes, rows);
  Value rest = b.createOrFold<arith::RemUIOp>(b.sub(block.hi, block.lo),
                                              b.index(together));
  Value whole = b.sub(block.hi, rest);
  b.loop(block.lo, whole, together,
         [&](Value at) { packSteps(block, at, together); });
  b.loop(whole, block.hi, 1, [&](Value at) { packSteps(block, at, 1); });
}

/// Packs `steps` steps of k from `at` on. A single step's store may reach into
/// the next one's elements, which are written after it.
void TiledEmitter::packSteps(const Block &block, Value at, int64_t steps) {
  int64_t lanes = b.target.lanes, rows = blocks.rows;
  int64_t panels = llvm::divideCeil(block.rows, rows);
  int64_t full = block.rows < lanes ? 0 : (block.rows - lanes) / rows + 1;
  Value to = b.at(b.index(0), b.sub(at, block.lo), rows);
  Values from;
  for (int64_t i = 0; i < steps; ++i) {
    Value step = b.add(at, b.index(i));
    from.push_back(b.at(block.bases.a, step, k.a));
    fetchFirstPanel(block, step);
  }
  auto copy = [&](Value number, Value mask) {
    Values read;
    for (Value row : from)
      read.push_back(b.load(memoryA, b.at(row, number, rows), lanes, mask));
    Value panel = b.at(to, number, blocks.strideA());
    for (auto [i, joined] : llvm::enumerate(joinRows(b, read, rows)))
      b.store(joined, panelA, b.add(panel, b.index(i * lanes)));
  };
  b.loop(full, 1, [&](Value number) { copy(number, {}); });
  for (int64_t number = full; number < panels; ++number)
    copy(b.index(number), b.mask(b.index(block.rows - number * rows), lanes));
}

/// Packs a panel of B, k in the block's range at the innermost level.
void TiledEmitter::pack(ArrayRef<Letter> outer, Value base, Value flat,
                        const Panel &at) {
  if (outer.empty())
    return packInner(base, flat, at);
  int64_t below = extent(outer.drop_front()) * k.size * cols;
  b.loop(outer.front().size, 1, [&](Value iv) {
    pack(outer.drop_front(), b.at(base, iv, outer.front().b),
         b.at(flat, iv, below), at);
  });
}

void TiledEmitter::packInner(Value base, Value flat, const Panel &at) {
  if (k.b == 1 && n.b != 1)
    return packTransposed(b, {memoryB, base, n.b, at.block.lo, at.block.hi,
                              at.columns, cols, panel, flat});
  b.loop(at.block.lo, at.block.hi, 1, [&](Value iv) {
    Value source = b.at(base, iv, k.b);
    Value row = b.at(flat, b.sub(iv, at.block.lo), cols);
    for (int64_t column = 0; column < cols; column += b.target.lanes)
      b.store(packedRegister(source, column, at.columns), panel,
              b.add(row, b.index(column)));
  });
}

/// Columns [column, column + lanes) of one row of B, zero past `columns`.
Value TiledEmitter::packedRegister(Value source, int64_t column,
                                   int64_t columns) {
  int64_t lanes = b.target.lanes;
  int64_t count = std::clamp<int64_t>(columns - column, 0, lanes);
  Value packed = b.constant(b.vec(lanes, b.f32()), 0.0);
  if (count == 0)
    return packed;
  if (n.b == 1)
    return b.load(memoryB, b.add(source, b.index(column)), lanes,
                  count == lanes ? Value() : b.mask(b.index(count), lanes));
  for (int64_t lane = 0; lane < count; ++lane)
    packed = vector::InsertOp::create(
        b, b.load(memoryB, b.add(source, b.index((column + lane) * n.b))),
        packed, ArrayRef<int64_t>{lane});
  return packed;
}

void emitTiledContract(KernelBuilder &b, const ContractSpec &spec,
                       const Groups &groups, Bases bases) {
  TiledEmitter(b, spec, groups).emit(bases);
}

} // namespace weft
