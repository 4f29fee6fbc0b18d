// SPDX-License-Identifier: Apache-2.0
//
// Tensor: a value of the interpreter. Row-major, dense, eight bytes an
// element whatever its kind, so ops that only move elements need not know it.
// Copies share their elements until one of them is written to.
#ifndef WEFT_INTERPRETER_TENSOR_H
#define WEFT_INTERPRETER_TENSOR_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <memory>
#include <optional>
#include <vector>

namespace weft::interpreter {

enum class ElementKind : int32_t { F64, F32, BF16, F16, I64, I32, I1 };

/// True for F64, F32, BF16 and F16.
bool isFloating(ElementKind kind);
/// The kind of an element type; nothing for types the interpreter lacks.
std::optional<ElementKind> elementKindOf(mlir::Type elementType);

/// `value` as the nearest number of a floating `kind`, ties to even; the
/// value itself for F64.
///
///   kind   value           ->
///   F32    0.1             0.100000001490116...
///   BF16   1.00390625      1.0        (tie, to even)
///   F16    70000           infinity
double roundTo(ElementKind kind, double value);

/// How floating results are kept.
enum class Arithmetic : int32_t {
  Exact,  ///< double precision, whatever the element type says
  Rounded ///< rounded to the element type after each op
};

/// One element: `real` in floating tensors, `integer` in the others (0 or 1
/// for I1). All bits zero is the number zero in both.
union Element {
  int64_t integer;
  double real;
};

class Tensor {
public:
  /// The scalar 0.0 of kind F64.
  Tensor();
  /// Zeros.
  Tensor(ElementKind kind, llvm::ArrayRef<int64_t> shape);

  static Tensor scalar(ElementKind kind, double value);
  /// `values` in row-major order; rounded towards zero in integer tensors.
  static Tensor of(ElementKind kind, llvm::ArrayRef<int64_t> shape,
                   llvm::ArrayRef<double> values);
  /// The elements of an attribute on a static tensor type.
  static Tensor of(mlir::ElementsAttr value);
  /// Zeros of the type's shape and kind; the encoding is ignored.
  static Tensor zeros(mlir::RankedTensorType type);

  ElementKind kind() const { return elementKind; }
  bool isFloating() const { return interpreter::isFloating(elementKind); }
  llvm::ArrayRef<int64_t> shape() const { return dims; }
  int64_t dim(int index) const { return dims[index]; }
  int64_t numDims() const { return static_cast<int64_t>(dims.size()); }
  int64_t numElements() const { return static_cast<int64_t>(data->size()); }

  llvm::ArrayRef<Element> elements() const { return *data; }
  /// For writing: no other tensor sees the changes.
  llvm::MutableArrayRef<Element> mutableElements();

  /// An element as a double, whatever the kind.
  double at(int64_t index) const;
  /// Sets an element from a double, whatever the kind.
  void set(int64_t index, double value);
  /// Element 0 of a scalar.
  double value() const { return at(0); }

  /// The same elements under another shape of as many elements.
  Tensor reshaped(llvm::ArrayRef<int64_t> shape) const;
  /// Dim i of the result is dim `permutation[i]` of this.
  Tensor permuted(llvm::ArrayRef<int64_t> permutation) const;
  /// Elements [start, start + size) of `dim`, zeros past the end.
  Tensor block(int dim, int64_t start, int64_t size) const;
  /// Writes `part` at `start` of `dim`; what lies past the end is dropped.
  void setBlock(int dim, int64_t start, const Tensor &part);
  /// The elements as numbers of `kind`: floating to integer rounds towards
  /// zero, anything but 0 is true.
  Tensor converted(ElementKind kind) const;
  /// Every element by `roundTo`; does nothing for F64 and integers.
  void round();

  /// True if both tensors share their elements.
  bool sharesElementsWith(const Tensor &other) const {
    return data == other.data && dims == other.dims;
  }
  /// Same kind, shape and elements, bit for bit.
  bool operator==(const Tensor &other) const;

private:
  ElementKind elementKind;
  llvm::SmallVector<int64_t> dims;
  std::shared_ptr<std::vector<Element>> data;
};

/// The product of `shape`.
int64_t numElements(llvm::ArrayRef<int64_t> shape);
/// Row-major strides in elements.
llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape);

/// What one SSA value or slot holds: one tensor per rank.
using RankTensors = std::vector<Tensor>;

} // namespace weft::interpreter

#endif // WEFT_INTERPRETER_TENSOR_H
