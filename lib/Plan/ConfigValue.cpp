// SPDX-License-Identifier: Apache-2.0
//
// Assigning and printing one value: one function per type of field, then the
// checks that the table of keys asks for (allowed, minimum, supported).
#include "ConfigValue.h"

#include "llvm/ADT/StringExtras.h"
#include <charconv>

using namespace weft;
using llvm::StringRef;

std::optional<int64_t> weft::parseByteSize(StringRef text) {
  static constexpr std::pair<StringRef, int64_t> units[] = {
      {"KiB", 1LL << 10},
      {"MiB", 1LL << 20},
      {"GiB", 1LL << 30},
      {"KB", 1'000},
      {"MB", 1'000'000},
      {"GB", 1'000'000'000},
      {"B", 1}};
  int64_t scale = 1;
  text = text.trim();
  for (auto [unit, bytes] : units)
    if (text.consume_back(unit)) {
      scale = bytes;
      break;
    }
  int64_t number = 0;
  if (text.trim().getAsInteger(10, number) || number < 0 ||
      number > INT64_MAX / scale)
    return std::nullopt;
  return number * scale;
}

std::string weft::formatByteSize(int64_t bytes) {
  static constexpr std::pair<StringRef, int64_t> units[] = {
      {" GiB", 1LL << 30}, {" GB", 1'000'000'000}, {" MiB", 1LL << 20},
      {" MB", 1'000'000},  {" KiB", 1LL << 10},    {" KB", 1'000}};
  for (auto [unit, scale] : units)
    if (bytes > 0 && bytes % scale == 0)
      return std::to_string(bytes / scale) + unit.str();
  return std::to_string(bytes);
}

std::string weft::quoted(StringRef text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += c;
  }
  return result + "\"";
}

static std::string formatNumber(double number) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), number).ptr;
  return std::string(buffer, end);
}

StringRef weft::nameOf(const toml::node &node) {
  switch (node.type()) {
  case toml::node_type::table:
    return "a table";
  case toml::node_type::array:
    return "a list";
  case toml::node_type::string:
    return "a string";
  case toml::node_type::integer:
    return "an integer";
  case toml::node_type::floating_point:
    return "a number";
  case toml::node_type::boolean:
    return "a boolean";
  default:
    return "a date or time";
  }
}

namespace {
/// Writes a node into a field; fails by returning what was expected.
struct Assign {
  const toml::node &node;
  StringRef origin;
  using Expected = std::optional<StringRef>; // what was expected instead

  Expected operator()(int64_t *field) const {
    if (!node.is_integer())
      return "an integer";
    *field = **node.as_integer();
    return std::nullopt;
  }
  Expected operator()(double *field) const {
    if (!node.is_number())
      return "a number";
    *field = *node.value<double>();
    return std::nullopt;
  }
  Expected operator()(bool *field) const {
    if (!node.is_boolean())
      return "true or false";
    *field = **node.as_boolean();
    return std::nullopt;
  }
  Expected operator()(std::string *field) const {
    if (!node.is_string())
      return "a string";
    *field = **node.as_string();
    return std::nullopt;
  }
  Expected operator()(ByteSize *field) const {
    std::optional<int64_t> bytes;
    if (node.is_integer())
      bytes = **node.as_integer();
    if (node.is_string())
      bytes = parseByteSize(**node.as_string());
    if (!bytes || *bytes < 0)
      return "bytes, such as 4096 or \"100 MB\"";
    field->bytes = *bytes;
    return std::nullopt;
  }
  Expected operator()(WordOrList *field) const {
    if (node.is_string()) {
      *field = {**node.as_string(), {}};
      return std::nullopt;
    }
    if (!node.is_array())
      return "a word or a list of strings";
    WordOrList list;
    for (const toml::node &element : *node.as_array()) {
      if (!element.is_string())
        return "a list of strings";
      list.names.push_back(**element.as_string());
    }
    *field = std::move(list);
    return std::nullopt;
  }
  Expected operator()(WordOrCount *field) const {
    if (node.is_string())
      *field = {**node.as_string(), 0};
    else if (node.is_integer())
      *field = {"", **node.as_integer()};
    else
      return "a word or an integer";
    return std::nullopt;
  }
  Expected operator()(std::vector<double> *field) const {
    // Lists of numbers keep the length of their default.
    if (!node.is_array() || node.as_array()->size() != 2)
      return "a list of two numbers";
    std::vector<double> numbers;
    for (const toml::node &element : *node.as_array()) {
      if (!element.is_number())
        return "a list of two numbers";
      numbers.push_back(*element.value<double>());
    }
    *field = std::move(numbers);
    return std::nullopt;
  }
  Expected operator()(PatternTable *field) const {
    if (!node.is_table())
      return "a table of \"pattern\" = \"text\"";
    for (const auto &[key, value] : *node.as_table()) {
      if (!value.is_string())
        return "a quoted pattern and a quoted text";
      put(*field, key.str(), **value.as_string(), key.source());
    }
    return std::nullopt;
  }

private:
  // A later line with the same pattern replaces the earlier; otherwise lines
  // keep the order of the file, which toml++ does not.
  void put(PatternTable &table, std::string_view pattern,
           const std::string &text, const toml::source_region &source) const {
    PatternEntry entry{std::string(pattern), text, origin.str()};
    if (!origin.starts_with("--set"))
      entry.origin += ":" + std::to_string(source.begin.line) + ":" +
                      std::to_string(source.begin.column);
    for (PatternEntry &old : table)
      if (old.pattern == entry.pattern) {
        old = std::move(entry);
        return;
      }
    table.push_back(std::move(entry));
  }
};

/// A field as TOML.
struct Format {
  std::string operator()(int64_t *field) { return std::to_string(*field); }
  std::string operator()(double *field) { return formatNumber(*field); }
  std::string operator()(bool *field) { return *field ? "true" : "false"; }
  std::string operator()(std::string *field) { return quoted(*field); }
  std::string operator()(ByteSize *field) {
    return quoted(formatByteSize(field->bytes));
  }
  std::string operator()(WordOrList *field) {
    return field->word.empty() ? list(field->names, quoted)
                               : quoted(field->word);
  }
  std::string operator()(WordOrCount *field) {
    return field->word.empty() ? std::to_string(field->count)
                               : quoted(field->word);
  }
  std::string operator()(std::vector<double> *field) {
    return list(*field, formatNumber);
  }
  std::string operator()(PatternTable *field) { return ""; }

private:
  template <typename Range, typename Print>
  static std::string list(const Range &range, Print print) {
    std::string text = "[";
    for (const auto &element : range)
      text += (text.size() > 1 ? ", " : "") + print(element);
    return text + "]";
  }
};

/// The number that a minimum applies to, if the field holds one.
struct NumberOf {
  std::optional<double> operator()(int64_t *field) { return *field; }
  std::optional<double> operator()(double *field) { return *field; }
  std::optional<double> operator()(WordOrCount *field) {
    return field->word.empty() ? std::optional<double>(field->count)
                               : std::nullopt;
  }
  template <typename Other> std::optional<double> operator()(Other *) {
    return std::nullopt;
  }
};

/// The numbers that an interval applies to.
struct NumbersOf {
  std::vector<double> operator()(std::vector<double> *field) { return *field; }
  template <typename Other> std::vector<double> operator()(Other *field) {
    std::optional<double> number = NumberOf()(field);
    return number ? std::vector<double>{*number} : std::vector<double>();
  }
};
} // namespace

/// `[0, 1)`: a bracket counts its end in.
static bool isInside(StringRef interval, double number) {
  bool isLeastIn = interval.front() == '[', isMostIn = interval.back() == ']';
  auto [leastText, mostText] = interval.drop_front().drop_back().split(", ");
  double least = 0, most = 0;
  leastText.getAsDouble(least);
  mostText.getAsDouble(most);
  // Not "!(number < least)": NaN is outside.
  return (isLeastIn ? number >= least : number > least) &&
         (isMostIn ? number <= most : number < most);
}

std::string weft::formatValue(const ConfigKey &key, const Config &config) {
  return std::visit(Format(), key.field(const_cast<Config &>(config)));
}

static bool isInRange(const ConfigKey &key, ConfigField field) {
  std::optional<double> number = std::visit(NumberOf(), field);
  // Not "<": a number that is NaN is out of every range.
  if (number && !(*number >= key.minimum))
    return false;
  if (number && key.section == "mesh")
    return *number != 0; // the largest is resolveMesh's, which sees all axes
  return key.interval.empty() ||
         llvm::all_of(std::visit(NumbersOf(), field), [&](double each) {
           return isInside(key.interval, each);
         });
}

/// The numbers that a key takes.
static std::string rangeOf(const ConfigKey &key) {
  Config scratch;
  ConfigField field = key.field(scratch);
  if (key.section == "mesh")
    return "a size from 1 to " + std::to_string(kMaxRanks) +
           ", or -1 for what is left of the world size";
  if (!key.interval.empty())
    return (std::holds_alternative<std::vector<double> *>(field)
                ? "numbers in "
                : "a number in ") +
           key.interval.str();
  if (std::visit(NumberOf(), field))
    return "at least " + formatNumber(key.minimum);
  return "one of 64 bits";
}

std::string weft::outOfRange(const ConfigKey &key, StringRef value) {
  return "key \"" + key.dotted() + "\" is out of range: got " + value.str() +
         ", expected " + rangeOf(key);
}

static bool matchesWord(StringRef words, StringRef value) {
  for (StringRef word : llvm::split(words, '|')) {
    word = word.trim();
    if (word == value || (word.consume_front("*") && value.ends_with(word)))
      return true;
  }
  return false;
}

// `"a", "b"`, as a user would write them: numbers and booleans are bare.
static std::string listWords(const ConfigKey &key, StringRef words) {
  Config scratch;
  ConfigField field = key.field(scratch);
  bool isWord = std::holds_alternative<std::string *>(field) ||
                std::holds_alternative<WordOrList *>(field) ||
                std::holds_alternative<WordOrCount *>(field);
  std::string text;
  for (StringRef word : llvm::split(words, '|'))
    text += (text.empty() ? "" : ", ") +
            (isWord ? quoted(word.trim()) : word.trim().str());
  return text;
}

static std::optional<std::string> checkAllowed(const ConfigKey &key,
                                               StringRef value) {
  if (key.allowed.empty() || value.starts_with("[") ||
      matchesWord(key.allowed, value))
    return std::nullopt;
  std::vector<std::string> words;
  for (StringRef word : llvm::split(key.allowed, '|'))
    words.push_back(word.trim().str());
  std::string message = "key \"" + key.dotted() +
                        "\" has an unknown value: got \"" + value.str() +
                        "\", expected one of " + listWords(key, key.allowed);
  if (std::optional<std::string> near = nearest(value, words))
    message += "; did you mean \"" + *near + "\"?";
  return message;
}

std::optional<std::string> weft::assignValue(const ConfigKey &key,
                                             Config &config,
                                             const toml::node &node,
                                             StringRef origin) {
  ConfigField field = key.field(config);
  if (std::optional<StringRef> expected =
          std::visit(Assign{node, origin}, field))
    return "key \"" + key.dotted() + "\" has the wrong type: got " +
           nameOf(node).str() + ", expected " + expected->str();
  std::string text = formatValue(key, config);
  StringRef value = StringRef(text).trim('"');
  std::optional<double> number = std::visit(NumberOf(), field);
  if (!isInRange(key, field))
    return outOfRange(key, text);
  // Counts beside words are checked by their minimum.
  bool isCount = number && std::holds_alternative<WordOrCount *>(field);
  if (!isCount)
    if (std::optional<std::string> message = checkAllowed(key, value))
      return message;
  if (key.supported.empty() || matchesWord(key.supported, value))
    return std::nullopt;
  return "key \"" + key.dotted() + "\" = " + text +
         " is not supported yet: this version builds " +
         listWords(key, key.supported);
}
