// RUN: weft-opt %s | weft-opt | FileCheck %s

// A fused region has the operands as block arguments.
// CHECK-LABEL: func.func @fused
func.func @fused(%x: tensor<4x8xf32>) {
  // CHECK: prog.fused %{{.*}} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<4x8xf32>):
  // CHECK-NEXT: %[[Y:.*]] = nn.exp %[[X]]
  // CHECK-NEXT: prog.yield %[[Y]] : tensor<4x8xf32>
  %0 = prog.fused %x : (tensor<4x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%a: tensor<4x8xf32>):
    %1 = nn.exp %a : tensor<4x8xf32>
    prog.yield %1 : tensor<4x8xf32>
  }
  return
}

// CHECK-LABEL: func.func @window
func.func @window(%x: tensor<4x8xf32>, %start: tensor<i64>) {
  // CHECK: prog.window %{{.*}} from %{{.*}} dim 0 : (tensor<4x8xf32>, tensor<i64>) -> tensor<2x8xf32>
  %0 = prog.window %x from %start dim 0 : (tensor<4x8xf32>, tensor<i64>) -> tensor<2x8xf32>
  return
}

// Buffers lie at an offset of a region once memory is planned.
// CHECK-LABEL: func.func @program
func.func @program() {
  // CHECK: %[[OPEN:.*]] = prog.buffer "microbatch" : memref<4x8xf32>
  %0 = prog.buffer "microbatch" : memref<4x8xf32>
  // CHECK: %[[SLOT:.*]] = prog.buffer "run" slot @w at 128 : memref<4x8xf32>
  %1 = prog.buffer "run" slot @w at 128 : memref<4x8xf32>
  // CHECK: %[[INDEX:.*]] = prog.buffer "step" : memref<i64>
  %2 = prog.buffer "step" : memref<i64>
  // CHECK: prog.view %[[OPEN]] : memref<4x8xf32> to memref<32xf32>
  %3 = prog.view %0 : memref<4x8xf32> to memref<32xf32>
  // CHECK: prog.launch @kernel ins(%[[SLOT]] : memref<4x8xf32>) outs(%[[OPEN]] : memref<4x8xf32>)
  prog.launch @kernel ins(%1 : memref<4x8xf32>) outs(%0 : memref<4x8xf32>)
  // CHECK: prog.launch @kernel ins(%[[SLOT]] : memref<4x8xf32>) outs(%[[OPEN]] : memref<4x8xf32>) scratch(%[[INDEX]] : memref<i64>)
  prog.launch @kernel ins(%1 : memref<4x8xf32>) outs(%0 : memref<4x8xf32>) scratch(%2 : memref<i64>)
  // CHECK: prog.copy %[[OPEN]] to %[[SLOT]] : memref<4x8xf32> to memref<4x8xf32>
  prog.copy %0 to %1 : memref<4x8xf32> to memref<4x8xf32>
  // CHECK: prog.coordinate "coordinate" 2 over #mesh ["tp"] to %[[INDEX]] : memref<i64>
  prog.coordinate "coordinate" 2 over #dist.mesh<tp = 2> ["tp"] to %2 : memref<i64>
  // CHECK: prog.collective "all_reduce" 0 ins(%[[OPEN]] : memref<4x8xf32>) outs(%[[SLOT]] : memref<4x8xf32>) over #mesh ["tp"] reduce "sum" dims [] concat []
  prog.collective "all_reduce" 0 ins(%0 : memref<4x8xf32>) outs(%1 : memref<4x8xf32>) over #dist.mesh<tp = 2> ["tp"] reduce "sum" dims [] concat []
  return
}
