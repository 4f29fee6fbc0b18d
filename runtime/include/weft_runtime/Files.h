// SPDX-License-Identifier: Apache-2.0
//
// Files: a file mapped for reading, and a file written whole or not at all.
#ifndef WEFT_RUNTIME_FILES_H
#define WEFT_RUNTIME_FILES_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace weft {

/// The bytes of a file, read page by page as they are touched.
class MappedFile {
public:
  /// Throws Error(InputFile) if the file cannot be read.
  explicit MappedFile(const std::string &path);
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  const std::string &path() const { return filePath; }
  const std::byte *data() const { return base; }
  int64_t size() const { return bytes; }

private:
  std::string filePath;
  const std::byte *base = nullptr;
  int64_t bytes = 0;
};

/// Writes beside the target; `commit` moves the file into place, without it
/// nothing is left. Throws Error(Storage).
class FileWriter {
public:
  explicit FileWriter(std::string path);
  ~FileWriter();
  void write(const void *data, int64_t bytes);
  void commit();

private:
  [[noreturn]] void fail() const;
  std::string path;
  std::FILE *file = nullptr;
};

} // namespace weft

#endif // WEFT_RUNTIME_FILES_H
