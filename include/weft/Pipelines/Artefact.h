// SPDX-License-Identifier: Apache-2.0
//
// Artefact: the folder that `weft compile` writes, as files. The manifest
// records size and hash of every file that is read again, so that one which is
// cut off or comes from another compilation is named before it is used.
#ifndef WEFT_PIPELINES_ARTEFACT_H
#define WEFT_PIPELINES_ARTEFACT_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace weft {

inline constexpr llvm::StringLiteral kProgramName = "program.so";
inline constexpr llvm::StringLiteral kManifestName = "manifest.json";

/// An artefact in the making. Its files are written into a folder inside of
/// the target and moved into place by `commit`: a compilation that fails
/// leaves the target as it was, and of two at once the later wins as a whole.
class StagedArtefact {
public:
  explicit StagedArtefact(llvm::StringRef target) : target(target) {}
  /// Removes what was not committed, and the target if it was made for it.
  ~StagedArtefact();

  /// Makes the folders, and removes those of compilations that were ended from
  /// outside. An error names what can't be made.
  llvm::Error create();
  /// Where to write a file: `name` is relative to the artefact.
  std::string path(llvm::StringRef name) const;
  llvm::StringRef folder() const { return staging; }
  /// Moves all files to the target, the manifest last.
  llvm::Error commit();

private:
  std::string target, staging;
  int lock = -1; // of `staging`, as long as this lives
  bool isTargetNew = false;
};

/// Writes a file; the error names it.
llvm::Error writeFile(const std::string &path,
                      llvm::function_ref<void(llvm::raw_ostream &)> write);

/// Writes `manifest` into `folder`, with size and hash of the files `names`:
/// `"files": {"program.so": {"bytes": 1024, "hash": "..."}, ...}`.
llvm::Error writeManifest(llvm::StringRef folder, llvm::json::Object manifest,
                          llvm::ArrayRef<std::string> names);

/// The manifest of an artefact. An error says why there is none to read.
llvm::Expected<llvm::json::Object> readManifest(llvm::StringRef artefact);

/// What is wrong with a file of an artefact.
struct FileProblem {
  std::string name;
  std::string message; // `"build/program.so" is cut off: ...`
  /// IR as text where bytecode was written: an experiment, not an accident.
  bool isEdited = false;
};

/// Compares the files that `manifest` records with those in `artefact`; only
/// `names`, or all if there are none.
///
///   as recorded              nothing
///   missing, shorter         "... is missing", "... is cut off: got ..."
///   of another content       "... is not the file that was compiled"
///   ir/ with MLIR text       the same, and isEdited
std::vector<FileProblem> compareFiles(llvm::StringRef artefact,
                                      const llvm::json::Object &manifest,
                                      llvm::ArrayRef<std::string> names = {});

} // namespace weft

#endif // WEFT_PIPELINES_ARTEFACT_H
