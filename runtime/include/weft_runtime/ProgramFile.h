// SPDX-License-Identifier: Apache-2.0
//
// ProgramFile: whether the file of a program may be loaded. A shared library
// that is cut off kills the process that maps it, without a word.
#ifndef WEFT_RUNTIME_PROGRAMFILE_H
#define WEFT_RUNTIME_PROGRAMFILE_H

#include <string>

namespace weft {

/// Throws Error(InputFile) with the remedy if `path`
///
///   ends before its own ELF headers say              "is cut off"
///   is not what manifest.json beside it records      "is not the file that
///                                                    was compiled"
///
/// Programs without a manifest (those made by hand) meet the first check only;
/// a file that is no ELF file at all is the loader's to refuse.
void checkProgramFile(const std::string &path);

} // namespace weft

#endif // WEFT_RUNTIME_PROGRAMFILE_H
