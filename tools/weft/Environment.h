// SPDX-License-Identifier: Apache-2.0
//
// Where the other parts of an installation are.
#ifndef WEFT_TOOLS_WEFT_ENVIRONMENT_H
#define WEFT_TOOLS_WEFT_ENVIRONMENT_H

#include <optional>
#include <string>
#include <vector>

namespace weft::tool {

/// The folder that holds this program.
std::string programFolder();

/// The Python environment: $VIRTUAL_ENV if it has Weft in it, else the first
/// `.venv` above this program.
std::optional<std::string> findVenv();

/// A program of the Python environment, by name.
std::optional<std::string> findVenvProgram(const std::string &name);

/// Replaces this process by `program`; returns only if that fails, with the
/// reason.
std::string execute(const std::string &program,
                    const std::vector<std::string> &arguments);

} // namespace weft::tool

#endif // WEFT_TOOLS_WEFT_ENVIRONMENT_H
