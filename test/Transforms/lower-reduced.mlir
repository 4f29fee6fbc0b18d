// RUN: weft-opt %s --prog-lower --split-input-file | FileCheck %s

#mesh = #dist.mesh<tp = 4>
module attributes {dist.mesh = #mesh} {
pipe.slot @x : tensor<4xf32> {kind = "input", lifetime = "microbatch"}
pipe.slot @g : tensor<4xf32> {kind = "gradient", lifetime = "run"}
pipe.slot @h : tensor<4xf32> {kind = "gradient", lifetime = "run"}

// A function that does not take the slot computes in it, and reduces it there.
// CHECK-LABEL: func.func @reduces_in_the_slot()
func.func @reduces_in_the_slot(%x: tensor<4xf32> {pipe.slot = @x}) -> (tensor<4xf32> {pipe.slot = @g}) {
  // CHECK: %[[G:.*]] = prog.buffer "run" slot @g
  // CHECK-NOT: prog.buffer
  // CHECK: prog.launch @softmax_{{.*}} outs(%[[G]]
  // CHECK: prog.collective "all_reduce" 0 ins(%[[G]] : memref<4xf32>) outs(%[[G]] : memref<4xf32>)
  // CHECK-NEXT: prog.wait 0
  // CHECK-NEXT: return
  %part = nn.softmax %x : tensor<4xf32>
  %future = dist.start %part : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%a: tensor<4xf32>):
    %sum = dist.all_reduce "sum" %a over #mesh ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %sum : tensor<4xf32>
  }
  %whole = dist.wait %future : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  return %whole : tensor<4xf32>
}

// The same without futures.
// CHECK-LABEL: func.func @reduces_in_the_slot_at_once()
func.func @reduces_in_the_slot_at_once(%x: tensor<4xf32> {pipe.slot = @x}) -> (tensor<4xf32> {pipe.slot = @g}) {
  // CHECK: %[[G:.*]] = prog.buffer "run" slot @g
  // CHECK: prog.launch @softmax_{{.*}} outs(%[[G]]
  // CHECK: prog.collective "all_reduce" 1 ins(%[[G]] : memref<4xf32>) outs(%[[G]] : memref<4xf32>)
  %part = nn.softmax %x : tensor<4xf32>
  %whole = dist.all_reduce "sum" %part over #mesh ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
  return %whole : tensor<4xf32>
}

// What is read after the reduction has begun, or twice by it, stays apart.
// CHECK-LABEL: func.func @keeps_the_parts()
func.func @keeps_the_parts(%x: tensor<4xf32> {pipe.slot = @x})
    -> (tensor<4xf32> {pipe.slot = @g}, tensor<4xf32> {pipe.slot = @h}) {
  // CHECK: %[[G:.*]] = prog.buffer "run" slot @g
  // CHECK: %[[H:.*]] = prog.buffer "run" slot @h
  // CHECK: %[[PART:.*]] = prog.buffer "microbatch"
  // CHECK: prog.launch @softmax_{{.*}} outs(%[[PART]]
  // CHECK: prog.collective "all_reduce" {{[0-9]+}} ins(%[[PART]], %[[PART]] : {{.*}}) outs(%[[G]], %[[H]] :
  %part = nn.softmax %x : tensor<4xf32>
  %g, %h = dist.all_reduce "sum" %part, %part over #mesh ["tp"] : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %g, %h : tensor<4xf32>, tensor<4xf32>
}

// A function that takes the slot has its old value until the last reader.
// CHECK-LABEL: func.func @keeps_the_old_value()
func.func @keeps_the_old_value(%x: tensor<4xf32> {pipe.slot = @x}, %old: tensor<4xf32> {pipe.slot = @g})
    -> (tensor<4xf32> {pipe.slot = @g}, tensor<4xf32> {pipe.slot = @h}) {
  // CHECK: %[[G:.*]] = prog.buffer "run" slot @g
  // CHECK: prog.launch @softmax_{{.*}} outs(%[[PART:.*]] : memref<4xf32>)
  // CHECK: prog.collective "all_reduce" {{[0-9]+}} ins(%[[PART]] : {{.*}}) outs(%[[WHOLE:.*]] :
  // CHECK: prog.copy %[[WHOLE]] to %[[G]]
  %part = nn.softmax %x : tensor<4xf32>
  %other = nn.softmax %old : tensor<4xf32>
  %future = dist.start %part : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%a: tensor<4xf32>):
    %sum = dist.all_reduce "sum" %a over #mesh ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %sum : tensor<4xf32>
  }
  %whole = dist.wait %future : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  return %whole, %other : tensor<4xf32>, tensor<4xf32>
}
}
