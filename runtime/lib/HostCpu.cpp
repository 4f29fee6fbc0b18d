// SPDX-License-Identifier: Apache-2.0
//
// Instruction sets by the names that compilers use.
#include "HostCpu.h"

#include "weft_runtime/Error.h"

#include <algorithm>
#include <sys/syscall.h>
#include <unistd.h>

namespace weft {

/// The sets of `kInstructionSets` (Target/ObjectEmitter.cpp) that this CPU has
/// and the system lets programs use.
static std::vector<std::string> instructionsOfHost() {
  std::vector<std::string> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
#define WEFT_ADD(NAME)                                                         \
  if (__builtin_cpu_supports(NAME))                                            \
    found.push_back(NAME);
  WEFT_ADD("sse3")
  WEFT_ADD("ssse3")
  WEFT_ADD("sse4.1")
  WEFT_ADD("sse4.2")
  WEFT_ADD("popcnt")
  WEFT_ADD("avx")
  WEFT_ADD("avx2")
  WEFT_ADD("bmi")
  WEFT_ADD("bmi2")
  WEFT_ADD("fma")
  WEFT_ADD("fma4")
  WEFT_ADD("xop")
  WEFT_ADD("avx512f")
  WEFT_ADD("avx512bw")
  WEFT_ADD("avx512cd")
  WEFT_ADD("avx512dq")
  WEFT_ADD("avx512vl")
  WEFT_ADD("avx512ifma")
  WEFT_ADD("avx512vbmi")
  WEFT_ADD("avx512vbmi2")
  WEFT_ADD("avx512vnni")
  WEFT_ADD("avx512bitalg")
  WEFT_ADD("avx512vpopcntdq")
  WEFT_ADD("avx512bf16")
#undef WEFT_ADD
#endif
  return found;
}

/// Asks the system for the tile registers, for all threads to come: a process
/// has to, since they make its saved state 8 KiB larger.
static bool requestTiles() {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
  constexpr long requestPermission = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}

void requireInstructions(const Descriptor &descriptor,
                         const std::string &path) {
  std::vector<std::string> found = instructionsOfHost();
  std::string missing;
  for (const std::string &name : descriptor.instructions)
    if (std::find(found.begin(), found.end(), name) == found.end())
      missing += (missing.empty() ? "" : ", ") + name;
  if (missing.empty() && descriptor.tiles && !requestTiles())
    missing = "tile registers (AMX)";
  if (!missing.empty())
    throw Error(ExitCode::InputFile,
                "program " + quote(path) + " is for the CPU " +
                    quote(descriptor.cpu) +
                    " and needs what this host lacks: " + missing,
                "compile it on this host, or set target.cpu to one that this "
                "host is compatible with, such as \"x86-64-v3\"");
}

} // namespace weft
