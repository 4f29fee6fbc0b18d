// RUN: weft-opt %s --nn-recognize-composites | FileCheck %s
// RUN: weft-opt %s --nn-recognize-composites --nn-recognize-composites | FileCheck %s

// As Hugging Face writes it; the boundary of the module stays in front.
// CHECK-LABEL: func.func @recognizes_rms_norm_behind_a_boundary
// CHECK-SAME: %[[X:.*]]: tensor<4x6x8xf32>, %[[W:.*]]: tensor<8xf32>
func.func @recognizes_rms_norm_behind_a_boundary(%x: tensor<4x6x8xf32>, %w: tensor<8xf32>) -> tensor<4x6x8xf32> {
  // CHECK-NEXT: %[[INPUT:.*]] = nn.boundary %[[X]]
  // CHECK-NEXT: %[[Y:.*]], %{{.*}} = nn.rms_norm %[[INPUT]], %[[W]] eps 1.000000e-05 : (tensor<4x6x8xf32>, tensor<8xf32>) -> (tensor<4x6x8xf32>, tensor<4x6xf32>)
  // CHECK-NEXT: return %[[Y]]
  %input = nn.boundary %x {module = "norm", side = "input", index = 0 : i64} : tensor<4x6x8xf32>
  %square = nn.mul %input, %input : tensor<4x6x8xf32>
  %sum = nn.reduce sum %square dims [2] : (tensor<4x6x8xf32>) -> tensor<4x6xf32>
  %n = nn.constant dense<8.0> : tensor<4x6xf32>
  %mean = nn.div %sum, %n : tensor<4x6xf32>
  %eps = nn.constant dense<1.0e-05> : tensor<4x6xf32>
  %shifted = nn.add %mean, %eps : tensor<4x6xf32>
  %rstd = nn.rsqrt %shifted : tensor<4x6xf32>
  %scale = nn.broadcast %rstd dims [0, 1] : (tensor<4x6xf32>) -> tensor<4x6x8xf32>
  %normed = nn.mul %input, %scale : tensor<4x6x8xf32>
  %weight = nn.broadcast %w dims [2] : (tensor<8xf32>) -> tensor<4x6x8xf32>
  %y = nn.mul %weight, %normed : tensor<4x6x8xf32>
  return %y : tensor<4x6x8xf32>
}

// One dim fewer, the square a power, a boundary inside, another float type.
// CHECK-LABEL: func.func @recognizes_rms_norm_of_rows
func.func @recognizes_rms_norm_of_rows(%x: tensor<6x8xf64>, %w: tensor<8xf64>) -> tensor<6x8xf64> {
  // CHECK-NEXT: %[[Y:.*]], %{{.*}} = nn.rms_norm %{{.*}}, %{{.*}} eps 1.000000e-03 : (tensor<6x8xf64>, tensor<8xf64>) -> (tensor<6x8xf64>, tensor<6xf64>)
  // CHECK-NEXT: return %[[Y]]
  %two = nn.constant dense<2.0> : tensor<6x8xf64>
  %square = nn.pow %x, %two : tensor<6x8xf64>
  %sum = nn.reduce sum %square dims [1] : (tensor<6x8xf64>) -> tensor<6xf64>
  %n = nn.constant dense<8.0> : tensor<6xf64>
  %mean = nn.div %sum, %n : tensor<6xf64>
  %eps = nn.constant dense<1.0e-03> : tensor<6xf64>
  %shifted = nn.add %eps, %mean : tensor<6xf64>
  %rstd = nn.rsqrt %shifted : tensor<6xf64>
  %marked = nn.boundary %rstd {module = "rstd", side = "output", index = 0 : i64} : tensor<6xf64>
  %scale = nn.broadcast %marked dims [0] : (tensor<6xf64>) -> tensor<6x8xf64>
  %normed = nn.mul %scale, %x : tensor<6x8xf64>
  %weight = nn.broadcast %w dims [1] : (tensor<8xf64>) -> tensor<6x8xf64>
  %y = nn.mul %normed, %weight : tensor<6x8xf64>
  return %y : tensor<6x8xf64>
}

// A batch of one: the exporter drops dims of size 1 before a broadcast.
// CHECK-LABEL: func.func @recognizes_rms_norm_of_one_sample
func.func @recognizes_rms_norm_of_one_sample(%x: tensor<1x6x8xf32>, %w: tensor<8xf32>) -> tensor<1x6x8xf32> {
  // CHECK-NEXT: nn.rms_norm
  // CHECK-NEXT: return
  %square = nn.mul %x, %x : tensor<1x6x8xf32>
  %sum = nn.reduce sum %square dims [2] : (tensor<1x6x8xf32>) -> tensor<1x6xf32>
  %n = nn.constant dense<0.125> : tensor<1x6xf32>
  %mean = nn.mul %sum, %n : tensor<1x6xf32>
  %eps = nn.constant dense<1.0e-05> : tensor<1x6xf32>
  %shifted = nn.add %mean, %eps : tensor<1x6xf32>
  %rstd = nn.rsqrt %shifted : tensor<1x6xf32>
  %flat = nn.reshape %rstd : (tensor<1x6xf32>) -> tensor<6xf32>
  %scale = nn.broadcast %flat dims [1] : (tensor<6xf32>) -> tensor<1x6x8xf32>
  %normed = nn.mul %x, %scale : tensor<1x6x8xf32>
  %weight = nn.broadcast %w dims [2] : (tensor<8xf32>) -> tensor<1x6x8xf32>
  %y = nn.mul %normed, %weight : tensor<1x6x8xf32>
  return %y : tensor<1x6x8xf32>
}

// What something else uses stays, what is left without use goes.
// CHECK-LABEL: func.func @keeps_parts_used_elsewhere
func.func @keeps_parts_used_elsewhere(%x: tensor<6x8xf32>) -> (tensor<6x8xf32>, tensor<6xf32>) {
  // CHECK-NEXT: %[[MAX:.*]] = nn.reduce max
  // CHECK-NEXT: %[[Y:.*]] = nn.softmax %{{.*}} : tensor<6x8xf32>
  // CHECK-NEXT: return %[[Y]], %[[MAX]]
  %max = nn.reduce max %x dims [1] : (tensor<6x8xf32>) -> tensor<6xf32>
  %shift = nn.broadcast %max dims [0] : (tensor<6xf32>) -> tensor<6x8xf32>
  %shifted = nn.sub %x, %shift : tensor<6x8xf32>
  %weights = nn.exp %shifted : tensor<6x8xf32>
  %sum = nn.reduce sum %weights dims [1] : (tensor<6x8xf32>) -> tensor<6xf32>
  %divisor = nn.broadcast %sum dims [0] : (tensor<6xf32>) -> tensor<6x8xf32>
  %y = nn.div %weights, %divisor : tensor<6x8xf32>
  return %y, %max : tensor<6x8xf32>, tensor<6xf32>
}

// CHECK-LABEL: func.func @recognizes_rotary
// CHECK-SAME: %[[X:.*]]: tensor<2x4x6x8xf32>, %[[COS:.*]]: tensor<6x8xf32>, %[[SIN:.*]]: tensor<6x8xf32>
func.func @recognizes_rotary(%x: tensor<2x4x6x8xf32>, %cos: tensor<6x8xf32>, %sin: tensor<6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = nn.rotary %[[X]], %[[COS]], %[[SIN]] : (tensor<2x4x6x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  // CHECK-NEXT: return %[[Y]]
  %c = nn.broadcast %cos dims [2, 3] : (tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  %straight = nn.mul %x, %c : tensor<2x4x6x8xf32>
  %first = nn.slice %x offsets [0, 0, 0, 0] sizes [2, 4, 6, 4] strides [1, 1, 1, 1] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %second = nn.slice %x offsets [0, 0, 0, 4] sizes [2, 4, 6, 4] strides [1, 1, 1, 1] : (tensor<2x4x6x8xf32>) -> tensor<2x4x6x4xf32>
  %minus = nn.neg %second : tensor<2x4x6x4xf32>
  %rotated = nn.concat %minus, %first dim 3 : (tensor<2x4x6x4xf32>, tensor<2x4x6x4xf32>) -> tensor<2x4x6x8xf32>
  %s = nn.broadcast %sin dims [2, 3] : (tensor<6x8xf32>) -> tensor<2x4x6x8xf32>
  %turned = nn.mul %rotated, %s : tensor<2x4x6x8xf32>
  %y = nn.add %straight, %turned : tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// The reduction over [batch, seq] is over all that the leading size stands for.
// CHECK-LABEL: func.func @recognizes_cross_entropy
func.func @recognizes_cross_entropy(%logits: tensor<2x6x9xf32>, %labels: tensor<2x6xi64>) -> tensor<f32> {
  // CHECK-NEXT: %[[SUM:.*]], %{{.*}} = nn.cross_entropy %{{.*}}, %{{.*}} : (tensor<2x6x9xf32>, tensor<2x6xi64>) -> (tensor<f32>, tensor<2x6xf32>)
  // CHECK-NEXT: return %[[SUM]]
  %max = nn.reduce max %logits dims [2] : (tensor<2x6x9xf32>) -> tensor<2x6xf32>
  %shift = nn.broadcast %max dims [0, 1] : (tensor<2x6xf32>) -> tensor<2x6x9xf32>
  %shifted = nn.sub %logits, %shift : tensor<2x6x9xf32>
  %weights = nn.exp %shifted : tensor<2x6x9xf32>
  %sum = nn.reduce sum %weights dims [2] : (tensor<2x6x9xf32>) -> tensor<2x6xf32>
  %log = nn.log %sum : tensor<2x6xf32>
  %lse = nn.add %max, %log : tensor<2x6xf32>
  %picked = nn.pick %logits, %labels : (tensor<2x6x9xf32>, tensor<2x6xi64>) -> tensor<2x6xf32>
  %loss = nn.sub %lse, %picked : tensor<2x6xf32>
  %ignored = nn.constant dense<-100> : tensor<2x6xi64>
  %counts = nn.compare ne %labels, %ignored : (tensor<2x6xi64>, tensor<2x6xi64>) -> tensor<2x6xi1>
  %zero = nn.constant dense<0.0> : tensor<2x6xf32>
  %losses = nn.select %counts, %loss, %zero : (tensor<2x6xi1>, tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<2x6xf32>
  %total = nn.reduce sum %losses dims [0, 1] : (tensor<2x6xf32>) -> tensor<f32>
  return %total : tensor<f32>
}
