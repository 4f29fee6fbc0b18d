// SPDX-License-Identifier: Apache-2.0
//
// dist ops on N virtual ranks. A group's result that all its members receive
// is one tensor they share, so later ops on it run once.
#include "Collectives.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/ErrorHandling.h"
#include <cmath>
#include <limits>

using namespace weft;
using namespace weft::interpreter;
using llvm::ArrayRef;
using llvm::SmallVector;

using Values = SmallVector<RankTensors>;

double interpreter::neutralElement(ReduceKind kind, ElementKind element) {
  bool isReal = isFloating(element);
  auto bound = [&](double sign) {
    if (isReal)
      return sign * INFINITY;
    return sign < 0 ? -0x1p63 : 0x1.fffffffffffffp62;
  };
  switch (kind) {
  case ReduceKind::Sum:
    return 0.0;
  case ReduceKind::Product:
    return 1.0;
  case ReduceKind::Max:
    return bound(-1);
  case ReduceKind::Min:
    return bound(+1);
  }
  llvm_unreachable("unknown reduction");
}

template <typename T> static T combinedElements(ReduceKind kind, T a, T b) {
  switch (kind) {
  case ReduceKind::Sum:
    return a + b;
  case ReduceKind::Product:
    return a * b;
  case ReduceKind::Max:
    return a != a || a > b ? a : b;
  case ReduceKind::Min:
    return a != a || a < b ? a : b;
  }
  llvm_unreachable("unknown reduction");
}

Tensor interpreter::combined(ReduceKind kind, const Tensor &a, const Tensor &b,
                             Arithmetic arithmetic) {
  Tensor result = a;
  for (auto [to, from] :
       llvm::zip_equal(result.mutableElements(), b.elements())) {
    if (result.isFloating())
      to.real = combinedElements(kind, to.real, from.real);
    else
      to.integer = combinedElements(kind, to.integer, from.integer);
  }
  // Narrow types are added in f32.
  ElementKind sums = result.kind();
  if (sums == ElementKind::BF16 || sums == ElementKind::F16)
    sums = ElementKind::F32;
  if (arithmetic == Arithmetic::Rounded && result.isFloating())
    for (Element &element : result.mutableElements())
      element.real = roundTo(sums, element.real);
  return result;
}

namespace {
/// The groups of ranks that one op works on.
class Groups {
public:
  template <typename OpTy>
  Groups(OpTy op, const Machine &machine)
      : mesh(machine.mesh), atoms(dist::atomsOf(op.getMesh(), op.getAxes())),
        numRanks(machine.numRanks) {}

  int64_t size() const {
    int64_t size = 1;
    for (int atom : atoms)
      size *= mesh.atomSize(atom);
    return size;
  }
  SmallVector<int64_t> of(int64_t rank) const {
    return mesh.group(rank, atoms);
  }
  int64_t indexOf(int64_t rank) const { return mesh.indexInGroup(rank, atoms); }
  ArrayRef<int> axes() const { return atoms; }

  /// One tensor per rank.
  RankTensors perRank(llvm::function_ref<Tensor(int64_t rank)> make) const {
    RankTensors result;
    for (int64_t rank = 0; rank < numRanks; ++rank)
      result.push_back(make(rank));
    return result;
  }
  /// One tensor per group, which its members share.
  RankTensors
  perGroup(llvm::function_ref<Tensor(ArrayRef<int64_t> group)> make) const {
    return spread([&](ArrayRef<int64_t> group) {
      return RankTensors(group.size(), make(group));
    });
  }
  /// One tensor per member of each group, in group order.
  RankTensors
  spread(llvm::function_ref<RankTensors(ArrayRef<int64_t> group)> make) const {
    RankTensors result(numRanks);
    for (int64_t rank = 0; rank < numRanks; ++rank) {
      if (indexOf(rank) != 0)
        continue;
      SmallVector<int64_t> group = of(rank);
      RankTensors parts = make(group);
      for (auto [member, part] : llvm::zip_equal(group, parts))
        result[member] = std::move(part);
    }
    return result;
  }

private:
  const Mesh &mesh;
  SmallVector<int, 4> atoms;
  int64_t numRanks;
};
} // namespace

static Tensor gathered(const RankTensors &input, ArrayRef<int64_t> group,
                       int dim) {
  const Tensor &first = input[group.front()];
  int64_t size = first.dim(dim);
  SmallVector<int64_t> shape(first.shape());
  shape[dim] *= group.size();
  Tensor result(first.kind(), shape);
  for (auto [index, rank] : llvm::enumerate(group))
    result.setBlock(dim, index * size, input[rank]);
  return result;
}

static Tensor reduced(ReduceKind kind, const RankTensors &input,
                      ArrayRef<int64_t> group, Arithmetic arithmetic) {
  SmallVector<int64_t> ascending(group);
  llvm::sort(ascending);
  Tensor result = input[ascending.front()];
  for (int64_t rank : ArrayRef(ascending).drop_front())
    result = combined(kind, result, input[rank], arithmetic);
  if (arithmetic == Arithmetic::Rounded)
    result.round();
  return result;
}

/// `whole` cut into as many blocks along `dim` as the group has members.
static RankTensors blocksOf(const Tensor &whole, int dim, size_t count) {
  RankTensors blocks;
  int64_t size = whole.dim(dim) / static_cast<int64_t>(count);
  for (size_t index = 0; index < count; ++index)
    blocks.push_back(whole.block(dim, index * size, size));
  return blocks;
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

static Values evaluateAllGather(dist::AllGatherOp op,
                                ArrayRef<RankTensors> operands,
                                const Machine &machine) {
  Groups groups(op, machine);
  Values results;
  for (auto [operand, dim] : llvm::zip_equal(operands, op.getDims()))
    results.push_back(groups.perGroup([&, dim = dim](ArrayRef<int64_t> group) {
      return gathered(operand, group, static_cast<int>(dim));
    }));
  return results;
}

static Values evaluateAllReduce(dist::AllReduceOp op,
                                ArrayRef<RankTensors> operands,
                                const Machine &machine) {
  Groups groups(op, machine);
  ReduceKind kind = *parseReduceKind(op.getKind());
  Values results;
  for (const RankTensors &operand : operands)
    results.push_back(groups.perGroup([&](ArrayRef<int64_t> group) {
      return reduced(kind, operand, group, machine.arithmetic);
    }));
  return results;
}

static Values evaluateReduceScatter(dist::ReduceScatterOp op,
                                    ArrayRef<RankTensors> operands,
                                    const Machine &machine) {
  Groups groups(op, machine);
  ReduceKind kind = *parseReduceKind(op.getKind());
  Values results;
  for (auto [operand, dim] : llvm::zip_equal(operands, op.getDims()))
    results.push_back(groups.spread([&, dim = dim](ArrayRef<int64_t> group) {
      return blocksOf(reduced(kind, operand, group, machine.arithmetic),
                      static_cast<int>(dim), group.size());
    }));
  return results;
}

static Values evaluateAllToAll(dist::AllToAllOp op,
                               ArrayRef<RankTensors> operands,
                               const Machine &machine) {
  Groups groups(op, machine);
  Values results;
  for (auto [operand, split, concat] :
       llvm::zip_equal(operands, op.getSplitDims(), op.getConcatDims()))
    results.push_back(groups.spread(
        [&, split = split, concat = concat](ArrayRef<int64_t> group) {
          return blocksOf(gathered(operand, group, static_cast<int>(concat)),
                          static_cast<int>(split), group.size());
        }));
  return results;
}

static Values evaluatePermute(dist::PermuteOp op,
                              ArrayRef<RankTensors> operands,
                              const Machine &machine) {
  Groups groups(op, machine);
  Values results;
  for (const RankTensors &operand : operands)
    results.push_back(groups.perRank([&](int64_t rank) {
      return operand[groups.of(rank)[op.getSources()[groups.indexOf(rank)]]];
    }));
  return results;
}

//===----------------------------------------------------------------------===//
// Rank-dependent values
//===----------------------------------------------------------------------===//

static Values evaluateCoordinate(dist::CoordinateOp op,
                                 const Machine &machine) {
  Groups groups(op, machine);
  return {groups.perRank([&](int64_t rank) {
    return Tensor::scalar(ElementKind::I64,
                          groups.indexOf(rank) * op.getScale());
  })};
}

static Values evaluateExtent(dist::ExtentOp op, const Machine &machine) {
  Groups groups(op, machine);
  SmallVector<Placement> entries;
  for (int axis : groups.axes())
    entries.push_back(Placement::shard(axis, 0));
  Layout layout(machine.mesh, entries);
  return {groups.perRank([&](int64_t rank) {
    return Tensor::scalar(
        ElementKind::I64,
        layout.validExtent(machine.mesh, 0, op.getSize(), rank));
  })};
}

static Values evaluateShardSlice(dist::ShardSliceOp op,
                                 const RankTensors &operand,
                                 const Machine &machine) {
  Groups groups(op, machine);
  int dim = static_cast<int>(op.getDim());
  int64_t local =
      llvm::cast<mlir::RankedTensorType>(op.getType()).getDimSize(dim);
  return {groups.perRank([&](int64_t rank) {
    return operand[rank].block(dim, groups.indexOf(rank) * local, local);
  })};
}

static Values evaluateMakePartial(dist::MakePartialOp op,
                                  const RankTensors &operand,
                                  const Machine &machine) {
  Groups groups(op, machine);
  ReduceKind kind = *parseReduceKind(op.getKind());
  bool allKeep = kind == ReduceKind::Max || kind == ReduceKind::Min;
  return {groups.perRank([&](int64_t rank) {
    if (allKeep || groups.indexOf(rank) == 0)
      return operand[rank];
    Tensor neutral(operand[rank].kind(), operand[rank].shape());
    double value = neutralElement(kind, neutral.kind());
    for (int64_t i = 0, e = neutral.numElements(); i < e; ++i)
      neutral.set(i, value);
    return neutral;
  })};
}

std::optional<Values> interpreter::evaluateDist(mlir::Operation *op,
                                                ArrayRef<RankTensors> operands,
                                                const Machine &machine) {
  using Result = std::optional<Values>;
  return llvm::TypeSwitch<mlir::Operation *, Result>(op)
      .Case<dist::ConstrainOp, dist::RedistributeOp>(
          [&](auto) { return Values{operands[0]}; })
      .Case([&](dist::AllGatherOp gather) {
        return evaluateAllGather(gather, operands, machine);
      })
      .Case([&](dist::AllReduceOp reduce) {
        return evaluateAllReduce(reduce, operands, machine);
      })
      .Case([&](dist::ReduceScatterOp scatter) {
        return evaluateReduceScatter(scatter, operands, machine);
      })
      .Case([&](dist::AllToAllOp exchange) {
        return evaluateAllToAll(exchange, operands, machine);
      })
      .Case([&](dist::PermuteOp permute) {
        return evaluatePermute(permute, operands, machine);
      })
      .Case([&](dist::CoordinateOp coordinate) {
        return evaluateCoordinate(coordinate, machine);
      })
      .Case([&](dist::ExtentOp extent) {
        return evaluateExtent(extent, machine);
      })
      .Case([&](dist::ShardSliceOp slice) {
        return evaluateShardSlice(slice, operands[0], machine);
      })
      .Case([&](dist::MakePartialOp partial) {
        return evaluateMakePartial(partial, operands[0], machine);
      })
      .Case([&](dist::WaitOp) {
        return Values(operands.begin(), operands.end());
      })
      .Default(std::nullopt);
}
