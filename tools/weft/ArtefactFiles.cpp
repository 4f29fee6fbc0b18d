// SPDX-License-Identifier: Apache-2.0
//
// Messages about the files of an artefact.
#include "ArtefactFiles.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace weft;
using namespace weft::tool;

bool weft::tool::isArtefact(const std::string &artefact) {
  if (llvm::sys::fs::exists(artefact + "/" + kManifestName))
    return true;
  llvm::errs() << "error: \"" << artefact << "\" is no artefact: it has no \""
               << kManifestName << "\"\n"
               << "note: make one by `weft compile MODEL -c PLAN -o "
               << artefact << "`\n";
  return false;
}

bool weft::tool::printProblems(const std::vector<FileProblem> &problems) {
  bool isUsable = true;
  for (const FileProblem &problem : problems) {
    llvm::errs() << (problem.isEdited ? "warning: " : "error: ")
                 << problem.message
                 << (problem.isEdited ? ": it was edited by hand" : "") << "\n";
    isUsable &= problem.isEdited;
  }
  if (!isUsable)
    llvm::errs() << "note: compile the model again\n";
  return isUsable;
}

std::optional<llvm::json::Object>
weft::tool::openArtefact(const std::string &artefact,
                         llvm::ArrayRef<std::string> names) {
  if (!isArtefact(artefact))
    return std::nullopt;
  llvm::Expected<llvm::json::Object> manifest = readManifest(artefact);
  if (!manifest) {
    llvm::errs() << "error: " << llvm::toString(manifest.takeError())
                 << "\nnote: compile the model again\n";
    return std::nullopt;
  }
  if (!printProblems(compareFiles(artefact, *manifest, names)))
    return std::nullopt;
  return std::move(*manifest);
}
