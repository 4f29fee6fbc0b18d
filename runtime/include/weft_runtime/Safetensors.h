// SPDX-License-Identifier: Apache-2.0
//
// Safetensors: reading by mapping and writing tensor by tensor. The format is
// an 8-byte little-endian header size, a JSON header, then the data.
#ifndef WEFT_RUNTIME_SAFETENSORS_H
#define WEFT_RUNTIME_SAFETENSORS_H

#include "weft_runtime/DType.h"
#include "weft_runtime/Files.h"

#include <map>
#include <string>
#include <vector>

namespace weft {

/// One tensor of a file; `data` lives as long as the file.
struct TensorView {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  const std::byte *data = nullptr;
};

/// A mapped file. Throws Error(InputFile) naming what is wrong with it.
class SafetensorsFile {
public:
  explicit SafetensorsFile(const std::string &path);
  const std::string &path() const { return file.path(); }
  const std::map<std::string, TensorView> &tensors() const { return views; }

private:
  MappedFile file;
  std::map<std::string, TensorView> views;
};

/// All tensors of the `.safetensors` files of a folder (or of one file).
class SafetensorsFolder {
public:
  /// Throws Error(InputFile) if there is no such file, or two hold one name.
  explicit SafetensorsFolder(const std::string &path);
  /// The tensor, or null.
  const TensorView *find(const std::string &name) const;
  std::vector<std::string> names() const;

private:
  std::vector<SafetensorsFile> files;
  std::map<std::string, const TensorView *> views;
};

/// The header entry of a tensor to be written.
struct TensorEntry {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};

/// Writes the entries' data in their order: one `append` per entry, each of
/// the size its shape says, then `commit`.
class SafetensorsWriter {
public:
  SafetensorsWriter(const std::string &path,
                    const std::vector<TensorEntry> &entries);
  void append(const void *data, int64_t bytes) { file.write(data, bytes); }
  void commit() { file.commit(); }

private:
  FileWriter file;
};

} // namespace weft

#endif // WEFT_RUNTIME_SAFETENSORS_H
