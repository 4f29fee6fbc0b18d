// SPDX-License-Identifier: Apache-2.0
//
// Reductions over any dims. Dims collapse into alternating runs of kept and
// reduced ones; kept runs are loops. If the last run is reduced, its elements
// go to 64 partials which outer reduced runs carry on; if it is kept, vectors
// along it carry one ascending chain over all reduced runs. bf16 is combined in
// f32 and rounded once. Elements are computed where they are loaded; a run ends
// where an input does not step through it as one, which must not be in a last
// run that is reduced: its partials go by position.

#include "weft/Target/Kernels.h"

#include "RegionNodes.h"
#include "ScalarOps.h"

using namespace mlir;

namespace weft {

/// What computes the elements: without a region, they are loaded.
static ElementwiseSpec regionOf(const ReduceSpec &spec) {
  if (spec.region)
    return *spec.region;
  return {spec.shape,
          {{spec.type, spec.shape, rowMajorStrides(spec.shape)}},
          {{Scalar::Input, spec.type, {}}},
          {0}};
}

namespace {
/// A run of dims that are all kept or all reduced.
struct Run {
  int64_t size;
  bool reduced;
  int64_t outStride = 1;
  SmallVector<int64_t> strides = {}; // one per input
};

class ReduceEmitter {
public:
  ReduceEmitter(KernelBuilder &b, const ReduceSpec &spec)
      : b(b), type(spec.type.isBF16() ? b.f32() : spec.type),
        kind(combineOf(spec.kind)), region(regionOf(spec)), nodes(b, region),
        output(b.arg(region.inputs.size())) {
    SmallVector<Run> runs = collapse(spec);
    last = runs.pop_back_val();
    for (const Run &run : runs)
      (run.reduced ? reduced : kept).push_back(run);
  }

  void emit() { keptLoops(kept, nodes.begins(), b.index(0)); }

private:
  static Combine combineOf(ReduceKind kind) {
    switch (kind) {
    case ReduceKind::Sum:
      return Combine::Sum;
    case ReduceKind::Max:
      return Combine::Max;
    case ReduceKind::Min:
      return Combine::Min;
    case ReduceKind::Product:
      return Combine::Product;
    }
    llvm_unreachable("unknown reduction");
  }

  SmallVector<Run> collapse(const ReduceSpec &spec) {
    SmallVector<Run> runs;
    for (auto [i, size] : llvm::enumerate(spec.shape)) {
      Run run = {size, llvm::is_contained(spec.dims, static_cast<int64_t>(i))};
      if (size == 1)
        continue;
      for (const ElementwiseInput &input : region.inputs)
        run.strides.push_back(input.strides[i]);
      if (!runs.empty() && joins(runs.back(), run))
        run.size *= runs.pop_back_val().size;
      runs.push_back(run);
    }
    if (runs.empty())
      runs.push_back(
          {1, false, 1, SmallVector<int64_t>(region.inputs.size(), 1)});
    int64_t out = 1;
    for (Run &run : llvm::reverse(runs)) {
      run.outStride = run.reduced ? 0 : out;
      out *= run.reduced ? 1 : run.size;
    }
    return runs;
  }

  static bool joins(const Run &outer, const Run &inner) {
    return outer.reduced == inner.reduced &&
           llvm::all_of_zip(
               outer.strides, inner.strides,
               [&](int64_t o, int64_t i) { return o == i * inner.size; });
  }

  Values step(const Run &run, ArrayRef<Value> bases, Value iv) {
    Values next;
    for (auto [base, stride] : llvm::zip_equal(bases, run.strides))
      next.push_back(b.at(base, iv, stride));
    return next;
  }

  /// Elements from `position` on along the last run.
  Value element(ArrayRef<Value> bases, Value position, int64_t lanes,
                Value mask) {
    VectorDim along = {last.strides, lanes, std::nullopt,
                       /*isFetched=*/last.reduced};
    Values values = nodes.evaluate(along, bases, position, mask);
    Value value = values[region.outputs.front()];
    return elementOf(value).isBF16()
               ? emitScalar(b, Scalar::Cast, b.f32(), {value})
               : value;
  }

  void keptLoops(ArrayRef<Run> runs, Values bases, Value out) {
    if (runs.empty())
      return last.reduced ? overLast(bases, out) : alongLast(bases, out);
    const Run &run = runs.front();
    b.loop(run.size, 1, [&](Value iv) {
      keptLoops(runs.drop_front(), step(run, bases, iv),
                b.at(out, iv, run.outStride));
    });
  }

  using LeafFn =
      llvm::function_ref<Values(ArrayRef<Value> bases, ValueRange sums)>;
  Values reducedLoops(ArrayRef<Run> runs, Values bases, ValueRange sums,
                      LeafFn leaf) {
    if (runs.empty())
      return leaf(bases, sums);
    const Run &run = runs.front();
    return b.loop(b.index(0), b.index(run.size), 1, sums,
                  [&](Value iv, ValueRange current) {
                    return reducedLoops(runs.drop_front(), step(run, bases, iv),
                                        current, leaf);
                  });
  }

  void alongLast(Values bases, Value out) {
    int64_t lanes = 1;
    while (lanes < kPartials && lanes < last.size)
      lanes *= 2;
    b.vectorLoop(last.size, lanes, [&](Value position, Value mask) {
      Type vector = lanes == 1 ? type : Type(b.vec(lanes, type));
      auto leaf = [&](ArrayRef<Value> row, ValueRange sums) -> Values {
        return {b.combine(kind, sums[0], element(row, position, lanes, mask))};
      };
      Values sums =
          reducedLoops(reduced, bases, {b.neutral(kind, vector)}, leaf);
      b.store(toStored(sums[0]), output, b.at(out, position), mask);
    });
  }

  void overLast(Values bases, Value out) {
    VectorType vector = b.vec(kPartials, type);
    int64_t full = last.size / kPartials * kPartials;
    auto leaf = [&](ArrayRef<Value> row, ValueRange sums) {
      Values next(sums);
      if (full > 0)
        next = b.loop(b.index(0), b.index(full), kPartials, next,
                      [&](Value iv, ValueRange current) -> Values {
                        return {b.combine(kind, current[0],
                                          element(row, iv, kPartials, {}))};
                      });
      if (full < last.size) {
        Value mask = b.mask(b.index(last.size - full), kPartials);
        Value tail = element(row, b.index(full), kPartials, mask);
        next[0] = b.select(mask, b.combine(kind, next[0], tail), next[0]);
      }
      return next;
    };
    Values sums = reducedLoops(reduced, bases, {b.neutral(kind, vector)}, leaf);
    b.store(toStored(b.halve(kind, sums[0])), output, out);
  }

  /// Rounds to the result's type.
  Value toStored(Value value) {
    Type stored = cast<MemRefType>(output.getType()).getElementType();
    return emitScalar(b, Scalar::Cast, stored, {value});
  }

  KernelBuilder &b;
  Type type;
  Combine kind;
  ElementwiseSpec region;
  RegionNodes nodes;
  Value output;
  SmallVector<Run> kept, reduced;
  Run last;
};
} // namespace

func::FuncOp emitReduce(const KernelSite &site, const ReduceSpec &spec) {
  KernelBuilder b(site);
  Shape kept;
  for (auto [i, size] : llvm::enumerate(spec.shape))
    if (!llvm::is_contained(spec.dims, static_cast<int64_t>(i)))
      kept.push_back(size);
  SmallVector<Type> types = inputTypes(regionOf(spec));
  types.push_back(MemRefType::get(kept, spec.result ? spec.result : spec.type));
  b.begin(types);
  ReduceEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
