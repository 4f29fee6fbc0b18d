// SPDX-License-Identifier: Apache-2.0
//
// Artefact: staging, recording and comparing files.
#include "weft/Pipelines/Artefact.h"
#include "weft/Target/Program.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <sys/file.h>

namespace fs = llvm::sys::fs;
namespace json = llvm::json;
using llvm::StringRef;

namespace weft {

/// What folders of unfinished compilations are called.
static const std::string kStagingPrefix = ".compile-";

static std::string join(StringRef folder, StringRef name) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

static llvm::Error failure(const llvm::Twine &message) {
  return llvm::createStringError(message);
}

static llvm::Error cannot(const char *verb, StringRef path,
                          std::error_code error) {
  return failure(llvm::Twine("can't ") + verb + " \"" + path +
                 "\": " + error.message());
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// Opens a folder and locks it, as long as it is open; closed if that fails.
static std::error_code lockFolder(StringRef folder, int &file, int how) {
  if (std::error_code error = fs::openFileForRead(folder, file))
    return error;
  if (flock(file, how) == 0)
    return {};
  std::error_code error(errno, std::generic_category());
  (void)fs::closeFile(file);
  return error;
}

/// Removes what compilations left that were ended from outside: a living one
/// has a lock on its folder.
static void removeAbandoned(StringRef target) {
  std::error_code error;
  for (fs::directory_iterator entry(target, error), end; !error && entry != end;
       entry.increment(error)) {
    StringRef name = llvm::sys::path::filename(entry->path());
    int lock = -1;
    if (!name.starts_with(kStagingPrefix) ||
        lockFolder(entry->path(), lock, LOCK_EX | LOCK_NB))
      continue;
    (void)fs::remove_directories(entry->path());
    (void)fs::closeFile(lock);
  }
}

StagedArtefact::~StagedArtefact() {
  if (staging.empty())
    return;
  (void)fs::remove_directories(staging);
  if (lock >= 0)
    (void)fs::closeFile(lock);
  if (isTargetNew)
    (void)fs::remove(target); // unless somebody else has put something there
}

llvm::Error StagedArtefact::create() {
  isTargetNew = !fs::exists(target);
  if (!isTargetNew && !fs::is_directory(target))
    return failure("\"" + target +
                   "\" is no folder: it can't hold an artefact");
  if (std::error_code error = fs::create_directories(target))
    return cannot("make folder", target, error);
  // So that nobody takes the new folder for an abandoned one.
  int making = -1;
  if (std::error_code error = lockFolder(target, making, LOCK_EX))
    return cannot("open", target, error);
  removeAbandoned(target);
  llvm::SmallString<128> name;
  fs::createUniquePath(join(target, kStagingPrefix + "%%%%%%%%"), name,
                       /*MakeAbsolute=*/false);
  std::error_code error = fs::create_directories(join(name, "ir"));
  if (!error)
    error = lockFolder(name, lock, LOCK_EX);
  (void)fs::closeFile(making);
  staging = name.str().str();
  return error ? cannot("write into", target, error) : llvm::Error::success();
}

std::string StagedArtefact::path(StringRef name) const {
  return join(staging, name);
}

/// The files below `folder`, relative to it, sorted, the manifest last: an
/// artefact is complete when it has one.
static std::vector<std::string> filesIn(StringRef folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator file(folder, error), end;
       !error && file != end; file.increment(error))
    if (!fs::is_directory(file->path()))
      names.push_back(
          StringRef(file->path()).drop_front(folder.size() + 1).str());
  llvm::sort(names, [](const std::string &a, const std::string &b) {
    return std::pair(a == kManifestName, a) < std::pair(b == kManifestName, b);
  });
  return names;
}

llvm::Error StagedArtefact::commit() {
  // One at a time: the files of two compilations must not mix.
  int moving = -1;
  if (std::error_code error = lockFolder(target, moving, LOCK_EX))
    return cannot("open", target, error);
  std::error_code error = fs::create_directories(join(target, "ir"));
  std::string at = join(target, "ir");
  for (const std::string &name : filesIn(staging)) {
    if (error)
      break;
    at = join(target, name);
    error = fs::rename(join(staging, name), at);
  }
  (void)fs::closeFile(moving);
  if (error)
    return cannot("write", at, error);
  isTargetNew = false;
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Recording and comparing
//===----------------------------------------------------------------------===//

llvm::Error writeFile(const std::string &path,
                      llvm::function_ref<void(llvm::raw_ostream &)> write) {
  std::error_code error;
  llvm::raw_fd_ostream file(path, error);
  if (!error) {
    write(file);
    file.close();
    error = file.error();
    file.clear_error(); // else the destructor ends the process
  }
  if (!error)
    return llvm::Error::success();
  return llvm::createStringError("can't write \"" + path +
                                 "\": " + error.message());
}

/// `{"program.so": {"bytes": 1024, "hash": "..."}, ...}` of files in `folder`.
static llvm::Expected<json::Object>
recordFiles(StringRef folder, llvm::ArrayRef<std::string> names) {
  json::Object files;
  for (const std::string &name : names) {
    auto content = llvm::MemoryBuffer::getFile(
        join(folder, name), /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!content)
      return cannot("read", join(folder, name), content.getError());
    StringRef bytes = (*content)->getBuffer();
    files[name] = json::Object{{"bytes", static_cast<int64_t>(bytes.size())},
                               {"hash", contentHash(bytes)}};
  }
  return std::move(files);
}

llvm::Error writeManifest(StringRef folder, json::Object manifest,
                          llvm::ArrayRef<std::string> names) {
  llvm::Expected<json::Object> files = recordFiles(folder, names);
  if (!files)
    return files.takeError();
  manifest["files"] = std::move(*files);
  return writeFile(join(folder, kManifestName), [&](llvm::raw_ostream &os) {
    os << llvm::formatv("{0:2}\n", json::Value(std::move(manifest)));
  });
}

llvm::Expected<json::Object> readManifest(StringRef artefact) {
  std::string path = join(artefact, kManifestName);
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return failure("\"" + artefact + "\" is no artefact: it has no \"" +
                   kManifestName + "\"");
  llvm::Expected<json::Value> parsed = json::parse((*buffer)->getBuffer());
  if (!parsed)
    return failure("\"" + path + "\" is cut off or damaged: " +
                   llvm::toString(parsed.takeError()));
  json::Object *manifest = parsed->getAsObject();
  if (!manifest || !manifest->getObject("files"))
    return failure("\"" + path +
                   "\" records no files: it is not as `weft "
                   "compile` of this version writes it");
  return std::move(*manifest);
}

static std::optional<FileProblem>
compareFile(StringRef artefact, StringRef name, const json::Object &recorded) {
  std::string path = join(artefact, name);
  FileProblem problem{name.str(), "\"" + path + "\" ", false};
  auto content = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                             /*RequiresNullTerminator=*/false);
  if (!content) {
    problem.message += "can't be read: " + content.getError().message();
    return problem;
  }
  StringRef bytes = (*content)->getBuffer();
  int64_t expected = recorded.getInteger("bytes").value_or(-1);
  if (contentHash(bytes) == recorded.getString("hash"))
    return std::nullopt;
  // The magic of MLIR's bytecode; everything else the parser takes for text.
  problem.isEdited = name.starts_with("ir/") && !bytes.empty() &&
                     !bytes.starts_with("ML\xefR");
  if (!problem.isEdited && static_cast<int64_t>(bytes.size()) < expected)
    problem.message += "is cut off: got " + std::to_string(bytes.size()) +
                       " bytes, expected " + std::to_string(expected);
  else
    problem.message += "is not the file that was compiled";
  return problem;
}

std::vector<FileProblem> compareFiles(StringRef artefact,
                                      const json::Object &manifest,
                                      llvm::ArrayRef<std::string> names) {
  std::vector<FileProblem> problems;
  for (const auto &[key, value] : *manifest.getObject("files")) {
    StringRef name = key;
    if (!names.empty() && !llvm::is_contained(names, name.str()))
      continue;
    if (std::optional<FileProblem> problem =
            compareFile(artefact, name, *value.getAsObject()))
      problems.push_back(std::move(*problem));
  }
  llvm::sort(problems, [](const FileProblem &a, const FileProblem &b) {
    return a.name < b.name;
  });
  return problems;
}

} // namespace weft
