// SPDX-License-Identifier: Apache-2.0
//
// Minimax polynomials (own fits, coefficients rounded to f32 one by one) with
// exact range reduction; see the header for the errors.

#include "MathExpansion.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;

namespace weft {

/// Coefficients from the lowest order up.
static Value polynomial(KernelBuilder &b, Value x, ArrayRef<double> terms) {
  Value sum = b.constantLike(x, terms.back());
  for (double term : llvm::reverse(terms.drop_back()))
    sum = b.fma(sum, x, b.constantLike(x, term));
  return sum;
}

static Value bitsOf(KernelBuilder &b, Value x) {
  Type bits = b.getIntegerType(elementOf(x).getIntOrFloatBitWidth());
  return arith::BitcastOp::create(b, typeLike(x, bits), x);
}
static Value fromBits(KernelBuilder &b, Value bits, Type element) {
  return arith::BitcastOp::create(b, typeLike(bits, element), bits);
}
static Value toFloat(KernelBuilder &b, Value x, Type element) {
  return arith::SIToFPOp::create(b, typeLike(x, element), x);
}
static Value shiftRight(KernelBuilder &b, Value x, int64_t by) {
  return arith::ShRSIOp::create(b, x, b.integerLike(x, by));
}
static Value shiftLeft(KernelBuilder &b, Value x, int64_t by) {
  return arith::ShLIOp::create(b, x, b.integerLike(x, by));
}
static Value isNan(KernelBuilder &b, Value x) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
}
static Value absolute(KernelBuilder &b, Value x) {
  return math::AbsFOp::create(b, x);
}
static Value copySign(KernelBuilder &b, Value magnitude, Value sign) {
  return math::CopySignOp::create(b, magnitude, sign);
}
static Value clampAbove(KernelBuilder &b, Value x, double limit) {
  Value bound = b.constantLike(x, limit);
  return b.select(b.less(bound, x), bound, x);
}
static bool isF32(Value x) { return elementOf(x).isF32(); }

/// p * 2^n for n in [-151, 129].
static Value scaleByPower(KernelBuilder &b, Value p, Value n) {
  if (b.target.hasAvx512)
    return LLVM::CallIntrinsicOp::create(
               b, p.getType(), b.getStringAttr("llvm.ldexp"), ValueRange{p, n})
        .getResult(0);
  Value half = shiftRight(b, n, 1);
  auto power = [&](Value exponent) {
    Value biased = b.add(exponent, b.integerLike(exponent, 127));
    return fromBits(b, shiftLeft(b, biased, 23), b.f32());
  };
  return b.mul(b.mul(p, power(half)), power(b.sub(n, half)));
}

/// True if one instruction makes p * 2^n or 0 of all lanes.
static bool scalesByMask(KernelBuilder &b, Value x) {
  auto type = dyn_cast<VectorType>(x.getType());
  return b.target.hasAvx512 && type && type.getNumElements() == 16;
}

/// p * 2^n for whole n, 0 where `vanishes`, of 16 lanes of AVX-512.
static Value scaleUnless(KernelBuilder &b, Value vanishes, Value p, Value n) {
  auto flags = cast<VectorType>(vanishes.getType());
  Value counts = arith::XOrIOp::create(
      b, vanishes,
      arith::ConstantOp::create(b, DenseElementsAttr::get(flags, true)));
  Value mask = LLVM::BitcastOp::create(b, b.getI16Type(), counts);
  constexpr int64_t currentRounding = 4;
  Value rounding = LLVM::ConstantOp::create(
      b, b.getI32Type(), b.getI32IntegerAttr(currentRounding));
  StringRef name = "llvm.x86.avx512.mask.scalef.ps.512";
  return LLVM::CallIntrinsicOp::create(
             b, p.getType(), b.getStringAttr(name),
             ValueRange{p, n, b.constantLike(p, 0.0), mask, rounding})
      .getResult(0);
}

/// Rounds x * factor to the nearest integer: {as float, as i32}. Adding 1.5 *
/// 2^23 leaves the integer in the low bits, so a NaN does no harm.
static std::pair<Value, Value> nearest(KernelBuilder &b, Value x,
                                       double factor) {
  Value magic = b.constantLike(x, 12582912.0);
  Value shifted = b.fma(x, b.constantLike(x, factor), magic);
  Value integer = b.sub(bitsOf(b, shifted), bitsOf(b, magic));
  return {b.sub(shifted, magic), integer};
}

/// exp(x) is p * 2^n, n as float and as integer.
struct ExpParts {
  Value p, n, integer;
};
static ExpParts expParts(KernelBuilder &b, Value x) {
  auto [n, integer] = nearest(b, x, 1.44269504);
  Value r = b.fma(n, b.constantLike(x, -0.693145751953125), x);
  r = b.fma(n, b.constantLike(x, -1.42860682e-6), r);
  Value q = polynomial(
      b, r, {0.5, 0.166665182, 0.0416664295, 0.00836898386, 0.00139381969});
  Value p = b.add(b.fma(b.mul(r, r), q, r), b.constantLike(x, 1.0));
  return {p, n, integer};
}

Value expandExp(KernelBuilder &b, Value x) {
  if (!isF32(x))
    return math::ExpOp::create(b, x);
  // What rounds to 0 is not computed: masked scores are -inf, and producing a
  // denormal to round it costs some CPUs a microcode assist.
  Value vanishes = b.less(x, b.constantLike(x, -103.972));
  x = clampAbove(b, x, 89.0);
  if (scalesByMask(b, x)) {
    ExpParts parts = expParts(b, x);
    return scaleUnless(b, vanishes, parts.p, parts.n);
  }
  Value zero = b.constantLike(x, 0.0);
  ExpParts parts = expParts(b, b.select(vanishes, zero, x));
  return b.select(vanishes, zero, scaleByPower(b, parts.p, parts.integer));
}

Value expandLog(KernelBuilder &b, Value x) {
  if (!isF32(x))
    return math::LogOp::create(b, x);
  Value smallest = b.constantLike(x, 0x1p-126);
  Value denormal = b.less(x, smallest);
  Value scaled = b.mul(x, b.constantLike(x, 0x1p23));
  Value bits = bitsOf(b, b.select(denormal, scaled, x));
  Value k = shiftRight(b, b.sub(bits, b.integerLike(bits, 0x3f3504f3)), 23);
  Value m = fromBits(b, b.sub(bits, shiftLeft(b, k, 23)), b.f32());
  k = b.select(denormal, b.sub(k, b.integerLike(k, 23)), k);
  Value exponent = toFloat(b, k, b.f32());
  Value f = b.sub(m, b.constantLike(x, 1.0));
  Value p = polynomial(b, f,
                       {0.333333105, -0.249999866, 0.200022236, -0.166692495,
                        0.142187163, -0.12384402, 0.118726194, -0.117893703,
                        0.0691561252});
  Value t = b.mul(b.mul(f, f), b.fma(p, f, b.constantLike(x, -0.5)));
  Value low = b.fma(exponent, b.constantLike(x, -1.90465421e-9), t);
  Value result = b.fma(exponent, b.constantLike(x, 0.693147182), b.add(f, low));
  Value zero = b.constantLike(x, 0.0);
  Value infinity = b.constantLike(x, INFINITY);
  auto compare = [&](arith::CmpFPredicate predicate, Value other) {
    return arith::CmpFOp::create(b, predicate, x, other);
  };
  result = b.select(compare(arith::CmpFPredicate::OEQ, infinity), x, result);
  result = b.select(compare(arith::CmpFPredicate::OEQ, zero), b.neg(infinity),
                    result);
  return b.select(compare(arith::CmpFPredicate::UGE, zero), // NaN passes
                  b.select(isNan(b, x), x, result), b.constantLike(x, NAN));
}

Value expandTanh(KernelBuilder &b, Value x) {
  if (!isF32(x))
    return math::TanhOp::create(b, x);
  Value a = absolute(b, x);
  Value y = b.mul(a, a);
  Value p = polynomial(
      b, y,
      {-0.333333194, 0.133326381, -0.0538570695, 0.0210893322, -0.00629717996});
  Value small = b.fma(b.mul(a, y), p, a);
  Value one = b.constantLike(x, 1.0);
  Value two = b.constantLike(x, 2.0);
  Value e = expandExp(b, b.mul(clampAbove(b, a, 9.1), two));
  Value large = b.sub(one, b.div(two, b.add(e, one)));
  Value magnitude = b.select(b.less(a, b.constantLike(x, 0.55)), small, large);
  return copySign(b, magnitude, x);
}

/// tanh(x/2) (exp(x) + 1), which cancels nothing.
Value expandExpm1(KernelBuilder &b, Value x) {
  if (!isF32(x))
    return math::ExpM1Op::create(b, x);
  Value half = expandTanh(b, b.mul(x, b.constantLike(x, 0.5)));
  return b.mul(half, b.add(expandExp(b, x), b.constantLike(x, 1.0)));
}

/// log(w) x / (w - 1) with w = 1 + x rounded: log(w) / (w - 1) changes little
/// by that rounding (Kahan).
Value expandLog1p(KernelBuilder &b, Value x) {
  if (!isF32(x))
    return math::Log1pOp::create(b, x);
  Value one = b.constantLike(x, 1.0);
  Value w = b.add(x, one), rest = b.sub(w, one);
  Value log = expandLog(b, w);
  auto equals = [&](Value y, Value z) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, y, z);
  };
  Value result = b.mul(log, b.div(x, rest));
  result = b.select(equals(rest, b.constantLike(x, 0.0)), x, result);
  return b.select(equals(w, b.constantLike(x, INFINITY)), log, result);
}

Value expandErf(KernelBuilder &b, Value x) {
  if (!isF32(x))
    return math::ErfOp::create(b, x);
  Value a = absolute(b, x);
  Value p = polynomial(b, b.mul(a, a),
                       {0.128379166, -0.376126289, 0.1128361900, -0.0268551745,
                        0.00519084465, -0.00080318359, 7.92413048e-5});
  Value small = b.fma(a, p, a);
  Value t = clampAbove(b, a, 4.0);
  Value q =
      polynomial(b, t,
                 {-0.000188468315, 1.12958026, 0.633216619, 0.108421721,
                  -0.025210008, 0.00420512771, -0.000441434677, 2.16939643e-5});
  Value one = b.constantLike(x, 1.0);
  Value large = b.sub(one, expandExp(b, b.neg(q)));
  return copySign(b, b.select(b.less(a, one), small, large), x);
}

namespace {
/// A quadrant, of which the low two bits count, and an angle in it.
struct Angle {
  Value quadrant, rest;
};
} // namespace

/// a - n pi/2 in three fused steps, |a| <= 2^17.
static Angle reduceSmall(KernelBuilder &b, Value a) {
  auto [n, integer] = nearest(b, a, 0.636619772);
  Value r = b.fma(n, b.constantLike(a, -1.57079637), a);
  r = b.fma(n, b.constantLike(a, 4.37113883e-8), r);
  return {integer, b.fma(n, b.constantLike(a, 1.71512451e-15), r)};
}

/// The same for any larger a: its 24 bits times the 96 bits of 2/pi that decide
/// the quadrant and what is left of it (Payne and Hanek). NaN for infinity.
static Angle reduceLarge(KernelBuilder &b, Value a) {
  // 2/pi behind 32 zeros, 32 bits a word.
  static constexpr uint32_t kWords[] = {0x00000000, 0xa2f9836e, 0x4e441529,
                                        0xfc2757d1, 0xf534ddc0, 0xdb629599,
                                        0x3c439041, 0xfe5163ab};
  Type i64 = b.getI64Type(), f64 = b.getF64Type();
  auto wide = [&](Value x) -> Value {
    return arith::ExtUIOp::create(b, typeLike(x, i64), x);
  };
  auto shift = [&](Value x, Value by) -> Value {
    return arith::ShRUIOp::create(b, x, by);
  };
  Value bits = bitsOf(b, a);
  // The bit of the table that weighs 2 in the product.
  Value first = b.sub(shiftRight(b, bits, 23), b.integerLike(bits, 127 - 7));
  Value word = shiftRight(b, first, 5);
  Value offset =
      wide(arith::AndIOp::create(b, first, b.integerLike(first, 31)));
  auto tableAt = [&](int64_t behind) {
    Value chosen = b.integerLike(bits, static_cast<int32_t>(kWords[behind]));
    for (int64_t i = 1; i <= 4; ++i) {
      Value isIt = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, word,
                                         b.integerLike(word, i));
      chosen = b.select(
          isIt, b.integerLike(bits, static_cast<int32_t>(kWords[behind + i])),
          chosen);
    }
    return wide(chosen);
  };
  Value low32 = b.integerLike(offset, 0xffffffff);
  auto window = [&](int64_t behind) -> Value {
    Value two = arith::OrIOp::create(b, shiftLeft(b, tableAt(behind), 32),
                                     tableAt(behind + 1));
    Value left = b.sub(b.integerLike(offset, 32), offset);
    return arith::AndIOp::create(b, shift(two, left), low32);
  };
  Value m = arith::AndIOp::create(b, bits, b.integerLike(bits, 0x7fffff));
  m = wide(arith::OrIOp::create(b, m, b.integerLike(m, 0x800000)));
  Value lowest = shift(b.mul(m, window(2)), b.integerLike(m, 32));
  Value product =
      b.add(b.add(shiftLeft(b, b.mul(m, window(0)), 32), b.mul(m, window(1))),
            lowest);
  Value quadrant = shift(b.add(product, b.integerLike(product, 1ll << 61)),
                         b.integerLike(product, 62));
  Value left = toFloat(b, b.sub(product, shiftLeft(b, quadrant, 62)), f64);
  Value angle = b.mul(left, b.constantLike(left, 0x1p-62 * M_PI_2));
  Value rest = arith::TruncFOp::create(b, a.getType(), angle);
  Value finite = b.less(a, b.constantLike(a, INFINITY));
  return {arith::TruncIOp::create(b, bits.getType(), quadrant),
          b.select(finite, rest, b.constantLike(a, NAN))};
}

/// Takes the long way only if some lane needs it.
static Angle reduceAngle(KernelBuilder &b, Value a) {
  Angle small = reduceSmall(b, a);
  Value isLarge = b.less(b.constantLike(a, 0x1p17), a), any = isLarge;
  if (isa<VectorType>(a.getType()))
    any = vector::ReductionOp::create(b, vector::CombiningKind::OR, isLarge);
  Values chosen = b.choose(
      any, {small.quadrant.getType(), small.rest.getType()},
      [&]() -> Values {
        Angle large = reduceLarge(b, a);
        return {b.select(isLarge, large.quadrant, small.quadrant),
                b.select(isLarge, large.rest, small.rest)};
      },
      [&]() -> Values { return {small.quadrant, small.rest}; });
  return {chosen[0], chosen[1]};
}

/// sin (quadrant 0) or cos (quadrant 1) of x.
static Value expandSinCos(KernelBuilder &b, Value x, int64_t quadrant) {
  Value a = absolute(b, x);
  auto [integer, r] = reduceAngle(b, a);
  Value y = b.mul(r, r);
  Value s =
      b.fma(b.mul(r, y),
            polynomial(b, y, {-0.166666552, 0.0083321901, -0.000195184053}), r);
  Value p = polynomial(b, y, {0.0416666456, -0.00138873013, 2.44306702e-5});
  Value c = b.fma(p, b.mul(y, y),
                  b.fma(y, b.constantLike(x, -0.5), b.constantLike(x, 1.0)));
  Value q = b.add(integer, b.integerLike(integer, quadrant));
  Value zero = b.integerLike(q, 0);
  auto hasBit = [&](int64_t bit) {
    Value masked = arith::AndIOp::create(b, q, b.integerLike(q, bit));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked, zero);
  };
  Value result = b.select(hasBit(1), c, s);
  result = b.select(hasBit(2), b.neg(result), result);
  if (quadrant == 1)
    return result;
  Value negative =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, bitsOf(b, x), zero);
  return b.select(negative, b.neg(result), result);
}

Value expandSin(KernelBuilder &b, Value x) {
  return isF32(x) ? expandSinCos(b, x, 0)
                  : math::SinOp::create(b, x).getResult();
}
Value expandCos(KernelBuilder &b, Value x) {
  return isF32(x) ? expandSinCos(b, x, 1)
                  : math::CosOp::create(b, x).getResult();
}

/// log(x) in f64 to about 1e-15 for a positive, finite, normal x.
static Value logOfF64(KernelBuilder &b, Value x) {
  Value bits = bitsOf(b, x);
  Value k =
      shiftRight(b, b.sub(bits, b.integerLike(bits, 0x3fe6a09e667f3bcd)), 52);
  Value m = fromBits(b, b.sub(bits, shiftLeft(b, k, 52)), b.getF64Type());
  Value one = b.constantLike(m, 1.0);
  Value s = b.div(b.sub(m, one), b.add(m, one));
  Value y = b.mul(s, s);
  SmallVector<double> terms; // 2 atanh(s) / s
  for (int i = 0; i < 10; ++i)
    terms.push_back(2.0 / (2 * i + 1));
  Value series = b.mul(s, polynomial(b, y, terms));
  return b.fma(toFloat(b, k, b.getF64Type()),
               b.constantLike(m, 0.69314718055994530942), series);
}

/// exp(x) in f64 to about 1e-14, of |x| no larger than `most`: 138 (2^200)
/// where the result will be an f32, 746 (0 and infinity) where it stays.
static Value expOfF64(KernelBuilder &b, Value x, double most) {
  Value bound = b.constantLike(x, most);
  x = b.select(b.less(bound, x), bound, x);
  x = b.select(b.less(x, b.neg(bound)), b.neg(bound), x);
  Value magic = b.constantLike(x, 6755399441055744.0);
  Value shifted = b.fma(x, b.constantLike(x, 1.44269504088896340736), magic);
  Value n = b.sub(shifted, magic);
  Value r = b.fma(n, b.constantLike(x, -0.69314718055994530942), x);
  SmallVector<double> terms = {1.0};
  for (int i = 1; i < 13; ++i)
    terms.push_back(terms.back() / i);
  Value integer = b.sub(bitsOf(b, shifted), bitsOf(b, magic));
  auto power = [&](Value n) {
    Value biased = b.add(n, b.integerLike(n, 1023));
    return fromBits(b, shiftLeft(b, biased, 52), b.getF64Type());
  };
  // In two steps: 2^n alone may be out of range.
  Value half = shiftRight(b, integer, 1);
  Value partly = b.mul(polynomial(b, r, terms), power(half));
  return b.mul(partly, power(b.sub(integer, half)));
}

/// |x|^y for x not 0, not NaN; signs and zeros are added by the caller.
static Value powMagnitude(KernelBuilder &b, Value a, Value y) {
  if (!isF32(a))
    return expOfF64(b, b.mul(y, logOfF64(b, a)), 746.0);
  Type f64 = b.getF64Type();
  auto widen = [&](Value v) -> Value {
    return arith::ExtFOp::create(b, typeLike(v, f64), v);
  };
  Value log = logOfF64(b, widen(a));
  Value result = expOfF64(b, b.mul(widen(y), log), 138.0);
  return arith::TruncFOp::create(b, a.getType(), result);
}

Value expandPow(KernelBuilder &b, Value x, Value y) {
  using P = arith::CmpFPredicate;
  auto is = [&](P predicate, Value l, Value r) -> Value {
    return arith::CmpFOp::create(b, predicate, l, r);
  };
  auto both = [&](Value l, Value r) -> Value {
    return arith::AndIOp::create(b, l, r);
  };
  Value zero = b.constantLike(x, 0.0), one = b.constantLike(x, 1.0);
  Value infinity = b.constantLike(x, INFINITY);
  Value a = absolute(b, x);
  Value result = powMagnitude(b, a, y);
  // 0 or infinity as base: 0, 1 or infinity by the sign of y.
  Value towardsZero = is(P::OLT, y, zero);
  Value ofZero = b.select(towardsZero, infinity, zero);
  Value ofInfinity = b.select(towardsZero, zero, infinity);
  result = b.select(is(P::OEQ, a, zero), ofZero, result);
  result = b.select(is(P::OEQ, a, infinity), ofInfinity, result);
  // A negative base needs an integer exponent; an odd one keeps the sign.
  Value whole = math::FloorOp::create(b, y);
  Value halved = b.mul(y, b.constantLike(x, 0.5));
  Value isWhole = is(P::OEQ, whole, y);
  Value evenHalf = math::FloorOp::create(b, halved);
  Value isOdd = both(isWhole, is(P::ONE, evenHalf, halved));
  Value signedResult = copySign(b, result, x);
  result = b.select(isOdd, signedResult, result);
  Value finite = is(P::OLT, a, infinity);
  Value undefined =
      both(both(is(P::OLT, x, zero), finite), is(P::ONE, whole, y));
  result = b.select(undefined, b.constantLike(x, NAN), result);
  Value nan = arith::OrIOp::create(b, isNan(b, x), isNan(b, y));
  result = b.select(nan, b.constantLike(x, NAN), result);
  result = b.select(is(P::OEQ, x, one), one, result);
  return b.select(is(P::OEQ, y, zero), one, result);
}

Value expandSigmoid(KernelBuilder &b, Value x) {
  Value one = b.constantLike(x, 1.0);
  return b.div(one, b.add(expandExp(b, b.neg(x)), one));
}

Value expandSilu(KernelBuilder &b, Value x) {
  Value one = b.constantLike(x, 1.0);
  return b.div(x, b.add(expandExp(b, b.neg(x)), one));
}

Value expandGelu(KernelBuilder &b, Value x) {
  Value half = b.mul(x, b.constantLike(x, 0.5));
  Value e = expandErf(b, b.mul(x, b.constantLike(x, M_SQRT1_2)));
  return b.mul(half, b.add(e, b.constantLike(x, 1.0)));
}

Value expandGeluTanh(KernelBuilder &b, Value x) {
  Value half = b.mul(x, b.constantLike(x, 0.5));
  Value cube = b.mul(b.mul(x, x), x);
  Value inner = b.fma(cube, b.constantLike(x, 0.044715), x);
  Value t = expandTanh(b, b.mul(inner, b.constantLike(x, 0.7978845608028654)));
  return b.mul(half, b.add(t, b.constantLike(x, 1.0)));
}

Value squareRoot(KernelBuilder &b, Value x) {
  return math::SqrtOp::create(b, x);
}

Value bf16ToF32(KernelBuilder &b, Value x) {
  Value bits = bitsOf(b, x);
  Value wide = arith::ExtUIOp::create(b, typeLike(bits, b.getI32Type()), bits);
  return fromBits(b, shiftLeft(b, wide, 16), b.f32());
}

Value f32ToBf16(KernelBuilder &b, Value x) {
  Value bits = bitsOf(b, x);
  Value high = arith::ShRUIOp::create(b, bits, b.integerLike(bits, 16));
  Value odd = arith::AndIOp::create(b, high, b.integerLike(bits, 1));
  Value rounded = b.add(bits, b.add(odd, b.integerLike(bits, 0x7fff)));
  rounded = arith::ShRUIOp::create(b, rounded, b.integerLike(bits, 16));
  Value sign = arith::AndIOp::create(b, high, b.integerLike(bits, 0x8000));
  Value quiet = arith::OrIOp::create(b, sign, b.integerLike(bits, 0x7fc0));
  Value chosen = b.select(isNan(b, x), quiet, rounded);
  Value narrow =
      arith::TruncIOp::create(b, typeLike(bits, b.getI16Type()), chosen);
  return fromBits(b, narrow, b.getBF16Type());
}

} // namespace weft
