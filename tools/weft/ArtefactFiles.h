// SPDX-License-Identifier: Apache-2.0
//
// Opening an artefact: its files are compared with its manifest before they
// are used.
#ifndef WEFT_TOOLS_WEFT_ARTEFACTFILES_H
#define WEFT_TOOLS_WEFT_ARTEFACTFILES_H

#include "weft/Pipelines/Artefact.h"

#include <optional>

namespace weft::tool {

/// Whether there is a folder `artefact` with a manifest; prints an error with
/// the remedy if not.
bool isArtefact(const std::string &artefact);

/// Prints problems; the remedy once. IR that was edited by hand is a warning.
/// True if every file may be used.
bool printProblems(const std::vector<FileProblem> &problems);

/// The manifest, once the files `names` are what it says (all, if none are
/// named). Prints what is wrong otherwise: the answer is BadInput.
std::optional<llvm::json::Object>
openArtefact(const std::string &artefact,
             llvm::ArrayRef<std::string> names = {});

} // namespace weft::tool

#endif // WEFT_TOOLS_WEFT_ARTEFACTFILES_H
