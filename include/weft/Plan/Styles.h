// SPDX-License-Identifier: Apache-2.0
//
// Styles: what the names in a tensor-parallel plan mean, as data.
//
// A style is a constraint along `tp` on the parameters of a module and on its
// first input and output. Names are those of Hugging Face plans. A dim counts
// from the end if it is negative. No style names any other axis, so styles
// combine with everything else by leaving it open.
#ifndef WEFT_PLAN_STYLES_H
#define WEFT_PLAN_STYLES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace weft {

/// What `tp` does to one tensor.
struct StyleWish {
  enum Kind : int32_t { Open, Replicate, Shard };
  Kind kind = Open;
  int32_t dim = 0; // of Shard

  bool operator==(const StyleWish &other) const = default;
};

/// The options of the plan that vary a style.
struct StyleOptions {
  bool sequenceParallel = false;
  bool lossParallel = false;
};

/// One row of the table. `sequenceOutput` and `lossOutput` replace `output`
/// under the option of that name.
struct Style {
  llvm::StringRef name;
  StyleWish weight, bias, input, output, sequenceOutput, lossOutput;
  llvm::StringRef help;
  bool isLookup = false; // a table's, not a linear layer's

  /// The wish for a parameter with the last name `parameter` and `numDims`.
  ///
  ///   colwise   "weight", 2 -> shard(0)     "bias", 1 -> shard(0)
  ///   rowwise   "weight", 2 -> shard(1)     "bias", 1 -> replicate
  StyleWish parameterWish(llvm::StringRef parameter) const;
  /// For the weight of a linear layer that lies as [in, out]: the other dim.
  ///
  ///   colwise   shard(0) -> shard(1)     embedding_rowwise   shard(0)
  StyleWish inputsFirst(StyleWish wish) const;
  StyleWish outputWish(const StyleOptions &options) const;
};

/// All styles, in the order of the documentation.
llvm::ArrayRef<Style> styles();

/// The style called `name`; an error that lists the styles if there is none.
llvm::Expected<const Style *> findStyle(llvm::StringRef name);

} // namespace weft

#endif // WEFT_PLAN_STYLES_H
