// SPDX-License-Identifier: Apache-2.0
//
// Implementation of the kernel vocabulary; see the header.

#include "KernelBuilder.h"

#include "MathExpansion.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;

namespace weft {

/// Memory without elements has no bare pointer: it counts as one, never read.
static Type addressable(Type type) {
  auto memory = cast<MemRefType>(type);
  return memory.getNumElements()
             ? memory
             : MemRefType::get({1}, memory.getElementType());
}

func::FuncOp KernelBuilder::begin(ArrayRef<Type> types) {
  auto arguments = llvm::map_to_vector(types, addressable);
  setInsertionPointToEnd(ModuleOp(site.module).getBody());
  function =
      func::FuncOp::create(*this, site.name, getFunctionType(arguments, {}));
  setInsertionPointToStart(function.addEntryBlock());
  return function;
}

func::FuncOp KernelBuilder::finish() {
  func::ReturnOp::create(*this);
  return function;
}

Value KernelBuilder::arg(unsigned i) {
  Value memory = function.getArgument(i);
  auto type = cast<MemRefType>(memory.getType());
  if (type.getRank() == 1)
    return memory;
  auto flat = MemRefType::get({type.getNumElements()}, type.getElementType());
  return memref::ReinterpretCastOp::create(
      *this, flat, memory, /*offset=*/int64_t(0),
      ArrayRef<int64_t>{type.getNumElements()}, ArrayRef<int64_t>{1});
}

Value KernelBuilder::scratch(unsigned i, int64_t byteOffset, int64_t count,
                             Type type) {
  return memref::ViewOp::create(*this, MemRefType::get({count}, type),
                                function.getArgument(i), index(byteOffset),
                                ValueRange{});
}

Value KernelBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, value);
}

static TypedAttr scalarAttr(Builder &builder, Type type, double value) {
  if (auto floating = dyn_cast<FloatType>(type))
    return builder.getFloatAttr(floating, value);
  return builder.getIntegerAttr(type, static_cast<int64_t>(value));
}

Value KernelBuilder::constant(Type type, double value) {
  TypedAttr scalar = scalarAttr(*this, getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(*this,
                                     DenseElementsAttr::get(vector, scalar));
  return arith::ConstantOp::create(*this, scalar);
}

Value KernelBuilder::constantLike(Value like, double value) {
  return constant(like.getType(), value);
}

Value KernelBuilder::integerLike(Value like, int64_t value) {
  TypedAttr scalar = getIntegerAttr(elementOf(like), value);
  if (auto vector = dyn_cast<VectorType>(like.getType()))
    return arith::ConstantOp::create(*this,
                                     DenseElementsAttr::get(vector, scalar));
  return arith::ConstantOp::create(*this, scalar);
}

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  if (lanes == 1)
    return scalar;
  return vector::BroadcastOp::create(*this, vec(lanes, scalar.getType()),
                                     scalar);
}

static bool isFloat(Value value) { return isa<FloatType>(elementOf(value)); }

Value KernelBuilder::add(Value a, Value b) {
  return isFloat(a) ? createOrFold<arith::AddFOp>(a, b)
                    : createOrFold<arith::AddIOp>(a, b);
}
Value KernelBuilder::sub(Value a, Value b) {
  return isFloat(a) ? createOrFold<arith::SubFOp>(a, b)
                    : createOrFold<arith::SubIOp>(a, b);
}
Value KernelBuilder::mul(Value a, Value b) {
  return isFloat(a) ? createOrFold<arith::MulFOp>(a, b)
                    : createOrFold<arith::MulIOp>(a, b);
}
Value KernelBuilder::div(Value a, Value b) {
  return isFloat(a) ? createOrFold<arith::DivFOp>(a, b)
                    : createOrFold<arith::DivSIOp>(a, b);
}
Value KernelBuilder::fma(Value a, Value b, Value c) {
  if (!isFloat(a))
    return add(mul(a, b), c);
  return math::FmaOp::create(*this, a, b, c);
}
Value KernelBuilder::neg(Value a) {
  if (!isFloat(a))
    return sub(integerLike(a, 0), a);
  return arith::NegFOp::create(*this, a);
}
Value KernelBuilder::less(Value a, Value b) {
  if (isFloat(a))
    return arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, a, b);
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::slt, a, b);
}
Value KernelBuilder::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(*this, condition, a, b);
}
std::pair<Value, Value> KernelBuilder::divide(Value value, int64_t divisor) {
  Value by = index(divisor);
  return {createOrFold<arith::DivUIOp>(value, by),
          createOrFold<arith::RemUIOp>(value, by)};
}

Value KernelBuilder::min(Value a, Value b) {
  return createOrFold<arith::MinSIOp>(a, b);
}

Value KernelBuilder::combine(Combine kind, Value a, Value b) {
  switch (kind) {
  case Combine::Sum:
    return add(a, b);
  case Combine::Product:
    return mul(a, b);
  case Combine::FastMax:
    return select(less(a, b), b, a);
  case Combine::Max:
    return isFloat(a) ? arith::MaximumFOp::create(*this, a, b).getResult()
                      : arith::MaxSIOp::create(*this, a, b).getResult();
  case Combine::Min:
    return isFloat(a) ? arith::MinimumFOp::create(*this, a, b).getResult()
                      : arith::MinSIOp::create(*this, a, b).getResult();
  }
  llvm_unreachable("unknown combiner");
}

Value KernelBuilder::neutral(Combine kind, Type type) {
  Type element = getElementTypeOrSelf(type);
  double infinity = std::numeric_limits<double>::infinity();
  if (kind == Combine::Sum || kind == Combine::Product)
    return constant(type, kind == Combine::Product ? 1.0 : 0.0);
  if (isa<FloatType>(element))
    return constant(type, kind == Combine::Min ? infinity : -infinity);
  unsigned width = element.getIntOrFloatBitWidth();
  APInt limit = kind != Combine::Min ? APInt::getSignedMinValue(width)
                                     : APInt::getSignedMaxValue(width);
  TypedAttr scalar = getIntegerAttr(element, limit);
  if (auto vector = dyn_cast<VectorType>(type))
    scalar = DenseElementsAttr::get(vector, scalar);
  return arith::ConstantOp::create(*this, scalar);
}

Value KernelBuilder::at(Value base, Value iv, int64_t stride) {
  return createOrFold<arith::AddIOp>(
      base, createOrFold<arith::MulIOp>(iv, index(stride)));
}

void KernelBuilder::loop(Value lo, Value hi, int64_t step,
                         llvm::function_ref<void(Value)> body) {
  loop(lo, hi, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return Values{};
  });
}

void KernelBuilder::loop(int64_t count, int64_t step,
                         llvm::function_ref<void(Value)> body) {
  if (count <= 0)
    return;
  if (count <= step)
    return body(index(0));
  loop(index(0), index(count), step, body);
}

Values KernelBuilder::loop(Value lo, Value hi, int64_t step, ValueRange carried,
                           llvm::function_ref<Values(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(*this, lo, hi, index(step), carried);
  {
    OpBuilder::InsertionGuard guard(*this);
    // A loop without carried values already has its terminator.
    if (carried.empty())
      setInsertionPointToStart(op.getBody());
    else
      setInsertionPointToEnd(op.getBody());
    Values next = body(op.getInductionVar(), op.getRegionIterArgs());
    if (!carried.empty())
      scf::YieldOp::create(*this, next);
  }
  return Values(op.getResults());
}

void KernelBuilder::when(Value condition, llvm::function_ref<void()> then) {
  auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  then();
}

Values KernelBuilder::choose(Value condition, TypeRange types,
                             llvm::function_ref<Values()> then,
                             llvm::function_ref<Values()> otherwise) {
  auto op = scf::IfOp::create(*this, types, condition,
                              /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  auto fill = [&](Block *block, llvm::function_ref<Values()> body) {
    setInsertionPointToStart(block);
    Values results = body();
    // Without results the block already has its terminator.
    if (!types.empty())
      scf::YieldOp::create(*this, results);
  };
  fill(op.thenBlock(), then);
  fill(op.elseBlock(), otherwise);
  return Values(op.getResults());
}

Value KernelBuilder::load(Value memory, Value position, int64_t lanes,
                          Value mask) {
  Value value = loadStored(memory, position, lanes, mask);
  return widensLoads && elementOf(value).isBF16() ? bf16ToF32(*this, value)
                                                  : value;
}

Value KernelBuilder::loadStored(Value memory, Value position, int64_t lanes,
                                Value mask) {
  Type element = cast<MemRefType>(memory.getType()).getElementType();
  if (lanes == 1)
    return memref::LoadOp::create(*this, memory, ValueRange{position});
  VectorType type = vec(lanes, element);
  if (!mask)
    return vector::LoadOp::create(*this, type, memory, ValueRange{position});
  return vector::MaskedLoadOp::create(*this, type, memory, ValueRange{position},
                                      mask, constant(type, 0));
}

void KernelBuilder::store(Value value, Value memory, Value position,
                          Value mask) {
  Type stored = cast<MemRefType>(memory.getType()).getElementType();
  if (widensLoads && stored.isBF16() && elementOf(value).isF32())
    value = f32ToBf16(*this, value);
  if (!isa<VectorType>(value.getType()))
    memref::StoreOp::create(*this, value, memory, ValueRange{position});
  else if (mask)
    vector::MaskedStoreOp::create(*this, memory, ValueRange{position}, mask,
                                  value);
  else
    vector::StoreOp::create(*this, value, memory, ValueRange{position});
}

void KernelBuilder::prefetch(Value memory, Value position, Fetch purpose) {
  memref::PrefetchOp::create(*this, memory, ValueRange{position},
                             /*isWrite=*/purpose == Fetch::Write,
                             /*localityHint=*/purpose == Fetch::Far ? 2 : 3,
                             /*isDataCache=*/true);
}

/// Less memory is left to the hardware, which looks no further than the end of
/// a page.
static constexpr int64_t kFetchedBytes = 1 << 15;
/// How far ahead, in cache lines.
static constexpr int64_t kLinesAhead = 32;

void KernelBuilder::fetchAhead(Value memory, Value position, int64_t lanes,
                               Fetch purpose) {
  auto type = cast<MemRefType>(memory.getType());
  int64_t bytes = type.getElementTypeBitWidth() / 8, line = 64 / bytes;
  if (type.getNumElements() * bytes < kFetchedBytes)
    return;
  Value ahead = min(add(position, index(kLinesAhead * line)),
                    index(type.getNumElements() - lanes));
  for (int64_t i = 0; i < lanes; i += line)
    prefetch(memory, add(ahead, index(i)), purpose);
}

Value KernelBuilder::mask(Value count, int64_t lanes) {
  return vector::CreateMaskOp::create(*this, vec(lanes, getI1Type()),
                                      ValueRange{count});
}

void KernelBuilder::vectorLoop(
    int64_t count, int64_t lanes,
    llvm::function_ref<void(Value position, Value mask)> body) {
  int64_t full = count / lanes * lanes;
  loop(full, lanes, [&](Value position) { body(position, {}); });
  if (full < count)
    body(index(full), mask(index(count - full), lanes));
}

Value KernelBuilder::halve(Combine kind, Value vector) {
  for (int64_t lanes = lanesOf(vector) / 2; lanes >= 1; lanes /= 2) {
    auto low = vector::ExtractStridedSliceOp::create(
        *this, vector, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{lanes},
        ArrayRef<int64_t>{1});
    auto high = vector::ExtractStridedSliceOp::create(
        *this, vector, ArrayRef<int64_t>{lanes}, ArrayRef<int64_t>{lanes},
        ArrayRef<int64_t>{1});
    vector = combine(kind, low, high);
  }
  return vector::ExtractOp::create(*this, vector, ArrayRef<int64_t>{0});
}

Value KernelBuilder::accumulate(Combine kind, int64_t count, int64_t width,
                                Type type, AccumulateFn next) {
  int64_t parts = kPartials / width;
  Values partials(parts, neutral(kind, vec(width, type)));
  auto step = [&](Value position, ValueRange current, Value tail) {
    Values updated(current);
    for (int64_t part = 0; part < parts; ++part) {
      Value offset = at(position, index(part * width));
      Value mask;
      if (tail) {
        mask = this->mask(sub(tail, index(part * width)), width);
        Value value = next(current[part], offset, mask);
        updated[part] = select(mask, value, current[part]);
        continue;
      }
      updated[part] = next(current[part], offset, mask);
    }
    return updated;
  };
  int64_t full = count / kPartials * kPartials;
  if (full > 0)
    partials = loop(index(0), index(full), kPartials, partials,
                    [&](Value position, ValueRange current) {
                      return step(position, current, {});
                    });
  if (full < count)
    partials = step(index(full), partials, index(count - full));
  return combinePartials(kind, partials);
}

Value KernelBuilder::combinePartials(Combine kind, Values partials) {
  for (int64_t half = partials.size() / 2; half >= 1; half /= 2)
    for (int64_t part = 0; part < half; ++part)
      partials[part] = combine(kind, partials[part], partials[part + half]);
  return partials[0];
}

Value KernelBuilder::partialsOf(
    Combine kind, Value count, int64_t step, int64_t width, Type type,
    llvm::function_ref<Value(Value position)> element) {
  int64_t parts = kPartials / width, partsOfStep = step / width;
  Values partials(parts, neutral(kind, vec(width, type)));
  auto update = [&](ValueRange current, Value position, int64_t from,
                    int64_t to) {
    Values next(current);
    for (int64_t part = from; part < to; ++part)
      next[part] = combine(kind, current[part],
                           element(at(position, index(part * width))));
    return next;
  };
  Value rest = arith::RemUIOp::create(*this, count, index(kPartials));
  Value full = sub(count, rest);
  partials = loop(index(0), full, kPartials, partials,
                  [&](Value position, ValueRange current) {
                    return update(current, position, 0, parts);
                  });
  for (int64_t part = 0; part + partsOfStep < parts; part += partsOfStep) {
    Value isThere = arith::CmpIOp::create(*this, arith::CmpIPredicate::ult,
                                          index(part * width), rest);
    partials = choose(
        isThere, ValueRange(partials).getTypes(),
        [&] { return update(partials, full, part, part + partsOfStep); },
        [&] { return partials; });
  }
  return combinePartials(kind, partials);
}

Value KernelBuilder::reduce(
    Combine kind, int64_t count, int64_t width, Type type,
    llvm::function_ref<Value(Value position, Value mask)> element) {
  Value partials = accumulate(
      kind, count, width, type, [&](Value partial, Value position, Value mask) {
        return combine(kind, partial, element(position, mask));
      });
  return halve(kind, partials);
}

Value KernelBuilder::dot(int64_t count, int64_t width, Type type, PairFn pair) {
  return halve(Combine::Sum, partialsOfDot(count, width, type, pair));
}

Value KernelBuilder::partialsOfDot(int64_t count, int64_t width, Type type,
                                   PairFn pair) {
  return accumulate(Combine::Sum, count, width, type,
                    [&](Value partial, Value position, Value mask) {
                      auto [a, b] = pair(position, mask);
                      return fma(a, b, partial);
                    });
}

} // namespace weft
