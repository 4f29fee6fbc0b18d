// SPDX-License-Identifier: Apache-2.0
//
// Reductions over any dims. Dims collapse into alternating runs of kept and
// reduced ones; kept runs are loops. If the last run is reduced, its elements
// go to 64 partials which outer reduced runs carry on; if it is kept, vectors
// along it carry one ascending chain over all reduced runs. bf16 is combined in
// f32 and rounded once.

#include "weft/Target/Kernels.h"

#include "KernelBuilder.h"

using namespace mlir;

namespace weft {

namespace {
/// A run of dims that are all kept or all reduced.
struct Run {
  int64_t size;
  bool reduced;
  int64_t inStride = 1, outStride = 1;
};

class ReduceEmitter {
public:
  ReduceEmitter(KernelBuilder &b, const ReduceSpec &spec)
      : b(b), type(spec.type.isBF16() ? b.f32() : spec.type),
        kind(combineOf(spec.kind)), input(b.arg(0)), output(b.arg(1)) {
    SmallVector<Run> runs = collapse(spec);
    last = runs.pop_back_val();
    for (const Run &run : runs)
      (run.reduced ? reduced : kept).push_back(run);
  }

  void emit() { keptLoops(kept, b.index(0), b.index(0)); }

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

  static SmallVector<Run> collapse(const ReduceSpec &spec) {
    SmallVector<Run> runs;
    for (auto [i, size] : llvm::enumerate(spec.shape)) {
      bool reduced = llvm::is_contained(spec.dims, static_cast<int64_t>(i));
      if (size == 1)
        continue;
      if (!runs.empty() && runs.back().reduced == reduced)
        runs.back().size *= size;
      else
        runs.push_back({size, reduced});
    }
    if (runs.empty())
      runs.push_back({1, false});
    int64_t in = 1, out = 1;
    for (Run &run : llvm::reverse(runs)) {
      run.inStride = in;
      run.outStride = run.reduced ? 0 : out;
      in *= run.size;
      out *= run.reduced ? 1 : run.size;
    }
    return runs;
  }

  void keptLoops(ArrayRef<Run> runs, Value in, Value out) {
    if (runs.empty())
      return last.reduced ? overLast(in, out) : alongLast(in, out);
    b.loop(runs.front().size, 1, [&](Value iv) {
      keptLoops(runs.drop_front(), b.at(in, iv, runs.front().inStride),
                b.at(out, iv, runs.front().outStride));
    });
  }

  using LeafFn = llvm::function_ref<Values(Value in, ValueRange sums)>;
  Values reducedLoops(ArrayRef<Run> runs, Value in, ValueRange sums,
                      LeafFn leaf) {
    if (runs.empty())
      return leaf(in, sums);
    return b.loop(b.index(0), b.index(runs.front().size), 1, sums,
                  [&](Value iv, ValueRange current) {
                    return reducedLoops(runs.drop_front(),
                                        b.at(in, iv, runs.front().inStride),
                                        current, leaf);
                  });
  }

  void alongLast(Value in, Value out) {
    int64_t lanes = 1;
    while (lanes < kPartials && lanes < last.size)
      lanes *= 2;
    b.vectorLoop(last.size, lanes, [&](Value position, Value mask) {
      Type vector = lanes == 1 ? type : Type(b.vec(lanes, type));
      auto leaf = [&](Value row, ValueRange sums) -> Values {
        Value element = b.load(input, b.at(row, position), lanes, mask);
        return {b.combine(kind, sums[0], element)};
      };
      Values sums = reducedLoops(reduced, in, {b.neutral(kind, vector)}, leaf);
      b.store(sums[0], output, b.at(out, position), mask);
    });
  }

  void overLast(Value in, Value out) {
    VectorType vector = b.vec(kPartials, type);
    int64_t full = last.size / kPartials * kPartials;
    auto leaf = [&](Value row, ValueRange sums) {
      Values next(sums);
      if (full > 0)
        next = b.loop(b.index(0), b.index(full), kPartials, next,
                      [&](Value iv, ValueRange current) -> Values {
                        Value element =
                            b.load(input, b.add(row, iv), kPartials);
                        return {b.combine(kind, current[0], element)};
                      });
      if (full < last.size) {
        Value mask = b.mask(b.index(last.size - full), kPartials);
        Value element =
            b.load(input, b.add(row, b.index(full)), kPartials, mask);
        next[0] = b.select(mask, b.combine(kind, next[0], element), next[0]);
      }
      return next;
    };
    Values sums = reducedLoops(reduced, in, {b.neutral(kind, vector)}, leaf);
    b.store(b.halve(kind, sums[0]), output, out);
  }

  KernelBuilder &b;
  Type type;
  Combine kind;
  Value input, output;
  SmallVector<Run> kept, reduced;
  Run last;
};
} // namespace

func::FuncOp emitReduce(const KernelSite &site, const ReduceSpec &spec) {
  KernelBuilder b(site);
  b.computeInF32();
  Shape kept;
  for (auto [i, size] : llvm::enumerate(spec.shape))
    if (!llvm::is_contained(spec.dims, static_cast<int64_t>(i)))
      kept.push_back(size);
  b.begin({MemRefType::get(spec.shape, spec.type),
           MemRefType::get(kept, spec.result ? spec.result : spec.type)});
  ReduceEmitter(b, spec).emit();
  return b.finish();
}

} // namespace weft
