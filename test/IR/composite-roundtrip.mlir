// RUN: weft-opt %s | weft-opt | FileCheck %s

// CHECK-LABEL: func.func @norms
func.func @norms(%x: tensor<2x3x8xf32>, %w: tensor<8xf32>) {
  // CHECK: nn.softmax %{{.*}} : tensor<2x3x8xf32>
  %0 = nn.softmax %x : tensor<2x3x8xf32>
  // CHECK: %{{.*}}, %[[RSTD:.*]] = nn.rms_norm %{{.*}}, %{{.*}} eps 1.000000e-05 : (tensor<2x3x8xf32>, tensor<8xf32>) -> (tensor<2x3x8xf32>, tensor<2x3xf32>)
  %y, %rstd = nn.rms_norm %x, %w eps 1.0e-05 : (tensor<2x3x8xf32>, tensor<8xf32>) -> (tensor<2x3x8xf32>, tensor<2x3xf32>)
  // CHECK: nn.rms_norm_grad %{{.*}}, %{{.*}}, %{{.*}}, %[[RSTD]] : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<8xf32>, tensor<2x3xf32>) -> (tensor<2x3x8xf32>, tensor<8xf32>)
  %dx, %dw = nn.rms_norm_grad %y, %x, %w, %rstd : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<8xf32>, tensor<2x3xf32>) -> (tensor<2x3x8xf32>, tensor<8xf32>)
  return
}

// CHECK-LABEL: func.func @rotary
func.func @rotary(%x: tensor<2x4x3x8xf32>, %cos: tensor<3x8xf32>, %sin: tensor<3x8xf32>) {
  // CHECK: nn.rotary %{{.*}}, %{{.*}}, %{{.*}} : (tensor<2x4x3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<2x4x3x8xf32>
  %0 = nn.rotary %x, %cos, %sin : (tensor<2x4x3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<2x4x3x8xf32>
  // CHECK: nn.rotary adjoint %{{.*}}, %{{.*}}, %{{.*}} :
  %1 = nn.rotary adjoint %x, %cos, %sin : (tensor<2x4x3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<2x4x3x8xf32>
  return
}

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %v: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>) {
  // CHECK: %[[OUT:.*]], %[[LSE:.*]] = nn.attention %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {causal, scale = 1.250000e-01 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  %out, %lse = nn.attention %q, %k, %v, %qp, %kp {scale = 0.125 : f64, causal} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  // CHECK: nn.attention_grad %[[OUT]], %{{.*}}, %{{.*}}, %{{.*}}, %[[OUT]], %[[LSE]], %{{.*}}, %{{.*}} {scale = 1.250000e-01 : f64} :
  %dq, %dk, %dv = nn.attention_grad %out, %q, %k, %v, %out, %lse, %qp, %kp {scale = 0.125 : f64} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3xf32>, tensor<3xi64>, tensor<5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
  return
}

// CHECK-LABEL: func.func @attention_of_documents
func.func @attention_of_documents(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x5x8xf32>, %qp: tensor<3xi64>, %kp: tensor<5xi64>, %qd: tensor<2x3xi64>, %kd: tensor<2x5xi64>) {
  // CHECK: %[[OUT:.*]], %[[LSE:.*]] = nn.attention %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[QD:.*]], %[[KD:.*]] {causal, scale = 1.250000e-01 : f64, softcap = 5.000000e+01 : f64, window = 2 : i64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>, tensor<2x3xi64>, tensor<2x5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  %out, %lse = nn.attention %q, %k, %k, %qp, %kp, %qd, %kd {scale = 0.125 : f64, causal, window = 2 : i64, softcap = 50.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<3xi64>, tensor<5xi64>, tensor<2x3xi64>, tensor<2x5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3xf32>)
  // CHECK: nn.attention_grad %[[OUT]], %{{.*}}, %{{.*}}, %{{.*}}, %[[OUT]], %[[LSE]], %{{.*}}, %{{.*}}, %[[QD]], %[[KD]] {causal, scale = 1.250000e-01 : f64, softcap = 5.000000e+01 : f64, window = 2 : i64} :
  %dq, %dk, %dv = nn.attention_grad %out, %q, %k, %k, %out, %lse, %qp, %kp, %qd, %kd {scale = 0.125 : f64, causal, window = 2 : i64, softcap = 50.0 : f64} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3xf32>, tensor<3xi64>, tensor<5xi64>, tensor<2x3xi64>, tensor<2x5xi64>) -> (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
  return
}

// CHECK-LABEL: func.func @embedding
func.func @embedding(%ids: tensor<2x3xi64>, %table: tensor<16x8xf32>, %offset: tensor<i64>) {
  // CHECK: %[[ROWS:.*]] = nn.embedding %{{.*}}, %{{.*}} : (tensor<2x3xi64>, tensor<16x8xf32>) -> tensor<2x3x8xf32>
  %0 = nn.embedding %ids, %table : (tensor<2x3xi64>, tensor<16x8xf32>) -> tensor<2x3x8xf32>
  // CHECK: nn.embedding %{{.*}}, %{{.*}} offset %{{.*}} : (tensor<2x3xi64>, tensor<16x8xf32>, tensor<i64>) -> tensor<2x3x8xf32>
  %1 = nn.embedding %ids, %table offset %offset : (tensor<2x3xi64>, tensor<16x8xf32>, tensor<i64>) -> tensor<2x3x8xf32>
  // CHECK: nn.embedding_grad %[[ROWS]], %{{.*}} : (tensor<2x3x8xf32>, tensor<2x3xi64>) -> tensor<16x8xf32>
  %2 = nn.embedding_grad %0, %ids : (tensor<2x3x8xf32>, tensor<2x3xi64>) -> tensor<16x8xf32>
  return
}

// CHECK-LABEL: func.func @cross_entropy
func.func @cross_entropy(%logits: tensor<2x3x16xf32>, %labels: tensor<2x3xi64>, %seed: tensor<f32>) {
  // CHECK: %{{.*}}, %[[LSE:.*]] = nn.cross_entropy %{{.*}}, %{{.*}} : (tensor<2x3x16xf32>, tensor<2x3xi64>) -> (tensor<f32>, tensor<2x3xf32>)
  %sum, %lse = nn.cross_entropy %logits, %labels : (tensor<2x3x16xf32>, tensor<2x3xi64>) -> (tensor<f32>, tensor<2x3xf32>)
  // CHECK: nn.cross_entropy_grad %{{.*}}, %{{.*}}, %[[LSE]], %{{.*}} : (tensor<2x3x16xf32>, tensor<2x3xi64>, tensor<2x3xf32>, tensor<f32>) -> tensor<2x3x16xf32>
  %0 = nn.cross_entropy_grad %logits, %labels, %lse, %seed : (tensor<2x3x16xf32>, tensor<2x3xi64>, tensor<2x3xf32>, tensor<f32>) -> tensor<2x3x16xf32>
  return
}
