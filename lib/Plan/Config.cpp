// SPDX-License-Identifier: Apache-2.0
//
// Reading the plan file: text -> TOML -> fields, with all errors at once.
//
// 1. Every key takes its default; 2. the file's keys replace it; 3. each --set
// replaces that. All three go through the same walk over a TOML table, so they
// meet the same checks and differ only in the place named in messages.
#include "ConfigValue.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include <map>

using namespace weft;
using llvm::StringRef;

using Errors = std::vector<std::string>;

static llvm::Error failure(const llvm::Twine &message) {
  return llvm::createStringError(message);
}

std::vector<std::pair<std::string, int64_t>> Config::meshAxes() const {
  return {{"pp", mesh.pp},
          {"dp_replicate", mesh.dpReplicate},
          {"dp_shard", mesh.dpShard},
          {"cp", mesh.cp},
          {"tp", mesh.tp}};
}

int64_t Config::numRanks() const {
  int64_t product = 1;
  for (const auto &[name, size] : meshAxes())
    product *= size;
  return product;
}

StringRef Config::originOf(StringRef key) const {
  auto found = origins.find(key.str());
  return found == origins.end() ? StringRef("default") : found->second;
}

std::optional<std::string>
weft::nearest(StringRef name, llvm::ArrayRef<std::string> candidates) {
  // A third of the letters may differ, and two in any short name. Twice the
  // distance, less one for the same first letter, so that this breaks ties.
  unsigned bound = std::max<unsigned>(2, name.size() / 3), least = ~0u;
  std::optional<std::string> best;
  for (const std::string &candidate : candidates) {
    unsigned distance = name.edit_distance(candidate, true, bound);
    // Not worth naming if nothing of a short name remains.
    if (distance > bound || distance >= name.size())
      continue;
    unsigned cost = 2 * distance - (name.front() == candidate.front());
    if (cost >= least && best)
      continue;
    best = candidate;
    least = cost;
  }
  return best;
}

namespace {
/// Line and column, from 1.
using Place = std::pair<unsigned, unsigned>;

/// A text as TOML. Numbers that 64 bits can't hold, for which toml++ gives up,
/// are 0 in the table and kept as they were written.
struct Document {
  toml::parse_result parsed;
  std::map<Place, std::string> oversized;
};

/// One walk over a TOML document that writes into a config.
class Reader {
public:
  Reader(Config &config, Errors &errors, StringRef origin, bool hasLines)
      : config(config), errors(errors), origin(origin), hasLines(hasLines) {}

  void read(Document document);

private:
  std::string place(const toml::source_region &source) const {
    if (!hasLines)
      return origin.str();
    return llvm::formatv("{0}:{1}:{2}", origin, source.begin.line,
                         source.begin.column);
  }
  void fail(const toml::source_region &source, const std::string &message) {
    errors.push_back(place(source) + ": error: " + message);
  }
  void readSection(StringRef section, const toml::table &table);
  bool hasOnlyTexts(const ConfigKey &key, const toml::node &node);
  std::optional<std::string> takeOversized(const toml::node &node);

  Config &config;
  Errors &errors;
  std::map<Place, std::string> oversized;
  StringRef origin;
  bool hasLines;
};
} // namespace

/// The bytes of the number that ends in front of `end`.
static StringRef numberBefore(StringRef text, toml::source_position end) {
  for (unsigned line = 1; line < end.line; ++line)
    text = text.split('\n').second;
  size_t length = 0;
  for (unsigned column = 1; column < end.column && length < text.size();
       ++column) // columns count characters
    while (++length < text.size() && (text[length] & 0xC0) == 0x80)
      ;
  StringRef before = text.take_front(length);
  size_t begin = before.find_last_not_of("+-._0123456789abcdefoxABCDEF");
  return before.drop_front(begin == StringRef::npos ? 0 : begin + 1);
}

static Document parseToml(std::string text) {
  Document document{toml::parse(text), {}};
  while (!document.parsed) {
    StringRef why(document.parsed.error().description());
    bool isOversized = why.ends_with("not representable in 64 bits") ||
                       (why.contains("floating-point") &&
                        why.ends_with("could not be interpreted as a value"));
    toml::source_position end = document.parsed.error().source().begin;
    StringRef number = numberBefore(text, end);
    if (!isOversized || number.empty())
      break;
    unsigned column = end.column - static_cast<unsigned>(number.size());
    document.oversized[{end.line, column}] = number.str();
    // As wide as it was: no place behind it moves.
    size_t offset = number.data() - text.data();
    text.replace(offset, number.size(), std::string(number.size(), ' '));
    text[offset] = '0';
    document.parsed = toml::parse(text);
  }
  return document;
}

static std::string withSuggestion(std::string message, StringRef name,
                                  llvm::ArrayRef<std::string> candidates) {
  if (std::optional<std::string> near = nearest(name, candidates))
    message += "; did you mean \"" + *near + "\"?";
  return message;
}

void Reader::read(Document document) {
  oversized = std::move(document.oversized);
  std::vector<std::string> sections;
  for (const ConfigKey &key : configKeys())
    if (sections.empty() || sections.back() != key.section)
      sections.push_back(key.section.str());
  for (const auto &[name, node] : document.parsed.table()) {
    if (!llvm::is_contained(sections, name.str()))
      fail(name.source(),
           withSuggestion(
               llvm::formatv("unknown section \"{0}\"", name.str()).str(),
               name.str(), sections));
    else if (!node.is_table())
      fail(name.source(),
           llvm::formatv("\"{0}\" is a section: write [{0}] on its own line, "
                         "and its keys below",
                         name.str())
               .str());
    else
      readSection(name.str(), *node.as_table());
  }
  // What is in a list, or of no known key.
  for (const auto &[at, number] : oversized) {
    toml::source_position position{at.first, at.second};
    fail({position, position, nullptr}, "the number is out of range: got " +
                                            number +
                                            ", expected one of 64 bits");
  }
}

// The text of a value that is no number for being too large; it is then said.
std::optional<std::string> Reader::takeOversized(const toml::node &node) {
  toml::source_position begin = node.source().begin;
  auto number = oversized.extract({begin.line, begin.column});
  if (number.empty())
    return std::nullopt;
  return std::move(number.mapped());
}

// The lines of an open table, each of which has a place of its own.
bool Reader::hasOnlyTexts(const ConfigKey &key, const toml::node &node) {
  bool holds = true;
  if (!std::holds_alternative<PatternTable *>(key.field(config)) ||
      !node.is_table())
    return holds;
  for (const auto &[pattern, value] : *node.as_table()) {
    if (value.is_string())
      continue;
    holds = false;
    fail(value.source(),
         llvm::formatv("\"{0}\" in [{1}] has the wrong type: got {2}, "
                       "expected a quoted text",
                       pattern.str(), key.dotted(), nameOf(value)));
  }
  return holds;
}

void Reader::readSection(StringRef section, const toml::table &table) {
  std::vector<std::string> names;
  for (const ConfigKey &key : configKeys())
    if (key.section == section)
      names.push_back(key.name.str());
  for (const auto &[name, node] : table) {
    const ConfigKey *key =
        llvm::find_if(configKeys(), [&, name = name.str()](const auto &key) {
          return key.section == section && key.name == StringRef(name);
        });
    if (key == configKeys().end()) {
      std::string message =
          llvm::formatv("unknown key \"{0}\" in [{1}]", name.str(), section);
      fail(name.source(), withSuggestion(message, name.str(), names));
      continue;
    }
    if (!hasOnlyTexts(*key, node))
      continue;
    if (std::optional<std::string> number = takeOversized(node)) {
      fail(node.source(), outOfRange(*key, *number));
      continue;
    }
    if (auto message = assignValue(*key, config, node, origin))
      fail(node.source(), *message);
    config.origins[key->dotted()] = place(node.source());
  }
}

// Line and column of `text` if it begins with a place in `file`; what does
// not, from --set, comes after all that does.
static std::pair<unsigned, unsigned> positionIn(StringRef file,
                                                StringRef text) {
  unsigned line = ~0u, column = ~0u;
  if (text.consume_front(file) && text.consume_front(":")) {
    text.consumeInteger(10, line);
    text.consume_front(":");
    text.consumeInteger(10, column);
  }
  return {line, column};
}

static llvm::Error joined(Errors errors, StringRef file) {
  llvm::stable_sort(errors, [&](const auto &a, const auto &b) {
    return positionIn(file, a) < positionIn(file, b);
  });
  return failure(llvm::join(errors, "\n"));
}

// The order of lines, which toml++ does not keep; --set comes last.
static void sortByLine(PatternTable &table, StringRef file) {
  llvm::stable_sort(table, [&](const auto &a, const auto &b) {
    return positionIn(file, a.origin) < positionIn(file, b.origin);
  });
}

// Reads `a.b=v`. What is no TOML value is a word: `--set optimizer.name=sgd`;
// and so is what is one of the wrong type: `--set checkpointing.option=2`.
static void applyAssignment(StringRef assignment, StringRef origin,
                            Config &config, Errors &errors) {
  // Keys of plan.styles hold dots and perhaps "=" inside of quotes.
  size_t equals = 0;
  for (bool isQuoted = false; equals < assignment.size(); ++equals) {
    isQuoted ^= assignment[equals] == '"';
    if (assignment[equals] == '=' && !isQuoted)
      break;
  }
  if (equals == assignment.size()) {
    errors.push_back(origin.str() +
                     ": error: expected section.key=value after --set");
    return;
  }
  StringRef key = assignment.take_front(equals);
  StringRef value = assignment.drop_front(equals + 1).trim();
  // The message about the value as it was written is the better one, unless
  // that was no TOML at all.
  Errors best;
  for (const std::string &text : {value.str(), quoted(value)}) {
    Document document = parseToml(key.str() + " = " + text);
    if (!document.parsed)
      continue;
    Errors attempt;
    Config changed = config;
    Reader(changed, attempt, origin, /*hasLines=*/false)
        .read(std::move(document));
    if (attempt.empty()) {
      config = std::move(changed);
      return;
    }
    if (best.empty())
      best = std::move(attempt);
  }
  if (best.empty())
    best.push_back(origin.str() + ": error: \"" + key.str() +
                   "\" is not a key: expected section.key=value");
  errors.insert(errors.end(), best.begin(), best.end());
}

Config weft::defaultConfig() {
  Config config;
  Errors errors;
  for (const ConfigKey &key : configKeys())
    if (!key.defaultText.empty())
      applyAssignment((key.dotted() + "=" + key.defaultText).str(), "default",
                      config, errors);
  assert(errors.empty() && "a default in ConfigKeys.cpp is not allowed");
  return config;
}

llvm::Expected<Config>
weft::parseConfig(StringRef text, StringRef file,
                  llvm::ArrayRef<std::string> overrides) {
  Config config = defaultConfig();
  Errors errors;
  Document document = parseToml(text.str());
  if (!document.parsed) {
    toml::source_position at = document.parsed.error().source().begin;
    return failure(llvm::formatv(
        "{0}:{1}:{2}: error: not TOML: {3}", file, at.line, at.column,
        StringRef(document.parsed.error().description())));
  }
  Reader(config, errors, file, /*hasLines=*/true).read(std::move(document));
  for (const std::string &assignment : overrides)
    applyAssignment(assignment, "--set " + assignment, config, errors);
  if (!errors.empty())
    return joined(std::move(errors), file);
  for (PatternTable *table : {&config.plan.styles, &config.plan.layouts})
    sortByLine(*table, file);
  return config;
}

llvm::Expected<Config> weft::loadConfig(StringRef path,
                                        llvm::ArrayRef<std::string> overrides) {
  if (path.empty())
    return parseConfig("", "", overrides);
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return failure(llvm::formatv("{0}: error: the plan file can't be read: {1}",
                                 path, file.getError().message()));
  return parseConfig((*file)->getBuffer(), path, overrides);
}

std::string weft::toToml(const Config &config, ShowOrigins origins) {
  std::string text;
  StringRef section;
  auto addLine = [&](std::string line, StringRef origin) {
    if (origins == ShowOrigins::Yes)
      line = llvm::formatv("{0,-44} # {1}", line, origin);
    text += line + "\n";
  };
  auto addTable = [&](const ConfigKey &key, const PatternTable &table) {
    if (table.empty())
      return;
    text += "\n[" + key.dotted() + "]\n";
    for (const PatternEntry &entry : table)
      addLine(quoted(entry.pattern) + " = " + quoted(entry.text), entry.origin);
  };
  for (const ConfigKey &key : configKeys()) {
    ConfigField field = key.field(const_cast<Config &>(config));
    if (auto *table = std::get_if<PatternTable *>(&field)) {
      addTable(key, **table);
      continue;
    }
    if (key.section != section)
      text += (text.empty() ? "[" : "\n[") + key.section.str() + "]\n";
    section = key.section;
    addLine((key.name + " = ").str() + formatValue(key, config),
            config.originOf(key.dotted()));
  }
  return text;
}
