// SPDX-License-Identifier: Apache-2.0
//
// Transcendental functions in fused multiply-adds, and bf16 conversions in
// integer arithmetic: no call into the host's libm, so the bits are ours on
// every machine. f32 scalars and vectors; f64 goes to math ops (libm), but for
// pow, which a step of Adam has.
//
//   function          max ulp   range
//   exp               1.1       all
//   log               0.9       all
//   expm1, log1p      3         all
//   tanh              1.5       all
//   erf               1.1       all
//   sin, cos          1.6       all
//   pow               0.6       all, computed in f64 arithmetic
//   pow of f64        1e-13     relative error; a normal base

#ifndef WEFT_LIB_TARGET_KERNELS_MATHEXPANSION_H
#define WEFT_LIB_TARGET_KERNELS_MATHEXPANSION_H

#include "KernelBuilder.h"

namespace weft {

Value expandExp(KernelBuilder &b, Value x);
Value expandLog(KernelBuilder &b, Value x);
/// exp(x) - 1
Value expandExpm1(KernelBuilder &b, Value x);
/// log(1 + x)
Value expandLog1p(KernelBuilder &b, Value x);
Value expandTanh(KernelBuilder &b, Value x);
Value expandErf(KernelBuilder &b, Value x);
Value expandSin(KernelBuilder &b, Value x);
Value expandCos(KernelBuilder &b, Value x);
Value expandPow(KernelBuilder &b, Value x, Value y);
/// 1 / (1 + exp(-x))
Value expandSigmoid(KernelBuilder &b, Value x);
/// x / (1 + exp(-x))
Value expandSilu(KernelBuilder &b, Value x);
/// x/2 (1 + erf(x / sqrt 2))
Value expandGelu(KernelBuilder &b, Value x);
/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
Value expandGeluTanh(KernelBuilder &b, Value x);
Value squareRoot(KernelBuilder &b, Value x);

/// Widening is exact; narrowing rounds to nearest even, denormals kept, every
/// NaN becomes the quiet NaN 0x7fc0 with the sign of `x`.
Value bf16ToF32(KernelBuilder &b, Value x);
Value f32ToBf16(KernelBuilder &b, Value x);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_MATHEXPANSION_H
