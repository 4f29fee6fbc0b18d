// SPDX-License-Identifier: Apache-2.0
//
// Whether this host's CPU can run a program.
#ifndef WEFT_RUNTIME_LIB_HOSTCPU_H
#define WEFT_RUNTIME_LIB_HOSTCPU_H

#include "weft_runtime/Descriptor.h"

namespace weft {

/// Throws an Error that names what is missing if code of the program at `path`
/// uses instructions that this host lacks, and asks the system for those that
/// have to be asked for.
void requireInstructions(const Descriptor &descriptor, const std::string &path);

} // namespace weft

#endif // WEFT_RUNTIME_LIB_HOSTCPU_H
