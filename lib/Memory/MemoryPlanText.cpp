// SPDX-License-Identifier: Apache-2.0
//
// A memory plan as text. Names may hold anything but a line end: a line is
// read from behind.
#include "weft/Memory/MemoryPlan.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;

namespace weft {

std::string toString(const MemoryPlan &plan, llvm::ArrayRef<Lifetime> values) {
  std::string text = "bytes " + std::to_string(plan.bytes) + "\n";
  for (auto [offset, value] : llvm::zip(plan.offsets, values))
    text += value.name + ": " + std::to_string(value.bytes) + " bytes at " +
            std::to_string(offset) + ", steps " + std::to_string(value.first) +
            " to " + std::to_string(value.last) + "\n";
  return text;
}

/// Cuts `separator` and the number behind it off the end of `line`.
static bool takeNumber(StringRef &line, StringRef separator, int64_t &number) {
  size_t at = line.rfind(separator);
  if (at == StringRef::npos ||
      line.substr(at + separator.size()).getAsInteger(10, number))
    return false;
  line = line.take_front(at);
  return true;
}

static bool parseValue(StringRef line, ParsedMemoryPlan &result) {
  Lifetime value;
  int64_t offset;
  if (!takeNumber(line, " to ", value.last) ||
      !takeNumber(line, ", steps ", value.first) ||
      !takeNumber(line, " bytes at ", offset) ||
      !takeNumber(line, ": ", value.bytes) || value.last < value.first)
    return false;
  value.name = line.str();
  result.values.push_back(value);
  result.plan.offsets.push_back(offset);
  return true;
}

ParsedMemoryPlan parseMemoryPlan(StringRef text) {
  ParsedMemoryPlan result;
  llvm::SmallVector<StringRef> lines;
  text.split(lines, '\n', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (auto [number, line] : llvm::enumerate(lines)) {
    bool isOk = number == 0 ? line.consume_front("bytes ") &&
                                  !line.getAsInteger(10, result.plan.bytes)
                            : parseValue(line, result);
    if (!isOk) {
      result.message = "memory plan is not well formed in line " +
                       std::to_string(number + 1) + ": got \"" +
                       lines[number].str() + "\"";
      return result;
    }
  }
  if (lines.empty())
    result.message = "memory plan is empty: expected \"bytes\" and a number";
  return result;
}

} // namespace weft
