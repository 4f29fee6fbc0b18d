// SPDX-License-Identifier: Apache-2.0
//
// Reading of masks:
// 1. Take a part of the conjunction, look through what only repeats it.
// 2. A comparison of a key's number with a query's, each plus a constant, is a
//    bound on their difference: at most 0 is causal, at least 1 - w a window.
// 3. Anything else: the mask has no meaning here.
#include "MatchMask.h"
#include "weft/IR/NN/NN.h"

using namespace mlir;

namespace weft {

namespace {
/// An integer: a placed one plus a constant.
struct Sum {
  PlacedValue base;
  int64_t constant = 0;
};

class MaskReader {
public:
  explicit MaskReader(const MaskDims &dims) : dims(dims) {}
  std::optional<MaskMeaning> run(Value mask);

private:
  bool readPart(const PlacedValue &part);
  bool readSelect(nn::SelectOp op, const PlacedValue &part);
  bool readComparison(nn::CompareOp op, const PlacedValue &part);
  bool readPositions(nn::Predicate predicate, const PlacedValue &key,
                     const PlacedValue &query, int64_t distance);
  bool setPositions(const PlacedValue &key, const PlacedValue &query);
  bool liesOn(const PlacedValue &value, ArrayRef<int64_t> wanted) const;

  MaskDims dims;
  MaskMeaning meaning;
  SmallVector<PlacedValue> open;
};
} // namespace

//===----------------------------------------------------------------------===//
// Placed values
//===----------------------------------------------------------------------===//

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// Through a reshape that only adds or removes dims of size 1; false for
/// another one.
static bool moveThrough(nn::ReshapeOp op, PlacedValue &placed) {
  SmallVector<int64_t> kept;
  SmallVector<int64_t> sizes;
  for (auto [size, dim] : llvm::zip(shapeOf(op.getResult()), placed.dims))
    if (size != 1) {
      kept.push_back(dim);
      sizes.push_back(size);
    }
  SmallVector<int64_t> dims, found;
  for (int64_t size : shapeOf(op.getInput())) {
    bool isUnit = size == 1;
    if (!isUnit)
      found.push_back(size);
    dims.push_back(
        isUnit || found.size() > kept.size() ? -1 : kept[found.size() - 1]);
  }
  if (found != sizes)
    return false;
  placed = {op.getInput(), dims};
  return true;
}

/// What is repeated along some dims to make `placed`.
static PlacedValue behindMoves(PlacedValue placed) {
  while (Operation *op = placed.value.getDefiningOp()) {
    if (auto boundary = dyn_cast<nn::BoundaryOp>(op)) {
      placed.value = boundary.getInput();
    } else if (auto broadcast = dyn_cast<nn::BroadcastOp>(op)) {
      SmallVector<int64_t> dims;
      for (int64_t dim : broadcast.getDims())
        dims.push_back(placed.dims[dim]);
      placed = {broadcast.getInput(), dims};
    } else if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
      if (!moveThrough(reshape, placed))
        return placed;
    } else {
      return placed;
    }
  }
  return placed;
}

static std::optional<double> splatOf(Value value) {
  SmallVector<int64_t> nowhere(shapeOf(value).size(), -1);
  return nn::splatElement(behindMoves({value, nowhere}).value);
}

/// `placed` as another value plus a constant.
static Sum sumOf(PlacedValue placed) {
  Sum sum;
  while (true) {
    placed = behindMoves(placed);
    Operation *op = placed.value.getDefiningOp();
    if (!isa_and_nonnull<nn::AddOp, nn::SubOp>(op))
      break;
    bool isAdd = isa<nn::AddOp>(op);
    Value x = op->getOperand(0), y = op->getOperand(1);
    if (isAdd && splatOf(x))
      std::swap(x, y);
    std::optional<double> constant = splatOf(y);
    if (!constant)
      break;
    sum.constant += static_cast<int64_t>(isAdd ? *constant : -*constant);
    placed.value = x;
  }
  sum.base = placed;
  return sum;
}

/// True if both are one value, or count the same way.
static bool isSame(const PlacedValue &a, const PlacedValue &b) {
  if (a.value == b.value)
    return true;
  auto x = a.value.getDefiningOp<nn::IotaOp>();
  auto y = b.value.getDefiningOp<nn::IotaOp>();
  return x && y && x.getType() == y.getType() && x.getDim() == y.getDim() &&
         !x.getOffset() && !y.getOffset();
}

//===----------------------------------------------------------------------===//
// The parts of a mask
//===----------------------------------------------------------------------===//

/// True if every dim of `value` lies on one of `wanted`, or is of size 1.
bool MaskReader::liesOn(const PlacedValue &value,
                        ArrayRef<int64_t> wanted) const {
  return llvm::all_of(llvm::zip(shapeOf(value.value), value.dims),
                      [&](auto pair) {
                        auto [size, dim] = pair;
                        return size == 1 || llvm::is_contained(wanted, dim);
                      });
}

bool MaskReader::setPositions(const PlacedValue &key,
                              const PlacedValue &query) {
  if (!meaning.keyPositions.value) {
    meaning.keyPositions = key;
    meaning.queryPositions = query;
    return true;
  }
  return isSame(meaning.keyPositions, key) &&
         isSame(meaning.queryPositions, query);
}

/// key - query compares with `distance`.
bool MaskReader::readPositions(nn::Predicate predicate, const PlacedValue &key,
                               const PlacedValue &query, int64_t distance) {
  if (predicate == nn::Predicate::lt || predicate == nn::Predicate::gt) {
    bool isLess = predicate == nn::Predicate::lt;
    return readPositions(isLess ? nn::Predicate::le : nn::Predicate::ge, key,
                         query, distance + (isLess ? -1 : 1));
  }
  if (!setPositions(key, query))
    return false;
  if (predicate == nn::Predicate::le) {
    meaning.isCausal = true;
    return distance == 0;
  }
  if (predicate != nn::Predicate::ge || meaning.window || distance > 0)
    return false;
  meaning.window = 1 - distance;
  return true;
}

static nn::Predicate mirrored(nn::Predicate predicate) {
  switch (predicate) {
  case nn::Predicate::lt:
    return nn::Predicate::gt;
  case nn::Predicate::le:
    return nn::Predicate::ge;
  case nn::Predicate::gt:
    return nn::Predicate::lt;
  case nn::Predicate::ge:
    return nn::Predicate::le;
  case nn::Predicate::eq:
  case nn::Predicate::ne:
    return predicate;
  }
  llvm_unreachable("all predicates are listed");
}

bool MaskReader::readComparison(nn::CompareOp op, const PlacedValue &part) {
  auto type = cast<RankedTensorType>(op.getLhs().getType());
  if (!type.getElementType().isInteger(64))
    return false;
  Sum key = sumOf({op.getLhs(), part.dims});
  Sum query = sumOf({op.getRhs(), part.dims});
  nn::Predicate predicate = op.getPredicate();
  if (!liesOn(key.base, {dims.batch, dims.key})) {
    std::swap(key, query);
    predicate = mirrored(predicate);
  }
  if (!liesOn(key.base, {dims.batch, dims.key}) ||
      !liesOn(query.base, {dims.batch, dims.query}))
    return false;
  int64_t distance = query.constant - key.constant;
  if (predicate == nn::Predicate::eq) {
    if (meaning.keyDocuments.value || distance != 0)
      return false;
    meaning.keyDocuments = key.base;
    meaning.queryDocuments = query.base;
    return true;
  }
  return liesOn(key.base, {dims.key}) && liesOn(query.base, {dims.query}) &&
         readPositions(predicate, key.base, query.base, distance);
}

/// `select m, true, false` and `select m, 0, very low` say what m says.
bool MaskReader::readSelect(nn::SelectOp op, const PlacedValue &part) {
  auto held = splatOf(op.getOnTrue()), other = splatOf(op.getOnFalse());
  bool isNumber =
      isa<FloatType>(cast<RankedTensorType>(op.getType()).getElementType());
  if (!held || !other)
    return false;
  if (isNumber ? *held != 0 || *other > kVeryLow : *held != 1 || *other != 0)
    return false;
  open.push_back({op.getCondition(), part.dims});
  return true;
}

bool MaskReader::readPart(const PlacedValue &part) {
  PlacedValue inner = behindMoves(part);
  Operation *op = inner.value.getDefiningOp();
  auto type = cast<RankedTensorType>(inner.value.getType());
  if (type.getElementType().isInteger(1) && splatOf(inner.value) == 1)
    return true; // as a mask of padding where there is none
  if (auto both = dyn_cast_or_null<nn::LogicalAndOp>(op)) {
    open.push_back({both.getLhs(), inner.dims});
    open.push_back({both.getRhs(), inner.dims});
    return true;
  }
  if (auto select = dyn_cast_or_null<nn::SelectOp>(op))
    return readSelect(select, inner);
  if (auto compare = dyn_cast_or_null<nn::CompareOp>(op))
    return readComparison(compare, inner);
  return false;
}

std::optional<MaskMeaning> MaskReader::run(Value mask) {
  open.push_back({mask, llvm::to_vector(llvm::seq<int64_t>(
                            0, static_cast<int64_t>(shapeOf(mask).size())))});
  while (!open.empty())
    if (!readPart(open.pop_back_val()))
      return std::nullopt;
  if (meaning.window && !meaning.isCausal)
    return std::nullopt;
  meaning.dims = dims;
  return meaning;
}

std::optional<MaskMeaning> readMask(Value mask, const MaskDims &dims) {
  return MaskReader(dims).run(mask);
}

} // namespace weft
