// SPDX-License-Identifier: Apache-2.0
//
// Error: how a run ends, and the one exception type of the runtime. A message
// follows "<thing> <is wrong>: got <x>, expected <y>"; `note` is the remedy
// and begins with a verb.
#ifndef WEFT_RUNTIME_ERROR_H
#define WEFT_RUNTIME_ERROR_H

#include <stdexcept>
#include <string>

namespace weft {

/// What the exit code of `train` and `weft run` says.
enum class ExitCode : int {
  Done = 0,
  Usage = 2,
  InputFile = 3,
  PeerFailed = 10,
  Hang = 11,
  NonFinite = 12,
  Storage = 13,
  RanksDisagree = 14,
  Stopped = 20,
  Internal = 70,
};

/// Ends the run of this rank with `code()`.
class Error : public std::runtime_error {
public:
  Error(ExitCode code, const std::string &message, std::string note = "")
      : std::runtime_error(message), exitCode(code), remedy(std::move(note)) {}
  ExitCode code() const { return exitCode; }
  /// What to do about it; empty if nothing is known.
  const std::string &note() const { return remedy; }

private:
  ExitCode exitCode;
  std::string remedy;
};

/// A member of a group died, left or does not come; outranks a signal.
class PeerFailed : public Error {
public:
  /// `leftWith` is the exit code the peer announced, or -1 if it said nothing.
  /// A stop and a hang end all ranks with the same code.
  PeerFailed(int rank, int leftWith, const std::string &message)
      : Error(codeAfter(leftWith), message), peer(rank) {}
  int rank() const { return peer; }

private:
  static ExitCode codeAfter(int leftWith) {
    auto code = static_cast<ExitCode>(leftWith);
    bool isShared = code == ExitCode::Stopped || code == ExitCode::Hang;
    return isShared ? code : ExitCode::PeerFailed;
  }

  int peer;
};

/// `"name"`: names in messages are quoted.
inline std::string quote(const std::string &name) { return '"' + name + '"'; }

} // namespace weft

#endif // WEFT_RUNTIME_ERROR_H
