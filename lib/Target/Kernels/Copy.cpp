// SPDX-License-Identifier: Apache-2.0
//
// Strided copies: dims of size 1 go, neighbours merge, the dim that is
// contiguous in the output runs innermost in vectors. Where the input is
// contiguous along another dim (a transpose), 16x16 blocks are turned in
// registers.

#include "weft/Target/Kernels.h"

#include "GemmTile.h"

using namespace mlir;

namespace weft {

namespace {
struct CopyDim {
  int64_t size, in, out;
};

class CopyEmitter {
public:
  CopyEmitter(KernelBuilder &b, Value input, Value output,
              SmallVector<CopyDim> all)
      : b(b), input(input), output(output) {
    llvm::stable_sort(
        all, [](const CopyDim &x, const CopyDim &y) { return x.out > y.out; });
    for (const CopyDim &dim : all) {
      if (dim.size == 1)
        continue;
      bool joins = !dims.empty() && dims.back().in == dim.in * dim.size &&
                   dims.back().out == dim.out * dim.size;
      if (!joins) {
        dims.push_back(dim);
        continue;
      }
      int64_t outer = dims.back().size;
      dims.back() = dim;
      dims.back().size *= outer;
    }
    if (dims.empty())
      dims.push_back({1, 1, 1});
  }

  void emit(int64_t inOffset, int64_t outOffset) {
    Type type = cast<MemRefType>(input.getType()).getElementType();
    CopyDim inner = dims.pop_back_val();
    auto isContiguous = [](const CopyDim &dim) { return dim.in == 1; };
    auto *turned = llvm::find_if(dims, isContiguous);
    bool turns = inner.out == 1 && inner.in > 1 && turned != dims.end() &&
                 type.isF32() && inner.size >= b.target.lanes;
    CopyDim columns = inner;
    if (turns) {
      columns = *turned;
      dims.erase(turned);
    }
    nest(dims, b.index(inOffset), b.index(outOffset), [&](Value in, Value out) {
      turns ? transpose(inner, columns, in, out) : line(inner, in, out);
    });
  }

private:
  void nest(ArrayRef<CopyDim> rest, Value in, Value out,
            llvm::function_ref<void(Value, Value)> body) {
    if (rest.empty())
      return body(in, out);
    b.loop(rest.front().size, 1, [&](Value iv) {
      nest(rest.drop_front(), b.at(in, iv, rest.front().in),
           b.at(out, iv, rest.front().out), body);
    });
  }

  void line(const CopyDim &dim, Value in, Value out) {
    bool vectors = dim.out == 1 && dim.in <= 1;
    int64_t lanes = 1;
    while (vectors && lanes < kPartials && lanes < dim.size)
      lanes *= 2;
    b.vectorLoop(dim.size, lanes, [&](Value position, Value mask) {
      Value value =
          dim.in == 0 ? b.splat(b.load(input, in), lanes)
                      : b.load(input, b.at(in, position, dim.in), lanes, mask);
      b.store(value, output, b.at(out, position, dim.out), mask);
    });
  }

  /// `rows` is contiguous in the output, `columns` in the input.
  void transpose(const CopyDim &rows, const CopyDim &columns, Value in,
                 Value out) {
    int64_t lanes = b.target.lanes;
    forTiles(b, columns.size, lanes, [&](Value c, int64_t numColumns) {
      forTiles(b, rows.size, lanes, [&](Value r, int64_t numRows) {
        Value from = b.at(b.at(in, c), r, rows.in);
        Value to = b.at(b.at(out, r), c, columns.out);
        auto tail = [&](int64_t count) {
          return count == lanes ? Value() : b.mask(b.index(count), lanes);
        };
        Value inMask = tail(numColumns), outMask = tail(numRows);
        Values block(lanes, b.constant(b.vec(lanes, b.f32()), 0.0));
        for (int64_t i = 0; i < numRows; ++i)
          block[i] =
              b.load(input, b.add(from, b.index(i * rows.in)), lanes, inMask);
        block = transposeRegisters(b, block);
        for (int64_t i = 0; i < numColumns; ++i)
          b.store(block[i], output, b.add(to, b.index(i * columns.out)),
                  outMask);
      });
    });
  }

  KernelBuilder &b;
  Value input, output;
  SmallVector<CopyDim> dims;
};
} // namespace

static void emitFill(KernelBuilder &b, Value output, double value) {
  auto type = cast<MemRefType>(output.getType());
  int64_t lanes = type.getNumElements() >= kPartials ? kPartials : 1;
  Value scalar = b.constant(type.getElementType(), value);
  b.vectorLoop(type.getNumElements(), lanes, [&](Value position, Value mask) {
    b.store(b.splat(scalar, lanes), output, position, mask);
  });
}

func::FuncOp emitCopy(const KernelSite &site, const CopySpec &spec) {
  KernelBuilder b(site);
  Type type = storedType(spec.type);
  b.begin({MemRefType::get(spec.inMemory, type),
           MemRefType::get(spec.outMemory, type)});
  if (spec.fill)
    emitFill(b, b.arg(1), *spec.fill);
  SmallVector<CopyDim> dims;
  for (auto [size, in, out] :
       llvm::zip(spec.shape, spec.inStrides, spec.outStrides))
    dims.push_back({size, in, out});
  CopyEmitter(b, b.arg(0), b.arg(1), dims).emit(spec.inOffset, spec.outOffset);
  return b.finish();
}

func::FuncOp emitConcat(const KernelSite &site, Type type,
                        ArrayRef<Shape> inputs, int64_t dim) {
  KernelBuilder b(site);
  SmallVector<Type> types;
  Shape joined = inputs.front();
  joined[dim] = 0;
  for (const Shape &shape : inputs) {
    types.push_back(MemRefType::get(shape, storedType(type)));
    joined[dim] += shape[dim];
  }
  types.push_back(MemRefType::get(joined, storedType(type)));
  b.begin(types);
  Shape outStrides = rowMajorStrides(joined);
  int64_t offset = 0;
  for (auto [i, shape] : llvm::enumerate(inputs)) {
    Shape inStrides = rowMajorStrides(shape);
    SmallVector<CopyDim> dims;
    for (auto [size, in, out] : llvm::zip(shape, inStrides, outStrides))
      dims.push_back({size, in, out});
    CopyEmitter(b, b.arg(i), b.arg(inputs.size()), dims)
        .emit(0, offset * outStrides[dim]);
    offset += shape[dim];
  }
  return b.finish();
}

} // namespace weft
