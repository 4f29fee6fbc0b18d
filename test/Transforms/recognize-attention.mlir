// RUN: weft-opt %s --nn-recognize-composites | FileCheck %s
// RUN: weft-opt %s --nn-recognize-composites --nn-recognize-composites | FileCheck %s

// A mask of scaled_dot_product_attention: not after the query, and nearer than 4.
// CHECK-LABEL: func.func @reads_a_sliding_window
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x2x6x8xf32>, %[[V:.*]]: tensor<2x2x6x8xf32>
func.func @reads_a_sliding_window(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK: %[[QP:.*]] = nn.iota
  // CHECK-NEXT: %[[KP:.*]] = nn.iota
  // CHECK-NEXT: %[[OUT:.*]], %{{.*}} = nn.attention %[[Q]], %[[K]], %[[V]], %[[QP]], %[[KP]] {causal, scale = 2.500000e-01 : f64, window = 4 : i64} : (tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<6xi64>, tensor<6xi64>) -> (tensor<2x4x6x8xf32>, tensor<2x4x6xf32>)
  // CHECK-NEXT: return %[[OUT]]
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %causal = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %w = nn.constant dense<4> : tensor<6xi64>
  %first = nn.sub %qi, %w : tensor<6xi64>
  %from = nn.broadcast %first dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %recent = nn.compare gt %key, %from : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %mask = nn.logical_and %recent, %causal : tensor<6x6xi1>
  %split = nn.reshape %q : (tensor<2x4x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %products = nn.contract "bkgsd,bktd->bkgst" %split, %k : (tensor<2x2x2x6x8xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x2x2x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x2x2x6x6xf32>
  %spread = nn.broadcast %mask dims [3, 4] : (tensor<6x6xi1>) -> tensor<2x2x2x6x6xi1>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<2x2x2x6x6xf32>
  %masked = nn.select %spread, %scores, %low : (tensor<2x2x2x6x6xi1>, tensor<2x2x2x6x6xf32>, tensor<2x2x2x6x6xf32>) -> tensor<2x2x2x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x2x2x6x6xf32>
  %out = nn.contract "bkgst,bktd->bkgsd" %weights, %v : (tensor<2x2x2x6x6xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %y = nn.reshape %out : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// The same bound with sides exchanged and a constant, no padding; the scale is f32's.
// CHECK-LABEL: func.func @reads_causality_alone
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x2x6x8xf32>, %[[V:.*]]: tensor<2x2x6x8xf32>
func.func @reads_causality_alone(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK: nn.attention %[[Q]], %[[K]], %[[V]], %{{.*}}, %{{.*}} {causal, scale = 0.10000000149011612 : f64} :
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %one = nn.constant dense<1> : tensor<6x6xi64>
  %later = nn.add %one, %query : tensor<6x6xi64>
  %causal = nn.compare gt %later, %key : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %all = nn.constant dense<true> : tensor<6xi1>
  %unpadded = nn.broadcast %all dims [1] : (tensor<6xi1>) -> tensor<6x6xi1>
  %mask = nn.logical_and %causal, %unpadded : tensor<6x6xi1>
  %split = nn.reshape %q : (tensor<2x4x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %products = nn.contract "bkgsd,bktd->bkgst" %split, %k : (tensor<2x2x2x6x8xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x6xf32>
  %scale = nn.constant dense<0.1> : tensor<2x2x2x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x2x2x6x6xf32>
  %spread = nn.broadcast %mask dims [3, 4] : (tensor<6x6xi1>) -> tensor<2x2x2x6x6xi1>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<2x2x2x6x6xf32>
  %masked = nn.select %spread, %scores, %low : (tensor<2x2x2x6x6xi1>, tensor<2x2x2x6x6xf32>, tensor<2x2x2x6x6xf32>) -> tensor<2x2x2x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x2x2x6x6xf32>
  %out = nn.contract "bkgst,bktd->bkgsd" %weights, %v : (tensor<2x2x2x6x6xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %y = nn.reshape %out : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// Documents of each sample; the causal part has no samples.
// CHECK-LABEL: func.func @reads_packed_documents
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x2x6x8xf32>, %[[V:.*]]: tensor<2x2x6x8xf32>, %[[D:.*]]: tensor<2x6xi64>
func.func @reads_packed_documents(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %d: tensor<2x6xi64>) -> tensor<2x4x6x8xf32> {
  // CHECK: nn.attention %[[Q]], %[[K]], %[[V]], %{{.*}}, %{{.*}}, %[[D]], %[[D]] {causal, scale = 2.500000e-01 : f64} : (tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<6xi64>, tensor<6xi64>, tensor<2x6xi64>, tensor<2x6xi64>) -> (tensor<2x4x6x8xf32>, tensor<2x4x6xf32>)
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %causal = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %all = nn.broadcast %causal dims [1, 2] : (tensor<6x6xi1>) -> tensor<2x6x6xi1>
  %qd = nn.broadcast %d dims [0, 1] : (tensor<2x6xi64>) -> tensor<2x6x6xi64>
  %kd = nn.broadcast %d dims [0, 2] : (tensor<2x6xi64>) -> tensor<2x6x6xi64>
  %same = nn.compare eq %qd, %kd : (tensor<2x6x6xi64>, tensor<2x6x6xi64>) -> tensor<2x6x6xi1>
  %mask = nn.logical_and %all, %same : tensor<2x6x6xi1>
  %split = nn.reshape %q : (tensor<2x4x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %products = nn.contract "bkgsd,bktd->bkgst" %split, %k : (tensor<2x2x2x6x8xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x2x2x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x2x2x6x6xf32>
  %spread = nn.broadcast %mask dims [0, 3, 4] : (tensor<2x6x6xi1>) -> tensor<2x2x2x6x6xi1>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<2x2x2x6x6xf32>
  %masked = nn.select %spread, %scores, %low : (tensor<2x2x2x6x6xi1>, tensor<2x2x2x6x6xf32>, tensor<2x2x2x6x6xf32>) -> tensor<2x2x2x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x2x2x6x6xf32>
  %out = nn.contract "bkgst,bktd->bkgsd" %weights, %v : (tensor<2x2x2x6x6xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %y = nn.reshape %out : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// Documents alone, the same ones for each sample: positions are made, ids repeated.
// CHECK-LABEL: func.func @reads_documents_of_all_samples
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x2x6x8xf32>, %[[V:.*]]: tensor<2x2x6x8xf32>, %[[D:.*]]: tensor<6xi64>
func.func @reads_documents_of_all_samples(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %d: tensor<6xi64>) -> tensor<2x4x6x8xf32> {
  // CHECK: %[[QP:.*]] = nn.iota dim 0 : tensor<6xi64>
  // CHECK: %[[KP:.*]] = nn.iota dim 0 : tensor<6xi64>
  // CHECK: %[[QD:.*]] = nn.broadcast %[[D]] dims [1] : (tensor<6xi64>) -> tensor<2x6xi64>
  // CHECK: %[[KD:.*]] = nn.broadcast %[[D]] dims [1]
  // CHECK: nn.attention %[[Q]], %[[K]], %[[V]], %[[QP]], %[[KP]], %[[QD]], %[[KD]] {scale = 2.500000e-01 : f64} :
  %qd = nn.broadcast %d dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %kd = nn.broadcast %d dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare eq %kd, %qd : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %split = nn.reshape %q : (tensor<2x4x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %products = nn.contract "bkgsd,bktd->bkgst" %split, %k : (tensor<2x2x2x6x8xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x2x2x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x2x2x6x6xf32>
  %spread = nn.broadcast %mask dims [3, 4] : (tensor<6x6xi1>) -> tensor<2x2x2x6x6xi1>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<2x2x2x6x6xf32>
  %masked = nn.select %spread, %scores, %low : (tensor<2x2x2x6x6xi1>, tensor<2x2x2x6x6xf32>, tensor<2x2x2x6x6xf32>) -> tensor<2x2x2x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x2x2x6x6xf32>
  %out = nn.contract "bkgst,bktd->bkgsd" %weights, %v : (tensor<2x2x2x6x6xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %y = nn.reshape %out : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// Gemma 2 as Hugging Face writes it: kv heads repeated, the mask added. Its
// window is a negative number here, added to the positions.
// CHECK-LABEL: func.func @recognizes_capped_scores_of_grouped_heads
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x2x6x8xf32>, %[[V:.*]]: tensor<2x2x6x8xf32>
func.func @recognizes_capped_scores_of_grouped_heads(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-NOT: nn.contract
  // CHECK: nn.attention %[[Q]], %[[K]], %[[V]], %{{.*}}, %{{.*}} {causal, scale = 2.500000e-01 : f64, softcap = 5.000000e+01 : f64, window = 4 : i64} : (tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<6xi64>, tensor<6xi64>) -> (tensor<2x4x6x8xf32>, tensor<2x4x6xf32>)
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %causal = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %w = nn.constant dense<-4> : tensor<6xi64>
  %first = nn.add %qi, %w : tensor<6xi64>
  %from = nn.broadcast %first dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %recent = nn.compare gt %key, %from : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %mask = nn.logical_and %causal, %recent : tensor<6x6xi1>
  %zero = nn.constant dense<0.0> : tensor<6x6xf32>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<6x6xf32>
  %shift = nn.select %mask, %zero, %low : (tensor<6x6xi1>, tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
  %bias = nn.broadcast %shift dims [2, 3] : (tensor<6x6xf32>) -> tensor<2x4x6x6xf32>
  %ks = nn.broadcast %k dims [0, 1, 3, 4] : (tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %kr = nn.reshape %ks : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  %vs = nn.broadcast %v dims [0, 1, 3, 4] : (tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %vr = nn.reshape %vs : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  %kt = nn.transpose %kr permutation [0, 1, 3, 2] : (tensor<2x4x6x8xf32>) -> tensor<2x4x8x6xf32>
  %products = nn.contract "btmd,btdn->btmn" %q, %kt : (tensor<2x4x6x8xf32>, tensor<2x4x8x6xf32>) -> tensor<2x4x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x4x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x4x6x6xf32>
  %cap = nn.constant dense<50.0> : tensor<2x4x6x6xf32>
  %parts = nn.div %scores, %cap : tensor<2x4x6x6xf32>
  %turned = nn.tanh %parts : tensor<2x4x6x6xf32>
  %again = nn.constant dense<50.0> : tensor<2x4x6x6xf32>
  %capped = nn.mul %turned, %again : tensor<2x4x6x6xf32>
  %masked = nn.add %capped, %bias : tensor<2x4x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x4x6x6xf32>
  %y = nn.contract "btmd,btdn->btmn" %weights, %vr : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// Without a cap.
// CHECK-LABEL: func.func @recognizes_eager_attention_of_grouped_heads
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x2x6x8xf32>, %[[V:.*]]: tensor<2x2x6x8xf32>
func.func @recognizes_eager_attention_of_grouped_heads(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK: nn.attention %[[Q]], %[[K]], %[[V]], %{{.*}}, %{{.*}} {causal, scale = 2.500000e-01 : f64} :
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %zero = nn.constant dense<0.0> : tensor<6x6xf32>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<6x6xf32>
  %shift = nn.select %mask, %zero, %low : (tensor<6x6xi1>, tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
  %bias = nn.broadcast %shift dims [2, 3] : (tensor<6x6xf32>) -> tensor<2x4x6x6xf32>
  %ks = nn.broadcast %k dims [0, 1, 3, 4] : (tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %kr = nn.reshape %ks : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  %vs = nn.broadcast %v dims [0, 1, 3, 4] : (tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %vr = nn.reshape %vs : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  %kt = nn.transpose %kr permutation [0, 1, 3, 2] : (tensor<2x4x6x8xf32>) -> tensor<2x4x8x6xf32>
  %products = nn.contract "btmd,btdn->btmn" %q, %kt : (tensor<2x4x6x8xf32>, tensor<2x4x8x6xf32>) -> tensor<2x4x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x4x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x4x6x6xf32>
  %masked = nn.add %scores, %bias : tensor<2x4x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x4x6x6xf32>
  %y = nn.contract "btmd,btdn->btmn" %weights, %vr : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// As many kv heads as query heads.
// CHECK-LABEL: func.func @recognizes_eager_attention
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x4x6x8xf32>, %[[V:.*]]: tensor<2x4x6x8xf32>
func.func @recognizes_eager_attention(%q: tensor<2x4x6x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK: nn.attention %[[Q]], %[[K]], %[[V]], %{{.*}}, %{{.*}} {causal, scale = 2.500000e-01 : f64} :
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %zero = nn.constant dense<0.0> : tensor<6x6xf32>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<6x6xf32>
  %shift = nn.select %mask, %zero, %low : (tensor<6x6xi1>, tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
  %bias = nn.broadcast %shift dims [2, 3] : (tensor<6x6xf32>) -> tensor<2x4x6x6xf32>
  %kt = nn.transpose %k permutation [0, 1, 3, 2] : (tensor<2x4x6x8xf32>) -> tensor<2x4x8x6xf32>
  %products = nn.contract "btmd,btdn->btmn" %q, %kt : (tensor<2x4x6x8xf32>, tensor<2x4x8x6xf32>) -> tensor<2x4x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x4x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x4x6x6xf32>
  %masked = nn.add %scores, %bias : tensor<2x4x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x4x6x6xf32>
  %y = nn.contract "btmd,btdn->btmn" %weights, %v : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// The same with a cap.
// CHECK-LABEL: func.func @recognizes_capped_eager_attention
// CHECK-SAME: %[[Q:.*]]: tensor<2x4x6x8xf32>, %[[K:.*]]: tensor<2x4x6x8xf32>, %[[V:.*]]: tensor<2x4x6x8xf32>
func.func @recognizes_capped_eager_attention(%q: tensor<2x4x6x8xf32>, %k: tensor<2x4x6x8xf32>, %v: tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK: nn.attention %[[Q]], %[[K]], %[[V]], %{{.*}}, %{{.*}} {causal, scale = 2.500000e-01 : f64, softcap = 5.000000e+01 : f64} :
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %zero = nn.constant dense<0.0> : tensor<6x6xf32>
  %low = nn.constant dense<-3.4028234663852886e+38> : tensor<6x6xf32>
  %shift = nn.select %mask, %zero, %low : (tensor<6x6xi1>, tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
  %bias = nn.broadcast %shift dims [2, 3] : (tensor<6x6xf32>) -> tensor<2x4x6x6xf32>
  %kt = nn.transpose %k permutation [0, 1, 3, 2] : (tensor<2x4x6x8xf32>) -> tensor<2x4x8x6xf32>
  %products = nn.contract "btmd,btdn->btmn" %q, %kt : (tensor<2x4x6x8xf32>, tensor<2x4x8x6xf32>) -> tensor<2x4x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x4x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x4x6x6xf32>
  %cap = nn.constant dense<50.0> : tensor<2x4x6x6xf32>
  %parts = nn.div %scores, %cap : tensor<2x4x6x6xf32>
  %turned = nn.tanh %parts : tensor<2x4x6x6xf32>
  %again = nn.constant dense<50.0> : tensor<2x4x6x6xf32>
  %capped = nn.mul %turned, %again : tensor<2x4x6x6xf32>
  %masked = nn.add %capped, %bias : tensor<2x4x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x4x6x6xf32>
  %y = nn.contract "btmd,btdn->btmn" %weights, %v : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}
