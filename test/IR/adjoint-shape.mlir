// RUN: weft-opt %s --nn-differentiate | FileCheck %s
//
// The adjoint of an op that moves or combines elements is such an op; they
// follow from the last op to the first.

pipe.slot @x : tensor<4x6xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @w : tensor<3x8xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @i : tensor<4xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}

// CHECK: func.func @stage0(%{{.*}}, %[[W:.*]]: tensor<3x8xf32> {pipe.slot = @w}, %[[I:.*]]: tensor<4xi64> {pipe.slot = @i}
func.func @model(%x: tensor<4x6xf32> {pipe.slot = @x}, %w: tensor<3x8xf32> {pipe.slot = @w}, %i: tensor<4xi64> {pipe.slot = @i}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  %sliced = nn.slice %x offsets [0, 1] sizes [4, 3] strides [1, 2] : (tensor<4x6xf32>) -> tensor<4x3xf32>
  %joined = nn.concat %sliced, %x dim 1 : (tensor<4x3xf32>, tensor<4x6xf32>) -> tensor<4x9xf32>
  %padded = nn.pad %joined low [0, 1] high [0, 2] interior [0, 0] : (tensor<4x9xf32>) -> tensor<4x12xf32>
  %turned = nn.transpose %padded permutation [1, 0] : (tensor<4x12xf32>) -> tensor<12x4xf32>
  %folded = nn.reshape %turned : (tensor<12x4xf32>) -> tensor<6x8xf32>
  // CHECK: %[[FOLDED:.*]] = nn.reshape
  %product = nn.contract "bi,oi->bo" %folded, %w : (tensor<6x8xf32>, tensor<3x8xf32>) -> tensor<6x3xf32>
  %repeated = nn.broadcast %product dims [0, 2] : (tensor<6x3xf32>) -> tensor<6x4x3xf32>
  %largest = nn.reduce max %repeated dims [0] : (tensor<6x4x3xf32>) -> tensor<4x3xf32>
  // CHECK: %[[PRODUCT:.*]] = nn.contract "bi,oi->bo"
  // CHECK: %[[REPEATED:.*]] = nn.broadcast %[[PRODUCT]]
  %picked = nn.pick %largest, %i : (tensor<4x3xf32>, tensor<4xi64>) -> tensor<4xf32>
  // CHECK: nn.pick
  %sum = nn.reduce sum %picked dims [0] : (tensor<4xf32>) -> tensor<f32>

  // CHECK: %[[DPICKED:.*]] = nn.broadcast %{{.*}} dims [] : (tensor<f32>) -> tensor<4xf32>
  // CHECK: %[[DLARGEST:.*]] = nn.place %[[DPICKED]], %[[I]] : (tensor<4xf32>, tensor<4xi64>) -> tensor<4x3xf32>
  // Elements that are the maximum share its cotangent.
  // CHECK: %[[IS_MAX:.*]] = nn.compare eq %[[REPEATED]]
  // CHECK: %[[COUNT:.*]] = nn.reduce sum %{{.*}} dims [0] : (tensor<6x4x3xf32>) -> tensor<4x3xf32>
  // CHECK: nn.div %[[DLARGEST]], %[[COUNT]]
  // CHECK: %[[DREPEATED:.*]] = nn.select %[[IS_MAX]]
  // CHECK: %[[DPRODUCT:.*]] = nn.reduce sum %[[DREPEATED]] dims [1] : (tensor<6x4x3xf32>) -> tensor<6x3xf32>
  // CHECK: %[[DFOLDED:.*]] = nn.contract "bo,oi->bi" %[[DPRODUCT]], %[[W]]
  // CHECK: %[[DW:.*]] = nn.contract "bo,bi->oi" %[[DPRODUCT]], %[[FOLDED]]
  // CHECK: %[[DTURNED:.*]] = nn.reshape %[[DFOLDED]] : (tensor<6x8xf32>) -> tensor<12x4xf32>
  // CHECK: %[[DPADDED:.*]] = nn.transpose %[[DTURNED]] permutation [1, 0] : (tensor<12x4xf32>) -> tensor<4x12xf32>
  // CHECK: %[[DJOINED:.*]] = nn.slice %[[DPADDED]] offsets [0, 1] sizes [4, 9] strides [1, 1]
  // CHECK: %[[DSLICED:.*]] = nn.slice %[[DJOINED]] offsets [0, 0] sizes [4, 3]
  // CHECK: %[[DX1:.*]] = nn.slice %[[DJOINED]] offsets [0, 3] sizes [4, 6]
  // CHECK: %[[DX0:.*]] = nn.pad %[[DSLICED]] low [0, 1] high [0, 0] interior [0, 1] : (tensor<4x3xf32>) -> tensor<4x6xf32>
  // CHECK: nn.sum_of %[[DX1]], %[[DX0]]
  return %sum : tensor<f32>
}
