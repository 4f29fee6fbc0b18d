// SPDX-License-Identifier: Apache-2.0
//
// Worlds: runs one function on all ranks of a world, whatever the communicator:
// threads for InProcess, forked processes for the others.
#ifndef WEFT_RUNTIME_TEST_WORLDS_H
#define WEFT_RUNTIME_TEST_WORLDS_H

#include "weft_runtime/Bootstrap.h"

#include <functional>
#include <string>
#include <vector>

namespace weft::test {

/// What a rank does; returns what is wrong, or "".
using RankBody = std::function<std::string(Communicator &)>;

/// Runs `body` on each rank and returns the answers by rank. A rank that
/// throws answers "exit <code>: <message>", one that is killed "signal <n>".
/// `kind` is the name of a communicator, or "two_hosts" or "mixed_hosts":
/// "auto" on ranks that are said to be on two hosts, in halves or in turn.
std::vector<std::string> runWorld(const std::string &kind, int worldSize,
                                  const RankBody &body);

/// Whether the communicator can be made in this build; the reason if not.
std::string whyUnavailable(const std::string &kind);

} // namespace weft::test

#endif // WEFT_RUNTIME_TEST_WORLDS_H
