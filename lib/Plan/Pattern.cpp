// SPDX-License-Identifier: Apache-2.0
//
// Parsing and matching of patterns, segment by segment; no regular expressions.
#include "weft/Plan/Pattern.h"

#include "weft/Plan/Config.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace weft;
using llvm::StringRef;

static bool isNumber(StringRef segment) {
  return !segment.empty() && llvm::all_of(segment, llvm::isDigit);
}

static llvm::Error failure(StringRef text, const llvm::Twine &problem) {
  return llvm::createStringError("pattern \"" + text + "\" " + problem);
}

// The part after ":": input, output[1], input.name.
static llvm::Error parseSide(StringRef text, StringRef rest, PatternSide &side,
                             std::optional<int64_t> &index,
                             std::string &valueName) {
  if (rest.consume_front("input"))
    side = PatternSide::Input;
  else if (rest.consume_front("output"))
    side = PatternSide::Output;
  else
    return failure(text, "is not complete: after \":\" comes \"input\" or "
                         "\"output\"");
  if (rest.empty())
    return llvm::Error::success();
  if (rest.consume_front(".") && !rest.empty()) {
    valueName = rest.str();
    return llvm::Error::success();
  }
  int64_t number = 0;
  if (rest.consume_front("[") && rest.consume_back("]") && isNumber(rest) &&
      !rest.getAsInteger(10, number)) {
    index = number;
    return llvm::Error::success();
  }
  return failure(text, "is not understood: after \":input\" or \":output\" "
                       "comes nothing, \"[1]\" or \".name\"");
}

llvm::Expected<NamePattern> NamePattern::parse(StringRef text) {
  NamePattern pattern;
  pattern.text = text.str();
  auto [path, rest] = text.split(':');
  if (path.empty())
    return failure(text, "names nothing");
  for (StringRef segment : llvm::split(path, '.')) {
    if (segment.empty())
      return failure(text, "has an empty name between two dots");
    if (segment.contains('*') && segment != "*")
      return failure(text, "has \"" + segment +
                               "\": \"*\" stands for a whole number between "
                               "dots");
  }
  if (text.contains(':'))
    if (llvm::Error error = parseSide(text, rest, pattern.patternSide,
                                      pattern.index, pattern.valueName))
      return std::move(error);
  return pattern;
}

bool NamePattern::matches(StringRef name) const {
  StringRef left = path();
  while (!left.empty() && !name.empty()) {
    auto [segment, leftRest] = left.split('.');
    auto [part, nameRest] = name.split('.');
    if (segment == "*" ? !isNumber(part) : segment != part)
      return false;
    left = leftRest;
    name = nameRest;
  }
  return left.empty() && name.empty();
}

std::optional<size_t>
NamePattern::select(llvm::ArrayRef<BoundaryValue> values) const {
  std::optional<size_t> first;
  for (auto [position, value] : llvm::enumerate(values)) {
    if (index ? value.index == *index
              : !valueName.empty() && value.name == valueName)
      return position;
    bool isBetter = !first || (value.isFloating && !values[*first].isFloating);
    if (isBetter)
      first = position;
  }
  return index || !valueName.empty() ? std::nullopt : first;
}

NamePattern NamePattern::prefixed(StringRef prefix) const {
  NamePattern result = *this;
  if (!prefix.empty())
    result.text = (prefix + "." + text).str();
  return result;
}

std::string weft::generalize(StringRef name) {
  std::string result;
  for (StringRef segment : llvm::split(name, '.'))
    result +=
        (result.empty() ? "" : ".") + (isNumber(segment) ? "*" : segment.str());
  return result;
}

std::optional<std::string>
weft::suggestName(const NamePattern &pattern,
                  llvm::ArrayRef<std::string> names) {
  // `*` against generalized names; without `*`, against the names themselves,
  // where a wrong number is a likely slip too.
  bool isGeneral = pattern.path().contains('*');
  std::vector<std::string> candidates;
  for (const std::string &name : names)
    candidates.push_back(isGeneral ? generalize(name) : name);
  // The module is there, so the slip is behind the colon.
  if (llvm::is_contained(candidates, pattern.path()))
    return std::nullopt;
  std::optional<std::string> best = nearest(pattern.path(), candidates);
  if (best && pattern.side() != PatternSide::Name)
    *best += pattern.str().drop_front(pattern.path().size()).str();
  return best;
}
