// RUN: weft-opt %s --nn-differentiate | FileCheck %s
//
// Derivatives of elementwise ops, from the last op to the first. Their values
// are proved against differences elsewhere; here is how they are computed.

pipe.slot @x : tensor<4xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @y : tensor<4xf32> {kind = "parameter", lifetime = "run", trainable}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "step", coefficient = 1.0 : f64}
pipe.slot @term0.seed : tensor<f32> {kind = "scalar", lifetime = "step"}

// CHECK: func.func @stage0(%[[X:.*]]: tensor<4xf32> {pipe.slot = @x}, %[[Y:.*]]: tensor<4xf32> {pipe.slot = @y}, %[[SEED:.*]]: tensor<f32> {pipe.slot = @term0.seed}, %{{.*}}: tensor<f32>
func.func @model(%x: tensor<4xf32> {pipe.slot = @x}, %y: tensor<4xf32> {pipe.slot = @y}) -> (tensor<f32> {pipe.slot = @term0.sum}) {
  // CHECK-DAG: %[[EXP:.*]] = nn.exp
  %exp = nn.exp %x : tensor<4xf32>
  // CHECK-DAG: %[[SQRT:.*]] = nn.sqrt
  %sqrt = nn.sqrt %x : tensor<4xf32>
  %sin = nn.sin %x : tensor<4xf32>
  // CHECK-DAG: %[[TANH:.*]] = nn.tanh
  %tanh = nn.tanh %x : tensor<4xf32>
  %silu = nn.silu %x : tensor<4xf32>
  %relu = nn.relu %x : tensor<4xf32>
  %sub = nn.sub %x, %y : tensor<4xf32>
  %mul = nn.mul %x, %y : tensor<4xf32>
  // CHECK-DAG: %[[DIV:.*]] = nn.div
  %div = nn.div %x, %y : tensor<4xf32>
  %maximum = nn.maximum %x, %y : tensor<4xf32>
  // CHECK-DAG: %[[CONDITION:.*]] = nn.compare lt
  %condition = nn.compare lt %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %select = nn.select %condition, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %wide = nn.cast %x : (tensor<4xf32>) -> tensor<4xf64>
  %cast = nn.cast %wide : (tensor<4xf64>) -> tensor<4xf32>
  %all = nn.sum_of %exp, %sqrt, %sin, %tanh, %silu, %relu, %sub, %mul, %div, %maximum, %select, %cast : tensor<4xf32>
  %sum = nn.reduce sum %all dims [0] : (tensor<4xf32>) -> tensor<f32>

  // CHECK: %[[G:.*]] = nn.broadcast %[[SEED]] dims [] : (tensor<f32>) -> tensor<4xf32>
  // CHECK: %[[DWIDE:.*]] = nn.cast %[[G]] : (tensor<4xf32>) -> tensor<4xf64>
  // CHECK: %[[DCAST:.*]] = nn.cast %[[DWIDE]] : (tensor<4xf64>) -> tensor<4xf32>
  // CHECK: %[[DSELECT_X:.*]] = nn.select %[[CONDITION]], %[[G]], %[[ZERO:[^ ]*]] :
  // CHECK: %[[DSELECT_Y:.*]] = nn.select %[[CONDITION]], %[[ZERO]], %[[G]] :
  // The cotangent of a maximum is shared at ties.
  // CHECK-DAG: %[[HALF:.*]] = nn.mul %[[G]], %
  // CHECK-DAG: %[[X_WINS:.*]] = nn.compare gt %[[X]], %[[Y]]
  // CHECK-DAG: %[[Y_WINS:.*]] = nn.compare gt %[[Y]], %[[X]]
  // CHECK: %[[NOT_X:.*]] = nn.select %[[Y_WINS]], %{{.*}}, %[[HALF]]
  // CHECK: %[[DMAX_X:.*]] = nn.select %[[X_WINS]], %[[G]], %[[NOT_X]]
  // CHECK: %[[NOT_Y:.*]] = nn.select %[[X_WINS]], %{{.*}}, %[[HALF]]
  // CHECK: %[[DMAX_Y:.*]] = nn.select %[[Y_WINS]], %[[G]], %[[NOT_Y]]
  // CHECK: %[[DDIV_X:.*]] = nn.div %[[G]], %[[Y]]
  // CHECK: %[[RATIO:.*]] = nn.mul %[[DDIV_X]], %[[DIV]]
  // CHECK: %[[DDIV_Y:.*]] = nn.neg %[[RATIO]]
  // CHECK: %[[DMUL_X:.*]] = nn.mul %[[G]], %[[Y]]
  // CHECK: %[[DMUL_Y:.*]] = nn.mul %[[G]], %[[X]]
  // CHECK: %[[DSUB_Y:.*]] = nn.neg %[[G]]
  // CHECK: %[[POSITIVE:.*]] = nn.compare gt %[[X]]
  // CHECK: %[[DRELU:.*]] = nn.select %[[POSITIVE]], %[[G]]
  // CHECK: %[[SIGMOID:.*]] = nn.sigmoid %[[X]]
  // CHECK: %[[SLOPE:.*]] = nn.mul %[[SIGMOID]]
  // CHECK: %[[DSILU:.*]] = nn.mul %[[G]], %[[SLOPE]]
  // CHECK: nn.mul %[[TANH]], %[[TANH]]
  // CHECK: %[[DTANH:.*]] = nn.mul %[[G]]
  // CHECK: %[[COS:.*]] = nn.cos %[[X]]
  // CHECK: %[[DSIN:.*]] = nn.mul %[[G]], %[[COS]]
  // CHECK: %[[TWICE:.*]] = nn.div %[[G]], %[[SQRT]]
  // CHECK: %[[DSQRT:.*]] = nn.mul %[[TWICE]]
  // CHECK: %[[DEXP:.*]] = nn.mul %[[G]], %[[EXP]]
  // CHECK: nn.sum_of %[[DCAST]], %[[DSELECT_X]], %[[DMAX_X]], %[[DDIV_X]], %[[DMUL_X]], %[[G]], %[[DRELU]], %[[DSILU]], %[[DTANH]], %[[DSIN]], %[[DSQRT]], %[[DEXP]]
  // CHECK: nn.sum_of %[[DSELECT_Y]], %[[DMAX_Y]], %[[DDIV_Y]], %[[DMUL_Y]], %[[DSUB_Y]]
  return %sum : tensor<f32>
}
