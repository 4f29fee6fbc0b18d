// SPDX-License-Identifier: Apache-2.0
//
// Tensor: storage, rounding, and the moves of elements that several ops share.
#include "weft/Interpreter/Tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;
using llvm::SmallVector;

bool interpreter::isFloating(ElementKind kind) {
  return kind <= ElementKind::F16;
}

std::optional<ElementKind> interpreter::elementKindOf(mlir::Type type) {
  if (type.isF64())
    return ElementKind::F64;
  if (type.isF32())
    return ElementKind::F32;
  if (type.isBF16())
    return ElementKind::BF16;
  if (type.isF16())
    return ElementKind::F16;
  if (type.isInteger(64) || type.isIndex())
    return ElementKind::I64;
  if (type.isInteger(32))
    return ElementKind::I32;
  if (type.isInteger(1))
    return ElementKind::I1;
  return std::nullopt;
}

/// Rounds to `digits` significant bits; numbers below 2^minExponent keep the
/// absolute precision of that binade (subnormals), and those that round to
/// 2^maxExponent or more become infinite.
static double roundToDigits(double value, int digits, int minExponent,
                            int maxExponent) {
  if (value == 0.0 || !std::isfinite(value))
    return value;
  int exponent;
  std::frexp(value, &exponent); // value = m * 2^exponent, 0.5 <= |m| < 1
  int shift = digits - std::max(exponent, minExponent);
  double rounded = std::ldexp(std::nearbyint(std::ldexp(value, shift)), -shift);
  if (std::fabs(rounded) >= std::ldexp(1.0, maxExponent))
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

double interpreter::roundTo(ElementKind kind, double value) {
  switch (kind) {
  case ElementKind::F32:
    return static_cast<double>(static_cast<float>(value));
  case ElementKind::BF16:
    return roundToDigits(value, /*digits=*/8, /*minExponent=*/-125,
                         /*maxExponent=*/128);
  case ElementKind::F16:
    return roundToDigits(value, /*digits=*/11, /*minExponent=*/-13,
                         /*maxExponent=*/16);
  case ElementKind::F64:
  case ElementKind::I64:
  case ElementKind::I32:
  case ElementKind::I1:
    return value;
  }
  llvm_unreachable("unknown element kind");
}

int64_t interpreter::numElements(ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1},
                         std::multiplies<>());
}

SmallVector<int64_t> interpreter::stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

Tensor::Tensor() : Tensor(ElementKind::F64, {}) {}

Tensor::Tensor(ElementKind kind, ArrayRef<int64_t> shape)
    : elementKind(kind), dims(shape),
      data(std::make_shared<std::vector<Element>>(
          interpreter::numElements(shape), Element{0})) {}

Tensor Tensor::scalar(ElementKind kind, double value) {
  return of(kind, {}, {value});
}

Tensor Tensor::of(ElementKind kind, ArrayRef<int64_t> shape,
                  ArrayRef<double> values) {
  Tensor tensor(kind, shape);
  for (auto [index, value] : llvm::enumerate(values))
    tensor.set(index, value);
  return tensor;
}

Tensor Tensor::of(mlir::ElementsAttr value) {
  Tensor tensor = zeros(llvm::cast<mlir::RankedTensorType>(value.getType()));
  auto elements = tensor.mutableElements();
  if (tensor.isFloating()) {
    for (auto [to, from] :
         llvm::zip_equal(elements, value.getValues<llvm::APFloat>())) {
      llvm::APFloat number = from;
      bool losesInfo;
      number.convert(llvm::APFloat::IEEEdouble(),
                     llvm::APFloat::rmNearestTiesToEven, &losesInfo);
      to.real = number.convertToDouble();
    }
    return tensor;
  }
  bool isBool = tensor.kind() == ElementKind::I1;
  for (auto [to, from] :
       llvm::zip_equal(elements, value.getValues<llvm::APInt>()))
    to.integer = isBool ? from.getZExtValue() : from.getSExtValue();
  return tensor;
}

Tensor Tensor::zeros(mlir::RankedTensorType type) {
  std::optional<ElementKind> kind = elementKindOf(type.getElementType());
  assert(kind && "the interpreter was asked for an unknown element type");
  return Tensor(*kind, type.getShape());
}

llvm::MutableArrayRef<Element> Tensor::mutableElements() {
  if (data.use_count() > 1)
    data = std::make_shared<std::vector<Element>>(*data);
  return *data;
}

double Tensor::at(int64_t index) const {
  Element element = (*data)[index];
  return isFloating() ? element.real : static_cast<double>(element.integer);
}

void Tensor::set(int64_t index, double value) {
  Element &element = mutableElements()[index];
  if (isFloating())
    element.real = value;
  else if (elementKind == ElementKind::I1)
    element.integer = value != 0.0;
  else
    element.integer = static_cast<int64_t>(value);
}

Tensor Tensor::reshaped(ArrayRef<int64_t> shape) const {
  assert(interpreter::numElements(shape) == numElements() &&
         "a reshape keeps the number of elements");
  Tensor result = *this;
  result.dims.assign(shape.begin(), shape.end());
  return result;
}

Tensor Tensor::permuted(ArrayRef<int64_t> permutation) const {
  SmallVector<int64_t> from = stridesOf(dims), shape, strides;
  for (int64_t source : permutation) {
    shape.push_back(dims[source]);
    strides.push_back(from[source]);
  }
  Tensor result(elementKind, shape);
  auto target = result.mutableElements();
  if (target.empty())
    return result;
  // An odometer over the result, carrying the source position along.
  SmallVector<int64_t> index(shape.size(), 0);
  int64_t position = 0;
  for (Element &element : target) {
    element = (*data)[position];
    for (int64_t d = static_cast<int64_t>(shape.size()) - 1; d >= 0; --d) {
      position += strides[d];
      if (++index[d] < shape[d])
        break;
      position -= shape[d] * strides[d];
      index[d] = 0;
    }
  }
  return result;
}

namespace {
/// A tensor seen as [outer, dim, inner].
struct DimView {
  int64_t outer = 1, size, inner = 1;

  DimView(ArrayRef<int64_t> shape, int dim) : size(shape[dim]) {
    outer = numElements(shape.take_front(dim));
    inner = numElements(shape.drop_front(dim + 1));
  }
};
} // namespace

Tensor Tensor::block(int dim, int64_t start, int64_t size) const {
  DimView view(dims, dim);
  SmallVector<int64_t> shape(dims);
  shape[dim] = size;
  Tensor result(elementKind, shape);
  auto target = result.mutableElements();
  int64_t count = std::clamp(view.size - start, int64_t{0}, size);
  for (int64_t o = 0; count > 0 && o < view.outer; ++o)
    std::copy_n(data->begin() + (o * view.size + start) * view.inner,
                count * view.inner, target.begin() + o * size * view.inner);
  return result;
}

void Tensor::setBlock(int dim, int64_t start, const Tensor &part) {
  DimView view(dims, dim);
  auto target = mutableElements();
  int64_t size = part.dim(dim);
  int64_t count = std::clamp(view.size - start, int64_t{0}, size);
  for (int64_t o = 0; count > 0 && o < view.outer; ++o)
    std::copy_n(part.elements().begin() + o * size * view.inner,
                count * view.inner,
                target.begin() + (o * view.size + start) * view.inner);
}

Tensor Tensor::converted(ElementKind kind) const {
  if (kind == elementKind)
    return *this;
  Tensor result(kind, dims);
  if (isFloating() && interpreter::isFloating(kind)) {
    *result.data = *data;
    return result;
  }
  for (int64_t i = 0, e = numElements(); i < e; ++i) {
    if (isFloating() || interpreter::isFloating(kind) ||
        kind == ElementKind::I1)
      result.set(i, at(i));
    else
      (*result.data)[i] = (*data)[i];
  }
  return result;
}

void Tensor::round() {
  if (!isFloating() || elementKind == ElementKind::F64)
    return;
  for (Element &element : mutableElements())
    element.real = roundTo(elementKind, element.real);
}

bool Tensor::operator==(const Tensor &other) const {
  return elementKind == other.elementKind && dims == other.dims &&
         std::memcmp(data->data(), other.data->data(),
                     data->size() * sizeof(Element)) == 0;
}
