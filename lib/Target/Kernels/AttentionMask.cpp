// SPDX-License-Identifier: Apache-2.0
//
// Which keys count for which queries; see the header.

#include "AttentionMask.h"
#include "GemmTile.h"

using namespace mlir;

namespace weft {

//===----------------------------------------------------------------------===//
// Operands and extents
//===----------------------------------------------------------------------===//

MaskPlan::MaskPlan(ScratchPlan &plan, const AttentionSpec &spec,
                   const AttentionShape &shape) {
  auto run = [&](bool isUsed, int64_t count) -> Run {
    int64_t lowest = plan.take(isUsed ? count : 0, 8);
    return {lowest, plan.take(isUsed ? count : 0, 8)};
  };
  panels = run(spec.causal, shape.numPanels);
  runs = run(spec.causal, shape.numRuns);
  tiles = run(spec.causal, shape.numTiles);
  panelDocuments = run(spec.documents, shape.numPanels);
  runDocuments = run(spec.documents, shape.numRuns);
  tileDocuments = run(spec.documents, shape.numTiles);
}

void AttentionMask::addTypes(KernelBuilder &b, const AttentionSpec &spec,
                             llvm::SmallVectorImpl<Type> &types) {
  Type i64 = b.getI64Type();
  types.push_back(MemRefType::get({spec.queries}, i64));
  types.push_back(MemRefType::get({spec.keys}, i64));
  if (!spec.documents)
    return;
  types.push_back(MemRefType::get({spec.batch, spec.queries}, i64));
  types.push_back(MemRefType::get({spec.batch, spec.keys}, i64));
}

unsigned AttentionMask::bindOperands(unsigned first) {
  queryPositions = b.arg(first), keyPositions = b.arg(first + 1);
  if (!spec.documents)
    return first + 2;
  queryDocuments = b.arg(first + 2), keyDocuments = b.arg(first + 3);
  return first + 4;
}

void AttentionMask::bindScratch(const MaskPlan &plan, unsigned argument) {
  auto bind = [&](const MaskPlan::Run &run, int64_t count) -> Memory {
    Type i64 = b.getI64Type();
    return {b.scratch(argument, run.lowest, count, i64),
            b.scratch(argument, run.highest, count, i64)};
  };
  if (spec.causal) {
    panels = bind(plan.panels, shape.numPanels);
    runs = bind(plan.runs, shape.numRuns);
    tiles = bind(plan.tiles, shape.numTiles);
  }
  if (spec.documents) {
    panelDocuments = bind(plan.panelDocuments, shape.numPanels);
    runDocuments = bind(plan.runDocuments, shape.numRuns);
    tileDocuments = bind(plan.tileDocuments, shape.numTiles);
  }
}

/// The lowest and highest of each run of `step` numbers.
void AttentionMask::findExtremes(Value numbers, Value base, int64_t count,
                                 int64_t step, const Memory &to) {
  forTiles(b, count, step, [&](Value first, int64_t size) {
    Value begin = b.add(base, first), start = b.load(numbers, begin);
    Values ends = b.loop(b.index(1), b.index(size), 1, {start, start},
                         [&](Value i, ValueRange current) -> Values {
                           Value number = b.load(numbers, b.add(begin, i));
                           return {b.combine(Combine::Min, current[0], number),
                                   b.combine(Combine::Max, current[1], number)};
                         });
    Value run = arith::DivUIOp::create(b, first, b.index(step));
    b.store(ends[0], to.lowest, run);
    b.store(ends[1], to.highest, run);
  });
}

void AttentionMask::findPositions() {
  if (!spec.causal)
    return;
  findExtremes(keyPositions, b.index(0), spec.keys, shape.panelWidth, panels);
  findExtremes(keyPositions, b.index(0), spec.keys, shape.tileRows, runs);
  findExtremes(queryPositions, b.index(0), spec.queries, shape.tileRows, tiles);
}

void AttentionMask::beginBatch(Value batch) {
  if (!spec.documents)
    return;
  queryBase = b.mul(batch, b.index(spec.queries));
  keyBase = b.mul(batch, b.index(spec.keys));
  findExtremes(keyDocuments, keyBase, spec.keys, shape.panelWidth,
               panelDocuments);
  findExtremes(keyDocuments, keyBase, spec.keys, shape.tileRows, runDocuments);
  findExtremes(queryDocuments, queryBase, spec.queries, shape.tileRows,
               tileDocuments);
}

MaskExtent AttentionMask::extentAt(Value number, const Memory &positions,
                                   const Memory &documents) {
  MaskExtent extent;
  if (spec.causal) {
    extent.lowest = b.load(positions.lowest, number);
    extent.highest = b.load(positions.highest, number);
  }
  if (spec.documents) {
    extent.lowestDocument = b.load(documents.lowest, number);
    extent.highestDocument = b.load(documents.highest, number);
  }
  return extent;
}

MaskExtent AttentionMask::keysOf(Value panel) {
  return extentAt(panel, panels, panelDocuments);
}

MaskExtent AttentionMask::keysOfRun(Value run) {
  return extentAt(run, runs, runDocuments);
}

MaskExtent AttentionMask::queriesOf(Value row, int64_t rows) {
  Value tile = arith::DivUIOp::create(b, row, b.index(shape.tileRows));
  auto over = [&](Combine kind, Value memory) {
    Value result = b.load(memory, tile);
    for (int64_t r = shape.tileRows; r < rows; r += shape.tileRows) {
      Value next = b.add(tile, b.index(r / shape.tileRows));
      result = b.combine(kind, result, b.load(memory, next));
    }
    return result;
  };
  MaskExtent extent;
  if (spec.causal) {
    extent.lowest = over(Combine::Min, tiles.lowest);
    extent.highest = over(Combine::Max, tiles.highest);
  }
  if (spec.documents) {
    extent.lowestDocument = over(Combine::Min, tileDocuments.lowest);
    extent.highestDocument = over(Combine::Max, tileDocuments.highest);
  }
  return extent;
}

//===----------------------------------------------------------------------===//
// Judgements
//===----------------------------------------------------------------------===//

static Value atMost(KernelBuilder &b, Value x, Value y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sle, x, y);
}

Value AttentionMask::both(Value x, Value y) {
  return x ? Value(arith::AndIOp::create(b, x, y)) : y;
}

/// The lowest position in the window of a query.
Value AttentionMask::firstSeen(Value position) {
  return b.sub(position, b.integerLike(position, *spec.window - 1));
}

Value AttentionMask::maySee(const MaskExtent &queries, const MaskExtent &keys) {
  Value result;
  if (spec.causal)
    result = atMost(b, keys.lowest, queries.highest);
  if (spec.window)
    result = both(result, atMost(b, firstSeen(queries.lowest), keys.highest));
  if (!spec.documents)
    return result;
  result =
      both(result, atMost(b, keys.lowestDocument, queries.highestDocument));
  return both(result, atMost(b, queries.lowestDocument, keys.highestDocument));
}

Value AttentionMask::seesAll(const MaskExtent &queries,
                             const MaskExtent &keys) {
  // What must hold for some pair, of the extremes that make it hardest.
  return maySee(queries.turned(), keys.turned());
}

Value AttentionMask::visible(Value row, Value key) {
  int64_t lanes = b.target.lanes;
  // The last register may reach past the keys.
  Value inside = b.mask(b.sub(b.index(spec.keys), key), lanes);
  Value mask = spec.keys % lanes ? inside : Value();
  Value result;
  if (spec.causal) {
    Value query = b.load(queryPositions, row);
    Value keys = b.load(keyPositions, key, lanes, mask);
    result = atMost(b, keys, b.splat(query, lanes));
    if (spec.window)
      result = both(result, atMost(b, b.splat(firstSeen(query), lanes), keys));
  }
  if (!spec.documents)
    return result;
  Value query = b.load(queryDocuments, b.add(queryBase, row));
  Value keys = b.load(keyDocuments, b.add(keyBase, key), lanes, mask);
  return both(result, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, keys,
                                            b.splat(query, lanes)));
}

} // namespace weft
