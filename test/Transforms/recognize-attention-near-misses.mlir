// RUN: weft-opt %s --nn-recognize-composites | FileCheck %s

// Each function is one step away from nn.attention: none may be recognised.
// CHECK-NOT: nn.attention

// A window only: keys after the query count.
func.func @window_that_is_not_causal(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %w = nn.constant dense<4> : tensor<6xi64>
  %first = nn.sub %qi, %w : tensor<6xi64>
  %from = nn.broadcast %first dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare gt %key, %from : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
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

// Before the query, not up to it.
func.func @query_that_does_not_see_itself(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare lt %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
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

// A window of size 0 hides all.
func.func @window_of_no_key(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %causal = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %w = nn.constant dense<0> : tensor<6xi64>
  %first = nn.sub %qi, %w : tensor<6xi64>
  %from = nn.broadcast %first dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %recent = nn.compare gt %key, %from : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %mask = nn.logical_and %causal, %recent : tensor<6x6xi1>
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

// One bound or the other.
func.func @either_of_two(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %causal = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %w = nn.constant dense<4> : tensor<6xi64>
  %first = nn.sub %qi, %w : tensor<6xi64>
  %from = nn.broadcast %first dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %recent = nn.compare gt %key, %from : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %mask = nn.logical_or %causal, %recent : tensor<6x6xi1>
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

// What is masked still has a weight.
func.func @masked_score_that_counts(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %split = nn.reshape %q : (tensor<2x4x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %products = nn.contract "bkgsd,bktd->bkgst" %split, %k : (tensor<2x2x2x6x8xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x6xf32>
  %scale = nn.constant dense<0.25> : tensor<2x2x2x6x6xf32>
  %scores = nn.mul %products, %scale : tensor<2x2x2x6x6xf32>
  %spread = nn.broadcast %mask dims [3, 4] : (tensor<6x6xi1>) -> tensor<2x2x2x6x6xi1>
  %low = nn.constant dense<-10.0> : tensor<2x2x2x6x6xf32>
  %masked = nn.select %spread, %scores, %low : (tensor<2x2x2x6x6xi1>, tensor<2x2x2x6x6xf32>, tensor<2x2x2x6x6xf32>) -> tensor<2x2x2x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x2x2x6x6xf32>
  %out = nn.contract "bkgst,bktd->bkgsd" %weights, %v : (tensor<2x2x2x6x6xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x2x6x8xf32>
  %y = nn.reshape %out : (tensor<2x2x2x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// The window counts other positions than causality.
func.func @positions_of_another_kind(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %p: tensor<6xi64>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %causal = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %w = nn.constant dense<4> : tensor<6xi64>
  %first = nn.sub %p, %w : tensor<6xi64>
  %from = nn.broadcast %first dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %recent = nn.compare gt %key, %from : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %mask = nn.logical_and %causal, %recent : tensor<6x6xi1>
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

// Queries and keys exchanged: only what comes after counts.
func.func @mask_along_other_dims(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare le %query, %key : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
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

// Divided by one number, multiplied by another.
func.func @cap_of_another_size(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
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
  %cap = nn.constant dense<50.0> : tensor<2x4x6x6xf32>
  %parts = nn.div %scores, %cap : tensor<2x4x6x6xf32>
  %turned = nn.tanh %parts : tensor<2x4x6x6xf32>
  %again = nn.constant dense<49.0> : tensor<2x4x6x6xf32>
  %capped = nn.mul %turned, %again : tensor<2x4x6x6xf32>
  %masked = nn.add %capped, %bias : tensor<2x4x6x6xf32>
  %weights = nn.softmax %masked : tensor<2x4x6x6xf32>
  %y = nn.contract "btmd,btdn->btmn" %weights, %vr : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// What is added is not low enough to hide a key.
func.func @added_mask_that_counts(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %mask = nn.compare le %key, %query : (tensor<6x6xi64>, tensor<6x6xi64>) -> tensor<6x6xi1>
  %zero = nn.constant dense<0.0> : tensor<6x6xf32>
  %low = nn.constant dense<-100.0> : tensor<6x6xf32>
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

// Positions that differ from sample to sample.
func.func @positions_of_each_sample(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %d: tensor<2x6xi64>) -> tensor<2x4x6x8xf32> {
  %qi = nn.iota dim 0 : tensor<6xi64>
  %ki = nn.iota dim 0 : tensor<6xi64>
  %query = nn.broadcast %qi dims [0] : (tensor<6xi64>) -> tensor<6x6xi64>
  %key = nn.broadcast %ki dims [1] : (tensor<6xi64>) -> tensor<6x6xi64>
  %qd = nn.broadcast %d dims [0, 1] : (tensor<2x6xi64>) -> tensor<2x6x6xi64>
  %kd = nn.broadcast %d dims [0, 2] : (tensor<2x6xi64>) -> tensor<2x6x6xi64>
  %mask = nn.compare le %kd, %qd : (tensor<2x6x6xi64>, tensor<2x6x6xi64>) -> tensor<2x6x6xi1>
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
