// SPDX-License-Identifier: Apache-2.0
//
// The letters of a contraction in the groups that its loops are made of.

#ifndef WEFT_LIB_TARGET_KERNELS_CONTRACTGROUPS_H
#define WEFT_LIB_TARGET_KERNELS_CONTRACTGROUPS_H

#include "KernelBuilder.h"

namespace weft {

/// A letter of the equation, or several that every operand steps through as
/// one: its size and its strides in A, B and C, 0 where absent.
struct Letter {
  int64_t size, a, b, c;
};

/// batch (in A, B, C), m (A, C), n (B, C) and k (A, B); none of the last three
/// is empty. n's last letter is contiguous in C: for that A and B may be
/// swapped.
struct Groups {
  SmallVector<Letter> batch, m, n, k;
  bool swapped = false;
};

Groups analyseContract(const ContractSpec &spec);
/// Swaps A and B, and with them m and n.
void exchange(Groups &groups);

/// The product of the letters' sizes.
int64_t extent(ArrayRef<Letter> group);

/// Bases of the three operands at some point of the loop nest.
struct Bases {
  Value a, b, c;

  Bases advance(KernelBuilder &builder, Value iv, const Letter &letter) const {
    return {builder.at(a, iv, letter.a), builder.at(b, iv, letter.b),
            builder.at(c, iv, letter.c)};
  }
};

/// Loops over every letter of `letters`, first outermost.
void nestLetters(KernelBuilder &b, ArrayRef<Letter> letters, Bases bases,
                 llvm::function_ref<void(Bases)> body);

} // namespace weft

#endif // WEFT_LIB_TARGET_KERNELS_CONTRACTGROUPS_H
