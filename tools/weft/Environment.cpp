// SPDX-License-Identifier: Apache-2.0
//
// Finding the Python environment from the place of this program.
#include "Environment.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace weft::tool;

std::string weft::tool::programFolder() {
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? "." : self.parent_path().string();
}

static bool holdsWeft(const fs::path &venv) {
  std::error_code error;
  return fs::exists(venv / "bin" / "weft-export", error);
}

std::optional<std::string> weft::tool::findVenv() {
  if (const char *active = std::getenv("VIRTUAL_ENV"))
    if (holdsWeft(active))
      return active;
  for (fs::path folder = programFolder(); folder.has_relative_path();
       folder = folder.parent_path())
    if (holdsWeft(folder / ".venv"))
      return (folder / ".venv").string();
  return std::nullopt;
}

std::optional<std::string>
weft::tool::findVenvProgram(const std::string &name) {
  std::optional<std::string> venv = findVenv();
  if (!venv)
    return std::nullopt;
  fs::path program = fs::path(*venv) / "bin" / name;
  std::error_code error;
  if (!fs::exists(program, error))
    return std::nullopt;
  return program.string();
}

std::string weft::tool::execute(const std::string &program,
                                const std::vector<std::string> &arguments) {
  std::vector<char *> argv = {const_cast<char *>(program.c_str())};
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  return std::strerror(errno);
}
