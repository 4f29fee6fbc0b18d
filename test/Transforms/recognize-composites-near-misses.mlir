// RUN: weft-opt %s --nn-recognize-composites | FileCheck %s

// Each function is one step away from a composite op: none may be recognised.
// CHECK-NOT: nn.rms_norm
// CHECK-NOT: nn.rotary
// CHECK-NOT: nn.softmax

// The mean is over the other dim (sizes are equal, so the types agree).
func.func @rms_norm_along_another_dim(%x: tensor<8x8xf32>, %w: tensor<8xf32>) -> tensor<8x8xf32> {
  %square = nn.mul %x, %x : tensor<8x8xf32>
  %sum = nn.reduce sum %square dims [0] : (tensor<8x8xf32>) -> tensor<8xf32>
  %n = nn.constant dense<8.0> : tensor<8xf32>
  %mean = nn.div %sum, %n : tensor<8xf32>
  %eps = nn.constant dense<1.0e-05> : tensor<8xf32>
  %shifted = nn.add %mean, %eps : tensor<8xf32>
  %rstd = nn.rsqrt %shifted : tensor<8xf32>
  %scale = nn.broadcast %rstd dims [0] : (tensor<8xf32>) -> tensor<8x8xf32>
  %normed = nn.mul %x, %scale : tensor<8x8xf32>
  %weight = nn.broadcast %w dims [1] : (tensor<8xf32>) -> tensor<8x8xf32>
  %y = nn.mul %normed, %weight : tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}

// The weight is repeated along the other dim.
func.func @rms_norm_with_a_weight_per_row(%x: tensor<8x8xf32>, %w: tensor<8xf32>) -> tensor<8x8xf32> {
  %square = nn.mul %x, %x : tensor<8x8xf32>
  %sum = nn.reduce sum %square dims [1] : (tensor<8x8xf32>) -> tensor<8xf32>
  %n = nn.constant dense<8.0> : tensor<8xf32>
  %mean = nn.div %sum, %n : tensor<8xf32>
  %eps = nn.constant dense<1.0e-05> : tensor<8xf32>
  %shifted = nn.add %mean, %eps : tensor<8xf32>
  %rstd = nn.rsqrt %shifted : tensor<8xf32>
  %scale = nn.broadcast %rstd dims [0] : (tensor<8xf32>) -> tensor<8x8xf32>
  %normed = nn.mul %x, %scale : tensor<8x8xf32>
  %weight = nn.broadcast %w dims [0] : (tensor<8xf32>) -> tensor<8x8xf32>
  %y = nn.mul %normed, %weight : tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}

// The sum is divided by something else than the number of elements.
func.func @rms_norm_with_another_divisor(%x: tensor<6x8xf32>, %w: tensor<8xf32>) -> tensor<6x8xf32> {
  %square = nn.mul %x, %x : tensor<6x8xf32>
  %sum = nn.reduce sum %square dims [1] : (tensor<6x8xf32>) -> tensor<6xf32>
  %n = nn.constant dense<7.0> : tensor<6xf32>
  %mean = nn.div %sum, %n : tensor<6xf32>
  %eps = nn.constant dense<1.0e-05> : tensor<6xf32>
  %shifted = nn.add %mean, %eps : tensor<6xf32>
  %rstd = nn.rsqrt %shifted : tensor<6xf32>
  %scale = nn.broadcast %rstd dims [0] : (tensor<6xf32>) -> tensor<6x8xf32>
  %normed = nn.mul %x, %scale : tensor<6x8xf32>
  %weight = nn.broadcast %w dims [1] : (tensor<8xf32>) -> tensor<6x8xf32>
  %y = nn.mul %normed, %weight : tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// What is scaled is not what is squared; eps is not a constant.
func.func @rms_norm_of_two_values(%x: tensor<6x8xf32>, %z: tensor<6x8xf32>, %e: tensor<6xf32>, %w: tensor<8xf32>) -> (tensor<6x8xf32>, tensor<6x8xf32>) {
  %square = nn.mul %x, %x : tensor<6x8xf32>
  %sum = nn.reduce sum %square dims [1] : (tensor<6x8xf32>) -> tensor<6xf32>
  %n = nn.constant dense<8.0> : tensor<6xf32>
  %mean = nn.div %sum, %n : tensor<6xf32>
  %eps = nn.constant dense<1.0e-05> : tensor<6xf32>
  %weight = nn.broadcast %w dims [1] : (tensor<8xf32>) -> tensor<6x8xf32>
  %shifted = nn.add %mean, %eps : tensor<6xf32>
  %rstd = nn.rsqrt %shifted : tensor<6xf32>
  %scale = nn.broadcast %rstd dims [0] : (tensor<6xf32>) -> tensor<6x8xf32>
  %normed = nn.mul %z, %scale : tensor<6x8xf32>
  %y = nn.mul %normed, %weight : tensor<6x8xf32>
  %shifted2 = nn.add %mean, %e : tensor<6xf32>
  %rstd2 = nn.rsqrt %shifted2 : tensor<6xf32>
  %scale2 = nn.broadcast %rstd2 dims [0] : (tensor<6xf32>) -> tensor<6x8xf32>
  %normed2 = nn.mul %x, %scale2 : tensor<6x8xf32>
  %y2 = nn.mul %normed2, %weight : tensor<6x8xf32>
  return %y, %y2 : tensor<6x8xf32>, tensor<6x8xf32>
}

// The power is not a square.
func.func @rms_norm_of_a_cube(%x: tensor<6x8xf32>, %w: tensor<8xf32>) -> tensor<6x8xf32> {
  %three = nn.constant dense<3.0> : tensor<6x8xf32>
  %cube = nn.pow %x, %three : tensor<6x8xf32>
  %sum = nn.reduce sum %cube dims [1] : (tensor<6x8xf32>) -> tensor<6xf32>
  %n = nn.constant dense<8.0> : tensor<6xf32>
  %mean = nn.div %sum, %n : tensor<6xf32>
  %eps = nn.constant dense<1.0e-05> : tensor<6xf32>
  %shifted = nn.add %mean, %eps : tensor<6xf32>
  %rstd = nn.rsqrt %shifted : tensor<6xf32>
  %scale = nn.broadcast %rstd dims [0] : (tensor<6xf32>) -> tensor<6x8xf32>
  %normed = nn.mul %x, %scale : tensor<6x8xf32>
  %weight = nn.broadcast %w dims [1] : (tensor<8xf32>) -> tensor<6x8xf32>
  %y = nn.mul %normed, %weight : tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// The first half is negated, not the second.
func.func @rotary_to_the_other_side(%x: tensor<2x4x6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> tensor<2x4x6x8xf32> {
  %c = nn.broadcast %cos dims [2, 3] : (tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  %straight = nn.mul %x, %c : tensor<2x4x6x8xf32>
  %first = nn.slice %x offsets [0, 0, 0, 0] sizes [2, 4, 6, 4] strides [1, 1, 1, 1] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %second = nn.slice %x offsets [0, 0, 0, 4] sizes [2, 4, 6, 4] strides [1, 1, 1, 1] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %minus = nn.neg %first : tensor<2x4x6x4xf32>
  %rotated = nn.concat %second, %minus dim 3 : (tensor<2x4x6x4xf32>, tensor<2x4x6x4xf32>) -> tensor<2x4x6x8xf32>
  %s = nn.broadcast %sin dims [2, 3] : (tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  %turned = nn.mul %rotated, %s : tensor<2x4x6x8xf32>
  %y = nn.add %straight, %turned : tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// Pairs lie side by side instead of in halves.
func.func @rotary_of_interleaved_pairs(%x: tensor<2x4x6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> tensor<2x4x6x8xf32> {
  %c = nn.broadcast %cos dims [2, 3] : (tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  %straight = nn.mul %x, %c : tensor<2x4x6x8xf32>
  %first = nn.slice %x offsets [0, 0, 0, 0] sizes [2, 4, 6, 4] strides [1, 1, 1, 2] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %second = nn.slice %x offsets [0, 0, 0, 1] sizes [2, 4, 6, 4] strides [1, 1, 1, 2] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %minus = nn.neg %second : tensor<2x4x6x4xf32>
  %rotated = nn.concat %minus, %first dim 3 : (tensor<2x4x6x4xf32>, tensor<2x4x6x4xf32>) -> tensor<2x4x6x8xf32>
  %s = nn.broadcast %sin dims [2, 3] : (tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  %turned = nn.mul %rotated, %s : tensor<2x4x6x8xf32>
  %y = nn.add %straight, %turned : tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// The tables follow the heads, not the positions (sizes are equal).
func.func @rotary_by_head(%x: tensor<2x6x6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> tensor<2x6x6x8xf32> {
  %c = nn.broadcast %cos dims [1, 3] : (tensor<6x8xf32>) -> tensor<2x6x6x8xf32>
  %straight = nn.mul %x, %c : tensor<2x6x6x8xf32>
  %first = nn.slice %x offsets [0, 0, 0, 0] sizes [2, 6, 6, 4] strides [1, 1, 1, 1] : (tensor<2x6x6x8xf32>) -> tensor<2x6x6x4xf32>
  %second = nn.slice %x offsets [0, 0, 0, 4] sizes [2, 6, 6, 4] strides [1, 1, 1, 1] : (tensor<2x6x6x8xf32>) -> tensor<2x6x6x4xf32>
  %minus = nn.neg %second : tensor<2x6x6x4xf32>
  %rotated = nn.concat %minus, %first dim 3 : (tensor<2x6x6x4xf32>, tensor<2x6x6x4xf32>) -> tensor<2x6x6x8xf32>
  %s = nn.broadcast %sin dims [1, 3] : (tensor<6x8xf32>) -> tensor<2x6x6x8xf32>
  %turned = nn.mul %rotated, %s : tensor<2x6x6x8xf32>
  %y = nn.add %straight, %turned : tensor<2x6x6x8xf32>
  return %y : tensor<2x6x6x8xf32>
}

// The sum is over the other dim; division is not commutative.
func.func @softmax_with_mixed_dims(%x: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %max = nn.reduce max %x dims [1] : (tensor<8x8xf32>) -> tensor<8xf32>
  %shift = nn.broadcast %max dims [0] : (tensor<8xf32>) -> tensor<8x8xf32>
  %shifted = nn.sub %x, %shift : tensor<8x8xf32>
  %weights = nn.exp %shifted : tensor<8x8xf32>
  %sum = nn.reduce sum %weights dims [0] : (tensor<8x8xf32>) -> tensor<8xf32>
  %divisor = nn.broadcast %sum dims [1] : (tensor<8xf32>) -> tensor<8x8xf32>
  %y = nn.div %weights, %divisor : tensor<8x8xf32>
  %sum2 = nn.reduce sum %weights dims [1] : (tensor<8x8xf32>) -> tensor<8xf32>
  %divisor2 = nn.broadcast %sum2 dims [0] : (tensor<8xf32>) -> tensor<8x8xf32>
  %y2 = nn.div %divisor2, %weights : tensor<8x8xf32>
  return %y, %y2 : tensor<8x8xf32>, tensor<8x8xf32>
}
