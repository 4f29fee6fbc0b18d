// SPDX-License-Identifier: Apache-2.0
//
// Matching of decomposed forms:
// 1. Begin with the pair (value the form returns, result of the root).
// 2. Take a pair from the list. Bind the sizes and element type of the form's
//    type to those of the program's; a bound one must agree. An argument of
//    the form is bound; for an op the names, the number of operands and the
//    attributes must agree, then its operands are new pairs.
// 3. A commutative op leaves a second state behind, its operands exchanged.
//    When a pair disagrees, go on with the last state left.
// 4. The form matches when no pair is left.
#include "MatchComposite.h"
#include "weft/IR/NN/NN.h"
#include <charconv>
#include <cmath>
#include <map>

using namespace mlir;

namespace weft {

namespace {
using Sizes = SmallVector<int64_t, 4>;

/// What is known so far, and the pairs (form, program) still to be compared.
struct State {
  DenseMap<Value, Value> values;
  std::map<int64_t, Sizes> sizes;
  Type floatType;
  SmallVector<std::pair<Value, Value>> open;
  SmallVector<Operation *> parts;
};

class Matcher {
public:
  explicit Matcher(const CompositeForm &form) : form(form) {}
  std::optional<CompositeMatch> run(Operation *root);

private:
  bool step(State &state);
  bool compareOps(State &state, Operation *wanted, Operation *found);
  bool compareAttributes(const State &state, Operation *wanted,
                         Operation *found);
  Value broadcastSource(const State &state, nn::BroadcastOp wanted,
                        nn::BroadcastOp found);
  bool bindArgument(State &state, BlockArgument argument, Value found);
  bool bindType(State &state, Type wanted, Type found);
  bool bindShape(State &state, ArrayRef<int64_t> wanted,
                 ArrayRef<int64_t> found);
  std::optional<CompositeMatch> finish(const State &state);

  bool isLeading(int64_t size) const {
    return llvm::is_contained(form.leading, size);
  }

  const CompositeForm &form;
  SmallVector<State> alternatives;
};
} // namespace

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static Value behindBoundaries(Value value) {
  while (auto boundary = value.getDefiningOp<nn::BoundaryOp>())
    value = boundary.getInput();
  return value;
}

/// The shortest decimal that rounds to `value` in f32: an eps written as 1e-5
/// stays 1e-5 rather than the f32 next to it.
static double shortestDecimal(float value) {
  char text[32];
  char *end = std::to_chars(text, text + sizeof(text), value).ptr;
  double result = value;
  std::from_chars(text, end, result);
  return result;
}

/// The element of a constant whose elements are equal, also if it is repeated
/// by another op.
static std::optional<double> exactSplat(Value value) {
  for (Operation *op = value.getDefiningOp();
       op && isa<nn::BroadcastOp, nn::ReshapeOp, nn::BoundaryOp>(op);
       op = value.getDefiningOp())
    value = op->getOperand(0);
  return nn::splatElement(value);
}

/// The same, as someone may have written it.
static std::optional<double> splatValue(Value value) {
  std::optional<double> exact = exactSplat(value);
  bool isF32 = cast<RankedTensorType>(value.getType()).getElementType().isF32();
  return exact && isF32 ? shortestDecimal(*exact) : exact;
}

//===----------------------------------------------------------------------===//
// Sizes and dims
//===----------------------------------------------------------------------===//

bool Matcher::bindShape(State &state, ArrayRef<int64_t> wanted,
                        ArrayRef<int64_t> found) {
  // What an unknown leading size stands for is what the others leave over.
  int64_t rest = found.size();
  for (int64_t size : wanted) {
    auto known = state.sizes.find(size);
    if (known != state.sizes.end())
      rest -= known->second.size();
    else if (!isLeading(size))
      --rest;
  }
  for (int64_t size : wanted) {
    auto known = state.sizes.find(size);
    int64_t count = 1;
    if (known != state.sizes.end())
      count = known->second.size();
    else if (isLeading(size))
      count = rest;
    if (count < 0 || count > static_cast<int64_t>(found.size()))
      return false;
    Sizes group(found.take_front(count));
    if (state.sizes.try_emplace(size, group).first->second != group)
      return false;
    found = found.drop_front(count);
  }
  return found.empty();
}

bool Matcher::bindType(State &state, Type wanted, Type found) {
  auto wantedType = cast<RankedTensorType>(wanted);
  auto foundType = dyn_cast<RankedTensorType>(found);
  if (!foundType)
    return false;
  Type element = foundType.getElementType();
  if (!isa<FloatType>(wantedType.getElementType())) {
    if (element != wantedType.getElementType())
      return false;
  } else {
    if (!isa<FloatType>(element) ||
        (state.floatType && state.floatType != element))
      return false;
    state.floatType = element;
  }
  return bindShape(state, wantedType.getShape(), foundType.getShape());
}

/// The dims of the program's tensor that dim `dim` of the form's stands for.
static SmallVector<int64_t> expandDim(const State &state, Value wanted,
                                      int64_t dim) {
  ArrayRef<int64_t> shape = cast<ShapedType>(wanted.getType()).getShape();
  int64_t first = 0;
  for (int64_t size : shape.take_front(dim))
    first += state.sizes.at(size).size();
  int64_t count = state.sizes.at(shape[dim]).size();
  return llvm::to_vector(llvm::seq(first, first + count));
}

static SmallVector<int64_t> expandDims(const State &state, Value wanted,
                                       ArrayRef<int64_t> dims) {
  SmallVector<int64_t> result;
  for (int64_t dim : dims)
    llvm::append_range(result, expandDim(state, wanted, dim));
  return result;
}

/// Per-dim values of a slice: a size that is bound stands for what it is bound
/// to, any other number for itself.
static SmallVector<int64_t> expandValues(const State &state, Value wanted,
                                         ArrayRef<int64_t> values) {
  SmallVector<int64_t> result;
  for (auto [dim, value] : llvm::enumerate(values)) {
    size_t count = expandDim(state, wanted, dim).size();
    auto known = state.sizes.find(value);
    if (known != state.sizes.end() && known->second.size() == count)
      llvm::append_range(result, known->second);
    else
      result.append(count, value);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// The value that `found` repeats as the form says, or null. The operand may
/// have lost dims of size 1 by a reshape: those repeat nothing.
Value Matcher::broadcastSource(const State &state, nn::BroadcastOp wanted,
                               nn::BroadcastOp found) {
  ArrayRef<int64_t> shape = found.getType().getShape();
  auto dims = expandDims(state, wanted.getResult(), wanted.getDims());
  if (dims == found.getDims())
    return found.getInput();
  auto reshape = found.getInput().getDefiningOp<nn::ReshapeOp>();
  if (!reshape)
    return {};
  SmallVector<int64_t> expected;
  for (int64_t dim : dims)
    expected.push_back(shape[dim]);
  auto isUnit = [&](int64_t dim) { return shape[dim] == 1; };
  SmallVector<int64_t> kept = dims, foundDims(found.getDims());
  llvm::erase_if(kept, isUnit);
  llvm::erase_if(foundDims, isUnit);
  bool agrees = kept == foundDims &&
                reshape.getInput().getType().getShape() == ArrayRef(expected);
  return agrees ? reshape.getInput() : Value();
}

/// Compares what an op says besides its operands; its operands' and results'
/// types are bound.
bool Matcher::compareAttributes(const State &state, Operation *wanted,
                                Operation *found) {
  Value input = wanted->getNumOperands() ? wanted->getOperand(0) : Value();
  if (auto reduce = dyn_cast<nn::ReduceOp>(wanted)) {
    auto other = cast<nn::ReduceOp>(found);
    return reduce.getKind() == other.getKind() &&
           expandDims(state, input, reduce.getDims()) == other.getDims();
  }
  if (auto transpose = dyn_cast<nn::TransposeOp>(wanted))
    return expandDims(state, input, transpose.getPermutation()) ==
           cast<nn::TransposeOp>(found).getPermutation();
  if (auto slice = dyn_cast<nn::SliceOp>(wanted)) {
    auto other = cast<nn::SliceOp>(found);
    return expandValues(state, input, slice.getOffsets()) ==
               other.getOffsets() &&
           expandValues(state, input, slice.getSizes()) == other.getSizes() &&
           expandValues(state, input, slice.getStrides()) == other.getStrides();
  }
  if (auto concat = dyn_cast<nn::ConcatOp>(wanted))
    return expandDim(state, input, concat.getDim()) ==
           ArrayRef<int64_t>(cast<nn::ConcatOp>(found).getDim());
  if (isa<nn::ConstantOp>(wanted))
    return splatValue(wanted->getResult(0)) == splatValue(found->getResult(0));
  if (isa<nn::BroadcastOp>(wanted))
    return true; // see broadcastSource
  return wanted->getPropertiesAsAttribute() ==
         found->getPropertiesAsAttribute();
}

static bool isCommutative(Operation *op) {
  return isa<nn::AddOp, nn::MulOp, nn::MaximumOp, nn::MinimumOp,
             nn::LogicalAndOp, nn::LogicalOrOp>(op);
}

bool Matcher::compareOps(State &state, Operation *wanted, Operation *found) {
  if (wanted->getName() != found->getName() ||
      wanted->getNumOperands() != found->getNumOperands())
    return false;
  SmallVector<Value> operands(found->getOperands());
  if (auto broadcast = dyn_cast<nn::BroadcastOp>(wanted)) {
    Value source =
        broadcastSource(state, broadcast, cast<nn::BroadcastOp>(found));
    if (!source)
      return false;
    operands = {source};
  }
  for (auto [want, operand] : llvm::zip(wanted->getOperands(), operands))
    if (!bindType(state, want.getType(), operand.getType()))
      return false;
  if (!compareAttributes(state, wanted, found))
    return false;
  state.parts.push_back(found);
  if (isCommutative(wanted) && operands[0] != operands[1]) {
    State exchanged = state;
    exchanged.open.emplace_back(wanted->getOperand(0), operands[1]);
    exchanged.open.emplace_back(wanted->getOperand(1), operands[0]);
    alternatives.push_back(std::move(exchanged));
  }
  for (auto [want, operand] : llvm::zip(wanted->getOperands(), operands))
    state.open.emplace_back(want, operand);
  return true;
}

//===----------------------------------------------------------------------===//
// Pairs
//===----------------------------------------------------------------------===//

static bool hasMark(const CompositeForm &form, BlockArgument argument,
                    StringRef mark) {
  func::FuncOp function = form.function;
  return function.getArgAttr(argument.getArgNumber(), mark) != nullptr;
}

/// True for an argument without a mark.
static bool isOperand(const CompositeForm &form, BlockArgument argument) {
  return llvm::none_of(
      ArrayRef<StringRef>{"nn.attribute", "nn.size", "nn.reciprocal", "nn.low",
                          "nn.mask"},
      [&](StringRef mark) { return hasMark(form, argument, mark); });
}

/// What `found` means in the place of an argument that is a mask.
static std::optional<MaskMeaning>
meaningOf(const CompositeForm &form, BlockArgument argument, Value found) {
  func::FuncOp function = form.function;
  auto sizes =
      function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "nn.mask");
  ArrayRef<int64_t> shape = cast<ShapedType>(argument.getType()).getShape();
  SmallVector<int64_t> dims;
  for (auto size : sizes.getAsRange<IntegerAttr>())
    dims.push_back(llvm::find(shape, size.getInt()) - shape.begin());
  return readMask(found, {dims[0], dims[1], dims[2]});
}

/// The number of elements of what `size` stands for; 0 if that is unknown.
static double numElements(const State &state, int64_t size) {
  auto known = state.sizes.find(size);
  return known == state.sizes.end() ? 0 : llvm::product_of(known->second);
}

/// An argument with a mark takes a constant; a plain one takes any value.
bool Matcher::bindArgument(State &state, BlockArgument argument, Value found) {
  unsigned index = argument.getArgNumber();
  func::FuncOp function = form.function;
  if (isOperand(form, argument))
    return true;
  if (hasMark(form, argument, "nn.mask"))
    return meaningOf(form, argument, found).has_value();
  std::optional<double> value = splatValue(found);
  if (hasMark(form, argument, "nn.low"))
    return value && *value <= kVeryLow;
  if (!value || function.getArgAttr(index, "nn.attribute"))
    return value.has_value();
  auto size = function.getArgAttrOfType<IntegerAttr>(index, "nn.size");
  if (size)
    return *value == numElements(state, size.getInt());
  size = function.getArgAttrOfType<IntegerAttr>(index, "nn.reciprocal");
  return std::abs(*value * numElements(state, size.getInt()) - 1) < 1e-6;
}

/// Compares the next pair.
bool Matcher::step(State &state) {
  auto [wanted, found] = state.open.pop_back_val();
  auto [known, isNew] = state.values.try_emplace(wanted, found);
  if (!isNew) {
    auto argument = dyn_cast<BlockArgument>(wanted);
    if (argument && hasMark(form, argument, "nn.attribute"))
      return splatValue(known->second) == splatValue(found);
    return behindBoundaries(known->second) == behindBoundaries(found);
  }
  if (!bindType(state, wanted.getType(), found.getType()))
    return false;
  if (auto argument = dyn_cast<BlockArgument>(wanted))
    return bindArgument(state, argument, found);
  while (auto boundary = found.getDefiningOp<nn::BoundaryOp>()) {
    state.parts.push_back(boundary);
    found = boundary.getInput();
  }
  auto result = dyn_cast<OpResult>(found);
  return result &&
         result.getResultNumber() == cast<OpResult>(wanted).getResultNumber() &&
         compareOps(state, wanted.getDefiningOp(), result.getOwner());
}

/// What a floating-point type of the form stands for.
static Type typeOf(const State &state, RankedTensorType wanted) {
  SmallVector<int64_t> shape;
  for (int64_t size : wanted.getShape())
    llvm::append_range(shape, state.sizes.at(size));
  return RankedTensorType::get(shape, state.floatType);
}

std::optional<CompositeMatch> Matcher::finish(const State &state) {
  CompositeMatch match;
  match.parts = state.parts;
  func::FuncOp function = form.function;
  Builder builder(function.getContext());
  for (BlockArgument argument : function.getArguments()) {
    Value value = state.values.lookup(argument);
    if (isOperand(form, argument))
      match.operands.push_back(value);
    if (auto name = function.getArgAttrOfType<StringAttr>(
            argument.getArgNumber(), "nn.attribute"))
      match.attributes.append(
          name, builder.getF64FloatAttr(hasMark(form, argument, "nn.exact")
                                            ? *exactSplat(value)
                                            : *splatValue(value)));
    if (hasMark(form, argument, "nn.mask"))
      match.mask = meaningOf(form, argument, value);
  }
  for (Value result : form.results)
    match.resultTypes.push_back(state.values.lookup(result).getType());
  for (Type type : form.moreResults)
    match.resultTypes.push_back(typeOf(state, cast<RankedTensorType>(type)));
  return match;
}

std::optional<CompositeMatch> Matcher::run(Operation *root) {
  State first;
  first.open.emplace_back(form.results.front(), root->getResult(0));
  alternatives.push_back(std::move(first));
  while (!alternatives.empty()) {
    State state = alternatives.pop_back_val();
    bool agrees = true;
    while (agrees && !state.open.empty())
      agrees = step(state);
    if (agrees)
      return finish(state);
  }
  return std::nullopt;
}

std::optional<CompositeMatch> matchComposite(const CompositeForm &form,
                                             Operation *root) {
  if (root->getName() != form.root()->getName())
    return std::nullopt;
  return Matcher(form).run(root);
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

/// Every value of the form is reached from the first returned one.
static bool isConnected(CompositeForm form) {
  llvm::SmallPtrSet<Operation *, 16> reached;
  SmallVector<Operation *> open = {form.root()};
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (!op || !reached.insert(op).second)
      continue;
    for (Value operand : op->getOperands())
      open.push_back(operand.getDefiningOp());
  }
  for (Operation &op : form.function.front().without_terminator())
    if (!reached.contains(&op))
      return false;
  return llvm::none_of(form.function.getArguments(),
                       [](BlockArgument a) { return a.use_empty(); });
}

FailureOr<CompositeForm> readCompositeForm(func::FuncOp function) {
  CompositeForm form;
  form.function = function;
  auto composite = function->getAttrOfType<StringAttr>("nn.composite");
  if (!composite || function.isDeclaration())
    return function.emitError("form does not say what it becomes: expected a "
                              "body and the attribute \"nn.composite\"");
  if (!RegisteredOperationName::lookup(composite, function.getContext()))
    return function.emitError("form becomes an unknown op: got ") << composite;
  form.composite = composite.getValue();
  if (auto leading = function->getAttrOfType<ArrayAttr>("nn.leading"))
    for (auto size : leading.getAsRange<IntegerAttr>())
      form.leading.push_back(size.getInt());
  if (auto types = function->getAttrOfType<ArrayAttr>("nn.more_results"))
    llvm::append_range(form.moreResults, types.getAsValueRange<TypeAttr>());
  form.results = function.front().getTerminator()->getOperands();
  if (form.results.empty() || !form.root() || !isConnected(form))
    return function.emitError("form has a value that its first result does "
                              "not depend on");
  return form;
}

} // namespace weft
