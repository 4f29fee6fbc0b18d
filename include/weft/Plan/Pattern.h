// SPDX-License-Identifier: Apache-2.0
//
// Pattern: the one way in which users and published plans name things.
//
//   model.layers.*.mlp                 a module, or a parameter
//   model.layers.*.mlp:input           its first floating tensor, else first
//   model.layers.3.mlp:output[1]       its second result
//   model.layers.*.self_attn:input.attention_mask      an argument by name
//
// `*` stands for one number between dots; digits are literal everywhere.
#ifndef WEFT_PLAN_PATTERN_H
#define WEFT_PLAN_PATTERN_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>

namespace weft {

/// What a pattern selects at the names it matches.
enum class PatternSide { Name, Input, Output };

/// One tensor at a module boundary, as far as patterns look at it.
struct BoundaryValue {
  int64_t index = 0;
  std::string name; // of an argument; empty for results
  bool isFloating = true;
};

class NamePattern {
public:
  /// Fails with a message that quotes `text`.
  ///
  ///   "model.layers.*"      fine
  ///   "model.h*.mlp"        error: `*` stands for a whole number
  ///   "model.mlp:inputs"    error: after ":" comes input or output
  static llvm::Expected<NamePattern> parse(llvm::StringRef text);

  /// True if the part before ":" matches all of `name`.
  ///
  ///   pattern             name                matches
  ///   model.layers.*      model.layers.12     yes
  ///   model.layers.*      model.layers.x      no
  ///   model.layers.1      model.layers.12     no
  ///   model.layers.*      model.layers.1.mlp  no
  bool matches(llvm::StringRef name) const;

  /// Which of the values of one boundary (in index order) is selected.
  std::optional<size_t> select(llvm::ArrayRef<BoundaryValue> values) const;

  PatternSide side() const { return patternSide; }
  llvm::StringRef str() const { return text; }
  /// The part before ":".
  llvm::StringRef path() const {
    return llvm::StringRef(text).split(':').first;
  }
  /// The same pattern below `prefix`: `layers.*` -> `model.layers.*`.
  NamePattern prefixed(llvm::StringRef prefix) const;

private:
  std::string text;
  PatternSide patternSide = PatternSide::Name;
  std::optional<int64_t> index; // of `[1]`
  std::string valueName;        // of `.name`
};

/// What the user may have meant by a pattern that matches none of `names`: the
/// nearest name, written with the pattern's `*` where both have numbers.
///
///   model.layers.*.mlp.up_prj, names model.layers.{0,1}.mlp.{up,gate}_proj
///     -> model.layers.*.mlp.up_proj
std::optional<std::string> suggestName(const NamePattern &pattern,
                                       llvm::ArrayRef<std::string> names);

/// `name` with every number between dots replaced by `*`.
std::string generalize(llvm::StringRef name);

} // namespace weft

#endif // WEFT_PLAN_PATTERN_H
