// SPDX-License-Identifier: Apache-2.0
//
// Row kernels: rms_norm and its gradient, softmax, rotary. Each row is read
// from cache two or three times; sums are 64 partials. x, y, weights and tables
// may be bf16 in memory; statistics and sums over rows are f32.

#include "weft/Target/Kernels.h"

#include "HeadRows.h"
#include "MathExpansion.h"

using namespace mlir;

namespace weft {

/// Lanes of a plain pass over a row.
static int64_t passLanes(const KernelBuilder &b, int64_t count) {
  int64_t lanes = b.target.lanes;
  while (lanes < kPartials && lanes < count)
    lanes *= 2;
  return lanes;
}

func::FuncOp emitRmsNorm(const KernelSite &site, Type type,
                         ArrayRef<int64_t> shape, double eps) {
  KernelBuilder b(site);
  b.computeInF32();
  int64_t size = shape.back();
  auto rows = MemRefType::get(shape, type);
  b.begin({rows, MemRefType::get({size}, type), rows,
           MemRefType::get(shape.drop_back(), b.f32())});
  Value x = b.arg(0), weight = b.arg(1), y = b.arg(2), rstds = b.arg(3);
  b.loop(rowsOf(shape), 1, [&](Value row) {
    Value base = b.at(b.index(0), row, size);
    Value squares =
        b.dot(size, b.target.lanes, b.f32(), [&](Value at, Value mask) {
          b.fetchAhead(x, b.add(base, at), b.target.lanes, Fetch::Near);
          Value v = b.load(x, b.add(base, at), b.target.lanes, mask);
          return std::pair(v, v);
        });
    Value mean = b.div(squares, b.constant(b.f32(), size));
    Value root = squareRoot(b, b.add(mean, b.constant(b.f32(), eps)));
    Value rstd = b.div(b.constant(b.f32(), 1.0), root);
    b.store(rstd, rstds, row);
    int64_t lanes = passLanes(b, size);
    Value scale = b.splat(rstd, lanes);
    b.vectorLoop(size, lanes, [&](Value at, Value mask) {
      Value v = b.load(x, b.add(base, at), lanes, mask);
      Value w = b.load(weight, at, lanes, mask);
      b.fetchAhead(y, b.add(base, at), lanes, Fetch::Write);
      b.store(b.mul(b.mul(v, scale), w), y, b.add(base, at), mask);
    });
  });
  return b.finish();
}

func::FuncOp emitRmsNormGrad(const KernelSite &site, Type type,
                             ArrayRef<int64_t> shape) {
  KernelBuilder b(site);
  b.computeInF32();
  int64_t size = shape.back();
  auto rows = MemRefType::get(shape, type);
  b.begin({rows, rows, MemRefType::get({size}, type),
           MemRefType::get(shape.drop_back(), b.f32()), rows,
           MemRefType::get({size}, b.f32())});
  Value dy = b.arg(0), x = b.arg(1), weight = b.arg(2), rstds = b.arg(3),
        dx = b.arg(4), dweight = b.arg(5);
  int64_t lanes = passLanes(b, size);
  Value zero = b.constant(b.vec(lanes, b.f32()), 0.0);
  b.vectorLoop(size, lanes,
               [&](Value at, Value mask) { b.store(zero, dweight, at, mask); });
  b.loop(rowsOf(shape), 1, [&](Value row) {
    Value base = b.at(b.index(0), row, size);
    Value rstd = b.load(rstds, row);
    Value sum = b.dot(size, b.target.lanes, b.f32(), [&](Value at, Value mask) {
      auto load = [&](Value memory, Value position) {
        return b.load(memory, position, b.target.lanes, mask);
      };
      for (Value memory : {dy, x})
        b.fetchAhead(memory, b.add(base, at), b.target.lanes, Fetch::Near);
      Value g = b.mul(load(dy, b.add(base, at)), load(weight, at));
      return std::pair(g, load(x, b.add(base, at)));
    });
    Value mean = b.div(sum, b.constant(b.f32(), size));
    Value slope = b.neg(b.mul(mean, b.mul(rstd, rstd)));
    Value slopes = b.splat(slope, lanes), scale = b.splat(rstd, lanes);
    b.vectorLoop(size, lanes, [&](Value at, Value mask) {
      Value v = b.load(x, b.add(base, at), lanes, mask);
      Value d = b.load(dy, b.add(base, at), lanes, mask);
      Value g = b.mul(d, b.load(weight, at, lanes, mask));
      b.fetchAhead(dx, b.add(base, at), lanes, Fetch::Write);
      b.store(b.mul(scale, b.fma(v, slopes, g)), dx, b.add(base, at), mask);
      Value sums = b.load(dweight, at, lanes, mask);
      b.store(b.fma(d, b.mul(v, scale), sums), dweight, at, mask);
    });
  });
  return b.finish();
}

func::FuncOp emitSoftmax(const KernelSite &site, ArrayRef<int64_t> shape) {
  KernelBuilder b(site);
  int64_t size = shape.back();
  auto rows = MemRefType::get(shape, b.f32());
  b.begin({rows, rows});
  Value x = b.arg(0), y = b.arg(1);
  b.loop(rowsOf(shape), 1, [&](Value row) {
    Value base = b.at(b.index(0), row, size);
    Value top =
        b.reduce(Combine::FastMax, size, b.target.lanes, b.f32(),
                 [&](Value at, Value mask) {
                   return b.load(x, b.add(base, at), b.target.lanes, mask);
                 });
    Value shift = b.splat(top, kPartials);
    Value sum = b.reduce(
        Combine::Sum, size, kPartials, b.f32(), [&](Value at, Value mask) {
          Value v = b.load(x, b.add(base, at), kPartials, mask);
          Value e = expandExp(b, b.sub(v, shift));
          b.store(e, y, b.add(base, at), mask);
          return e;
        });
    int64_t lanes = passLanes(b, size);
    Value scale = b.splat(b.div(b.constant(b.f32(), 1.0), sum), lanes);
    b.vectorLoop(size, lanes, [&](Value at, Value mask) {
      Value e = b.load(y, b.add(base, at), lanes, mask);
      b.store(b.mul(e, scale), y, b.add(base, at), mask);
    });
  });
  return b.finish();
}

func::FuncOp emitRotary(const KernelSite &site, const RotarySpec &spec) {
  KernelBuilder b(site);
  b.computeInF32();
  int64_t batch = spec.shape[0], heads = spec.shape[1];
  int64_t positions = spec.shape[2], size = spec.shape[3], half = size / 2;
  HeadRows x({}, heads, positions, size, spec.xRowsFirst);
  HeadRows y({}, heads, positions, size, spec.yRowsFirst);
  auto table = MemRefType::get({positions, size}, spec.type);
  b.begin({x.type(batch, spec.type), table, table, y.type(batch, spec.type)});
  x.memory = b.arg(0), y.memory = b.arg(3);
  Value cosines = b.arg(1), sines = b.arg(2);
  int64_t lanes = std::min(passLanes(b, half), 2 * b.target.lanes);
  auto rotateRow = [&](Value from, Value to, Value angle) {
    b.vectorLoop(half, lanes, [&](Value at, Value mask) {
      auto pair = [&](Value memory, Value start) {
        Value low = b.add(start, at), high = b.add(low, b.index(half));
        return std::pair(b.load(memory, low, lanes, mask),
                         b.load(memory, high, lanes, mask));
      };
      auto [x1, x2] = pair(x.memory, from);
      auto [c1, c2] = pair(cosines, angle);
      auto [s1, s2] = pair(sines, angle);
      Value low, high;
      if (spec.adjoint) {
        low = b.fma(x1, c1, b.mul(x2, s2));
        high = b.fma(x2, c2, b.neg(b.mul(x1, s1)));
      } else {
        low = b.fma(x1, c1, b.neg(b.mul(x2, s1)));
        high = b.fma(x2, c2, b.mul(x1, s2));
      }
      b.store(low, y.memory, b.add(to, at), mask);
      b.store(high, y.memory, b.add(b.add(to, at), b.index(half)), mask);
    });
  };
  auto rotate = [&](Value head, Value position) {
    rotateRow(x.at(b, head, position), y.at(b, head, position),
              b.at(b.index(0), position, size));
  };
  // In the order of x in memory.
  if (!spec.xRowsFirst)
    b.loop(batch * heads, 1, [&](Value head) {
      b.loop(positions, 1, [&](Value position) { rotate(head, position); });
    });
  else
    b.loop(batch, 1, [&](Value sample) {
      b.loop(positions, 1, [&](Value position) {
        b.loop(heads, 1,
               [&](Value own) { rotate(b.at(own, sample, heads), position); });
      });
    });
  return b.finish();
}

} // namespace weft
