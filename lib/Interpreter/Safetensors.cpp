// SPDX-License-Identifier: Apache-2.0
//
// Reads and writes safetensors files; little-endian hosts only, as the format.
#include "weft/Interpreter/Safetensors.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace weft;
using namespace weft::interpreter;
using llvm::StringRef;

namespace {
/// An element type of the format.
struct FileType {
  StringRef name;
  ElementKind kind;
  int64_t bytes;
};
} // namespace

static constexpr FileType kFileTypes[] = {
    {"F64", ElementKind::F64, 8},   {"F32", ElementKind::F32, 4},
    {"BF16", ElementKind::BF16, 2}, {"F16", ElementKind::F16, 2},
    {"I64", ElementKind::I64, 8},   {"I32", ElementKind::I32, 4},
    {"BOOL", ElementKind::I1, 1}};

static llvm::Error damaged(StringRef path, const llvm::Twine &problem) {
  return llvm::createStringError("\"" + path +
                                 "\" is no safetensors file: " + problem);
}

template <typename T> static T load(const char *data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

/// Half-precision formats by way of APFloat.
static double fromBits(const llvm::fltSemantics &semantics, const char *data) {
  llvm::APFloat value(semantics, llvm::APInt(16, load<uint16_t>(data)));
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToDouble();
}

static uint16_t toBits(const llvm::fltSemantics &semantics, double number) {
  llvm::APFloat value(number);
  bool losesInfo;
  value.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return static_cast<uint16_t>(value.bitcastToAPInt().getZExtValue());
}

static Element loadElement(ElementKind kind, const char *data) {
  Element element{0};
  switch (kind) {
  case ElementKind::F64:
    element.real = load<double>(data);
    return element;
  case ElementKind::F32:
    element.real = load<float>(data);
    return element;
  case ElementKind::BF16:
    element.real = fromBits(llvm::APFloat::BFloat(), data);
    return element;
  case ElementKind::F16:
    element.real = fromBits(llvm::APFloat::IEEEhalf(), data);
    return element;
  case ElementKind::I64:
    element.integer = load<int64_t>(data);
    return element;
  case ElementKind::I32:
    element.integer = load<int32_t>(data);
    return element;
  case ElementKind::I1:
    element.integer = load<uint8_t>(data) != 0;
    return element;
  }
  llvm_unreachable("unknown element kind");
}

template <typename T> static void store(std::string &data, T value) {
  data.append(reinterpret_cast<const char *>(&value), sizeof(T));
}

static void storeElement(ElementKind kind, Element element, std::string &data) {
  switch (kind) {
  case ElementKind::F64:
    return store(data, element.real);
  case ElementKind::F32:
    return store(data, static_cast<float>(element.real));
  case ElementKind::BF16:
    return store(data, toBits(llvm::APFloat::BFloat(), element.real));
  case ElementKind::F16:
    return store(data, toBits(llvm::APFloat::IEEEhalf(), element.real));
  case ElementKind::I64:
    return store(data, element.integer);
  case ElementKind::I32:
    return store(data, static_cast<int32_t>(element.integer));
  case ElementKind::I1:
    return store(data, static_cast<uint8_t>(element.integer));
  }
}

/// One tensor, described by a header entry, from the bytes behind the header.
static llvm::Expected<Tensor> readTensor(StringRef path, StringRef name,
                                         const llvm::json::Object &entry,
                                         StringRef bytes) {
  std::optional<StringRef> typeName = entry.getString("dtype");
  const llvm::json::Array *sizes = entry.getArray("shape");
  const llvm::json::Array *offsets = entry.getArray("data_offsets");
  if (!typeName || !sizes || !offsets || offsets->size() != 2)
    return damaged(path, "entry \"" + name + "\" is incomplete");
  const auto *type = llvm::find_if(
      kFileTypes, [&](const FileType &type) { return type.name == *typeName; });
  if (type == std::end(kFileTypes))
    return damaged(path,
                   "tensor \"" + name + "\" has element type " + *typeName);
  llvm::SmallVector<int64_t> shape;
  for (const llvm::json::Value &size : *sizes)
    shape.push_back(size.getAsInteger().value_or(-1));
  int64_t begin = (*offsets)[0].getAsInteger().value_or(-1);
  int64_t end = (*offsets)[1].getAsInteger().value_or(-1);
  if (begin < 0 || end > static_cast<int64_t>(bytes.size()) ||
      end - begin != numElements(shape) * type->bytes)
    return damaged(path, "tensor \"" + name + "\" lies outside of the file");

  Tensor tensor(type->kind, shape);
  const char *data = bytes.data() + begin;
  for (Element &element : tensor.mutableElements()) {
    element = loadElement(type->kind, data);
    data += type->bytes;
  }
  return tensor;
}

namespace {
/// A file that is there in full: its entries, and the bytes behind the header.
struct OpenFile {
  std::unique_ptr<llvm::MemoryBuffer> buffer; // mapped: read where looked at
  llvm::json::Object entries;
  StringRef data;
};
} // namespace

static llvm::Error cutOff(StringRef path, uint64_t size,
                          const llvm::Twine &expected) {
  return llvm::createStringError(
      "\"" + path + "\" is cut off or no safetensors file: got " +
      llvm::Twine(size) + " bytes, expected " + expected);
}

/// Where the last entry ends, in bytes behind the header.
static llvm::Expected<int64_t> lengthOf(StringRef path,
                                        const llvm::json::Object &entries) {
  int64_t length = 0;
  for (const auto &[name, value] : entries) {
    const llvm::json::Object *entry = value.getAsObject();
    if (!entry)
      return damaged(path, "entry \"" + StringRef(name) + "\" is no object");
    const llvm::json::Array *offsets = entry->getArray("data_offsets");
    if (!offsets || offsets->size() != 2 || !offsets->back().getAsInteger())
      return damaged(path, "entry \"" + StringRef(name) + "\" is incomplete");
    length = std::max(length, *offsets->back().getAsInteger());
  }
  return length;
}

static llvm::Expected<OpenFile> openFile(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return llvm::createStringError(
        "\"" + path + "\" cannot be read: " + buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  if (bytes.size() < 8)
    return cutOff(path, bytes.size(), "at least 8");
  uint64_t headerBytes = load<uint64_t>(bytes.data());
  if (headerBytes > bytes.size() - 8)
    return cutOff(path, bytes.size(),
                  llvm::Twine(headerBytes) + " behind the first 8");
  auto header = llvm::json::parse(bytes.substr(8, headerBytes));
  if (!header)
    return damaged(path, llvm::toString(header.takeError()));
  if (!header->getAsObject())
    return damaged(path, "its header is not an object");
  OpenFile file{std::move(*buffer), std::move(*header->getAsObject()),
                bytes.drop_front(8 + headerBytes)};
  file.entries.erase("__metadata__");
  llvm::Expected<int64_t> length = lengthOf(path, file.entries);
  if (!length)
    return length.takeError();
  if (*length > static_cast<int64_t>(file.data.size()))
    return cutOff(
        path, bytes.size(),
        llvm::Twine(8 + headerBytes + static_cast<uint64_t>(*length)));
  return file;
}

static llvm::Error readFile(StringRef path, TensorMap &tensors) {
  llvm::Expected<OpenFile> file = openFile(path);
  if (!file)
    return file.takeError();
  for (const auto &[name, entry] : file->entries) {
    auto tensor = readTensor(path, name, *entry.getAsObject(), file->data);
    if (!tensor)
      return tensor.takeError();
    tensors[name.str()] = std::move(*tensor);
  }
  return llvm::Error::success();
}

/// A file itself, or the `.safetensors` files of a folder, sorted.
static std::vector<std::string> filesOf(StringRef path) {
  if (!llvm::sys::fs::is_directory(path))
    return {path.str()};
  std::vector<std::string> files;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(path, code), end;
       it != end && !code; it.increment(code))
    if (StringRef(it->path()).ends_with(".safetensors"))
      files.push_back(it->path());
  llvm::sort(files);
  return files;
}

llvm::Expected<TensorMap> interpreter::readSafetensors(StringRef path) {
  TensorMap tensors;
  for (const std::string &file : filesOf(path))
    if (llvm::Error error = readFile(file, tensors))
      return error;
  return tensors;
}

llvm::Error interpreter::checkSafetensors(StringRef path) {
  llvm::Error errors = llvm::Error::success();
  for (const std::string &file : filesOf(path))
    errors = llvm::joinErrors(std::move(errors), openFile(file).takeError());
  return errors;
}

llvm::Error interpreter::writeSafetensors(StringRef path,
                                          const TensorMap &tensors) {
  llvm::json::Object header;
  std::string data;
  for (const auto &[name, tensor] : tensors) {
    int64_t begin = data.size();
    for (Element element : tensor.elements())
      storeElement(tensor.kind(), element, data);
    const auto *type = llvm::find_if(kFileTypes, [&](const FileType &type) {
      return type.kind == tensor.kind();
    });
    header[name] = llvm::json::Object{
        {"dtype", type->name},
        {"shape", llvm::json::Array(tensor.shape())},
        {"data_offsets",
         llvm::json::Array{begin, static_cast<int64_t>(data.size())}}};
  }
  std::string text =
      llvm::formatv("{0}", llvm::json::Value(std::move(header))).str();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::error_code code;
  llvm::raw_fd_ostream file(path, code);
  if (code)
    return llvm::createStringError("\"" + path +
                                   "\" cannot be written: " + code.message());
  std::string length;
  store(length, static_cast<uint64_t>(text.size()));
  file << length << text << data;
  return llvm::Error::success();
}
