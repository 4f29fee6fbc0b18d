// SPDX-License-Identifier: Apache-2.0
//
// One value of the plan file: from a TOML node to its field, and back to text.
// Private to lib/Plan, so that nobody else includes toml++.
#ifndef WEFT_LIB_PLAN_CONFIGVALUE_H
#define WEFT_LIB_PLAN_CONFIGVALUE_H

#include "weft/Plan/Config.h"
#include <toml++/toml.h>

namespace weft {

/// Writes `node` into the field of `key`. Returns a message, without place, if
/// it has the wrong type or a value that is not allowed or not supported.
/// `origin` is kept in the entries of open tables.
std::optional<std::string> assignValue(const ConfigKey &key, Config &config,
                                       const toml::node &node,
                                       llvm::StringRef origin);

/// The message, without place, about a number outside of the key's range;
/// `value` is as it was written.
std::string outOfRange(const ConfigKey &key, llvm::StringRef value);

/// What a node is, in a message: "a table", "an integer".
llvm::StringRef nameOf(const toml::node &node);

/// The value of `key` as TOML.
std::string formatValue(const ConfigKey &key, const Config &config);

/// `"text"`, with quotes and backslashes escaped.
std::string quoted(llvm::StringRef text);

} // namespace weft

#endif // WEFT_LIB_PLAN_CONFIGVALUE_H
