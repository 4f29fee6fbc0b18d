// SPDX-License-Identifier: Apache-2.0
//
// Safetensors: the header is checked in full when a file is opened, so readers
// may trust every view.
#include "weft_runtime/Safetensors.h"
#include "weft_runtime/Error.h"
#include "weft_runtime/Slices.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>

using namespace weft;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

[[noreturn]] static void fail(const std::string &path,
                              const std::string &problem) {
  throw Error(ExitCode::InputFile,
              quote(path) + " is no valid safetensors file: " + problem,
              "write it again, it may be cut off or of another format");
}

static TensorView readEntry(const Json &entry, const std::string &where,
                            const MappedFile &file, int64_t dataBegin) {
  TensorView view;
  auto typeName = entry.at("dtype").get<std::string>();
  std::optional<DType> dtype = parseSafetensorsName(typeName);
  if (!dtype)
    fail(file.path(),
         where + " has an unsupported type: got " + quote(typeName));
  view.dtype = *dtype;
  view.shape = entry.at("shape").get<std::vector<int64_t>>();
  auto begin = entry.at("data_offsets").at(0).get<int64_t>();
  auto end = entry.at("data_offsets").at(1).get<int64_t>();
  int64_t expected = numElements(view.shape) * byteSize(view.dtype);
  if (begin < 0 || end - begin != expected)
    fail(file.path(), where + " has a size unlike its shape: got " +
                          std::to_string(end - begin) + " bytes, expected " +
                          std::to_string(expected));
  if (dataBegin + end > file.size())
    fail(file.path(), where + " ends after the file: got byte " +
                          std::to_string(dataBegin + end) +
                          ", expected at most " + std::to_string(file.size()));
  view.data = file.data() + dataBegin + begin;
  return view;
}

SafetensorsFile::SafetensorsFile(const std::string &path) : file(path) {
  uint64_t headerBytes = 0;
  if (file.size() < 8)
    fail(path, "it has " + std::to_string(file.size()) + " bytes");
  std::memcpy(&headerBytes, file.data(), 8);
  if (headerBytes > static_cast<uint64_t>(file.size() - 8))
    fail(path, "its header of " + std::to_string(headerBytes) +
                   " bytes ends after the file");
  const char *text = reinterpret_cast<const char *>(file.data() + 8);
  try {
    Json header = Json::parse(text, text + headerBytes);
    for (const auto &[name, entry] : header.items())
      if (name != "__metadata__")
        views[name] = readEntry(entry, "tensor " + quote(name), file,
                                8 + static_cast<int64_t>(headerBytes));
  } catch (const Json::exception &error) {
    fail(path, error.what());
  }
}

SafetensorsFolder::SafetensorsFolder(const std::string &path) {
  std::vector<std::string> paths;
  if (fs::is_directory(path)) {
    for (const fs::directory_entry &entry : fs::directory_iterator(path))
      if (entry.path().extension() == ".safetensors")
        paths.push_back(entry.path().string());
    std::sort(paths.begin(), paths.end());
  } else {
    paths.push_back(path);
  }
  for (const std::string &file : paths)
    files.emplace_back(file);
  for (const SafetensorsFile &file : files)
    for (const auto &[name, view] : file.tensors())
      if (!views.emplace(name, &view).second)
        throw Error(ExitCode::InputFile,
                    "two files of " + quote(path) + " hold tensor " +
                        quote(name),
                    "keep one of them in the folder");
}

const TensorView *SafetensorsFolder::find(const std::string &name) const {
  auto it = views.find(name);
  return it == views.end() ? nullptr : it->second;
}

std::vector<std::string> SafetensorsFolder::names() const {
  std::vector<std::string> result;
  for (const auto &[name, view] : views)
    result.push_back(name);
  return result;
}

SafetensorsWriter::SafetensorsWriter(const std::string &path,
                                     const std::vector<TensorEntry> &entries)
    : file(path) {
  Json header = Json::object();
  header["__metadata__"] = {{"format", "pt"}};
  int64_t offset = 0;
  for (const TensorEntry &entry : entries) {
    int64_t end = offset + numElements(entry.shape) * byteSize(entry.dtype);
    header[entry.name] = {{"dtype", safetensorsName(entry.dtype)},
                          {"shape", entry.shape},
                          {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' '); // data begins aligned
  uint64_t size = text.size();
  file.write(&size, sizeof(size));
  file.write(text.data(), static_cast<int64_t>(size));
}
