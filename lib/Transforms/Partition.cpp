// SPDX-License-Identifier: Apache-2.0
//
// dist-partition: typed -> local, one program for all ranks.
//
//   1. A redistribute becomes the planned moves (PartitionMoves.cpp).
//   2. Any other op stays itself on local shapes. A positional or indexed
//      factor that is sharded gives the op its offset; a reduced factor that
//      is sharded unevenly masks the padding of every operand that has it.
//   3. Sizes in attributes (slices) follow the local shapes.
// Slots keep their typed types: they say where the stored tensor lies.
#include "PartitionMoves.h"
#include "mlir/IR/IRMapping.h"
#include "weft/Transforms/Passes.h"

#define DEBUG_TYPE "dist-partition"

namespace weft {
#define GEN_PASS_DEF_PARTITIONPASS
#include "weft/Transforms/Passes.h.inc"
} // namespace weft

using namespace mlir;
using namespace weft;

namespace {

class Partitioner {
public:
  explicit Partitioner(dist::MeshAttr mesh)
      : meshAttr(mesh), mesh(mesh.getMesh()), builder(mesh.getContext()) {}

  LogicalResult run(func::FuncOp function);

private:
  LogicalResult visit(Operation *op);
  void visitRedistribute(dist::RedistributeOp op);
  void setOffset(Operation *op, Operation *local, const ShardingRule &rule);
  void maskOperands(Operation *op, Operation *local, const ShardingRule &rule);
  Value coordinate(Location loc, ArrayRef<int> axes, int64_t scale);
  Value startOfShard(Location loc, ArrayRef<int> axes, int64_t size);
  Value mask(Location loc, Value value, RankedTensorType type, int dim,
             double neutral);

  dist::MeshAttr meshAttr;
  const Mesh &mesh;
  OpBuilder builder;
  /// Local values of typed ones.
  IRMapping locals;
};

} // namespace

static RankedTensorType scalarIndex(OpBuilder &builder) {
  return RankedTensorType::get({}, builder.getI64Type());
}

static const Layout &layoutIn(Value value) {
  return dist::layoutOf(value.getType()).getLayout();
}

/// The dim of `tensor` that `factor` is on, or -1.
static int dimOfFactor(const TensorFactors &tensor, int factor) {
  for (auto [dim, factors] : llvm::enumerate(tensor))
    if (llvm::is_contained(factors, factor))
      return dim;
  return -1;
}

static double neutralOf(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::Sum:
    return 0.0;
  case ReduceKind::Product:
    return 1.0;
  case ReduceKind::Max:
    return -std::numeric_limits<double>::infinity();
  case ReduceKind::Min:
    return std::numeric_limits<double>::infinity();
  }
  llvm_unreachable("unknown ReduceKind");
}

Value Partitioner::coordinate(Location loc, ArrayRef<int> axes, int64_t scale) {
  return dist::CoordinateOp::create(builder, loc, scalarIndex(builder),
                                    meshAttr, dist::axesAttr(meshAttr, axes),
                                    scale);
}

/// The global index of a shard's first element: each axis cuts blocks of
/// ceil(size / n). If all cuts are even that is one coordinate, scaled.
Value Partitioner::startOfShard(Location loc, ArrayRef<int> axes,
                                int64_t size) {
  SmallVector<int64_t> blocks;
  bool isEven = true;
  for (int axis : axes) {
    isEven &= size % mesh.atomSize(axis) == 0;
    size = llvm::divideCeil(size, mesh.atomSize(axis));
    blocks.push_back(size);
  }
  if (isEven || axes.size() == 1)
    return coordinate(loc, axes, size);
  SmallVector<Value> starts;
  for (auto [axis, block] : llvm::zip_equal(axes, blocks))
    starts.push_back(coordinate(loc, axis, block));
  return nn::SumOfOp::create(builder, loc, scalarIndex(builder), starts);
}

/// Gives `local` the global index of its shard's first element along the
/// factor that needs one.
void Partitioner::setOffset(Operation *op, Operation *local,
                            const ShardingRule &rule) {
  auto positional = dyn_cast<nn::OffsetOpInterface>(local);
  if (!positional)
    return;
  auto visitTensor = [&](Value value, const TensorFactors &tensor) {
    for (auto [dim, factors] : llvm::enumerate(tensor)) {
      FactorKind kind = rule.factors[factors.front()].kind;
      auto axes = layoutIn(value).axesOfDim(dim);
      if (axes.empty() ||
          (kind != FactorKind::Indexed && kind != FactorKind::Positional))
        continue;
      int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(dim);
      positional.setShardOffset(startOfShard(op->getLoc(), axes, size));
      return true;
    }
    return false;
  };
  for (auto [value, tensor] : llvm::zip(op->getOperands(), rule.operands))
    if (visitTensor(value, tensor))
      return;
  for (auto [value, tensor] : llvm::zip(op->getResults(), rule.results))
    if (visitTensor(value, tensor))
      return;
}

Value Partitioner::mask(Location loc, Value value, RankedTensorType type,
                        int dim, double neutral) {
  auto axes = dist::layoutOf(type).getLayout().axesOfDim(dim);
  Value extent = dist::ExtentOp::create(
      builder, loc, scalarIndex(builder), meshAttr,
      dist::axesAttr(meshAttr, axes), type.getDimSize(dim));
  return nn::MaskTailOp::create(builder, loc, value.getType(), value, extent,
                                builder.getI64IntegerAttr(dim),
                                builder.getF64FloatAttr(neutral));
}

/// The element that counts for nothing where `op` reduces an operand of
/// `type`. An index operand has none: there it is the label that is ignored,
/// which is out of any range too.
static double neutralOf(Operation *op, Type type, ReduceKind kind) {
  constexpr double kIgnoredIndex = -100, kMost = 0x1.fffffffffffffp62;
  if (isa<FloatType>(type))
    return neutralOf(kind);
  if (isa<FloatType>(getElementTypeOrSelf(op->getResult(0))))
    return kIgnoredIndex;
  return std::clamp(neutralOf(kind), -kMost, kMost);
}

/// Overwrites the padding of operands along factors that are reduced here:
/// padding has unspecified content, and 0 times NaN is NaN.
void Partitioner::maskOperands(Operation *op, Operation *local,
                               const ShardingRule &rule) {
  for (auto [number, factor] : llvm::enumerate(rule.factors)) {
    if (factor.kind != FactorKind::Reduced &&
        factor.kind != FactorKind::Indexed)
      continue;
    for (auto [i, tensor] : llvm::enumerate(rule.operands)) {
      auto type = cast<RankedTensorType>(op->getOperand(i).getType());
      int dim = dimOfFactor(tensor, number);
      if (dim < 0 ||
          layoutIn(op->getOperand(i)).isEven(mesh, dim, type.getDimSize(dim)))
        continue;
      local->setOperand(
          i, mask(op->getLoc(), local->getOperand(i), type, dim,
                  neutralOf(op, type.getElementType(), factor.reduce)));
    }
  }
}

void Partitioner::visitRedistribute(dist::RedistributeOp op) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  Value value =
      buildRedistribution(builder, op.getLoc(), locals.lookup(op.getInput()),
                          dist::withoutLayout(type), dist::layoutOf(type),
                          dist::layoutOf(op.getType()), op->getAttr("unit"));
  locals.map(op.getResult(), value);
}

/// Sizes of a local slice: dims that are kept whole follow the shard.
static void localizeSizes(Operation *op, Operation *local) {
  auto slice = dyn_cast<nn::SliceOp>(local);
  if (!slice)
    return;
  auto result = cast<RankedTensorType>(slice.getType());
  slice.setSizes(result.getShape());
}

static void localizeValue(Operation *local) {
  auto constant = dyn_cast<nn::ConstantOp>(local);
  if (!constant || !constant.getValue().isSplat())
    return;
  auto splat = cast<DenseElementsAttr>(constant.getValue());
  constant.setValueAttr(
      DenseElementsAttr::get(cast<RankedTensorType>(constant.getType()),
                             splat.getSplatValue<Attribute>()));
}

/// The order of a contraction's sum is that of the graph's shapes.
static void setOrder(Operation *op, Operation *local) {
  auto contract = dyn_cast<nn::ContractOp>(op);
  if (!contract)
    return;
  auto shapeOf = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getShape();
  };
  cast<nn::ContractOp>(local).setPartials(
      nn::isDotProduct(*nn::parseEquation(contract.getEquation()),
                       shapeOf(contract.getLhs()), shapeOf(contract.getRhs())));
}

LogicalResult Partitioner::visit(Operation *op) {
  ShardingRule rule = cast<dist::ShardingRuleOpInterface>(op).getShardingRule();
  Operation *local = op->clone(locals);
  for (OpResult result : local->getResults())
    result.setType(dist::localType(cast<RankedTensorType>(result.getType())));
  setOffset(op, local, rule);
  maskOperands(op, local, rule);
  localizeSizes(op, local);
  localizeValue(local);
  setOrder(op, local);
  builder.insert(local);
  locals.map(op->getResults(), local->getResults());
  return success();
}

/// True if no tensor of `function` carries a layout: it was done before.
static bool isLocal(func::FuncOp function) {
  auto hasLayout = [](Value value) {
    return bool(dist::layoutOf(value.getType()));
  };
  return llvm::none_of(function.getArguments(), hasLayout) &&
         llvm::none_of(function.front(), [&](Operation &op) {
           return llvm::any_of(op.getResults(), hasLayout);
         });
}

LogicalResult Partitioner::run(func::FuncOp function) {
  if (isLocal(function))
    return success();
  SmallVector<Operation *> typed;
  for (Operation &op : function.front())
    typed.push_back(&op);
  Block &typedBody = function.front();
  Block *localBody = new Block();
  function.getBody().push_back(localBody);
  for (BlockArgument argument : typedBody.getArguments())
    locals.map(argument,
               localBody->addArgument(
                   dist::localType(cast<RankedTensorType>(argument.getType())),
                   argument.getLoc()));
  builder.setInsertionPointToEnd(localBody);
  for (Operation *op : typed) {
    if (auto redistribute = dyn_cast<dist::RedistributeOp>(op)) {
      visitRedistribute(redistribute);
    } else if (isa<func::ReturnOp>(op)) {
      builder.insert(op->clone(locals));
    } else if (failed(visit(op))) {
      return failure();
    }
  }
  for (Operation *op : llvm::reverse(typed))
    op->erase();
  typedBody.erase();
  function.setFunctionType(
      FunctionType::get(function.getContext(), localBody->getArgumentTypes(),
                        localBody->getTerminator()->getOperandTypes()));
  return success();
}

namespace {
struct PartitionPass : weft::impl::PartitionPassBase<PartitionPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto function : module.getOps<func::FuncOp>())
      if (failed(Partitioner(dist::meshOf(module)).run(function)))
        return signalPassFailure();
  }
};
} // namespace
