// RUN: weft-opt %s --verify-diagnostics --split-input-file

func.func @all_gather_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_gather' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.all_gather %x over #dist.mesh<tp = 2> ["cp"] dims [0] : (tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @all_gather_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_gather' op number of dims does not match the operands: got 2, expected 1}}
  %0 = dist.all_gather %x over #dist.mesh<tp = 2> ["tp"] dims [0, 0] : (tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @all_gather_c2_range(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_gather' op dim 1 is out of range for 'tensor<4xf32>'}}
  %0 = dist.all_gather %x over #dist.mesh<tp = 2> ["tp"] dims [1] : (tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @all_gather_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_gather' op size along dim 0 does not fit a group of 2: got 'tensor<4xf32>' and 'tensor<7xf32>'}}
  %0 = dist.all_gather %x over #dist.mesh<tp = 2> ["tp"] dims [0] : (tensor<4xf32>) -> tensor<7xf32>
  return
}

// -----

func.func @all_gather_c3_results(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_gather' op number of results does not match the operands: got 2, expected 1}}
  %0:2 = dist.all_gather %x over #dist.mesh<tp = 2> ["tp"] dims [0] : (tensor<4xf32>) -> (tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @all_reduce_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_reduce' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.all_reduce "sum" %x over #dist.mesh<tp = 2> ["cp"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @all_reduce_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_reduce' op unknown reduction "mean", expected sum, max, min or product}}
  %0 = dist.all_reduce "mean" %x over #dist.mesh<tp = 2> ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @all_reduce_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.all_reduce' op types of the results differ from the operands'}}
  %0 = dist.all_reduce "sum" %x over #dist.mesh<tp = 2> ["tp"] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_scatter_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.reduce_scatter' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.reduce_scatter "sum" %x over #dist.mesh<tp = 2> ["cp"] dims [0] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_scatter_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.reduce_scatter' op unknown reduction "mean", expected sum, max, min or product}}
  %0 = dist.reduce_scatter "mean" %x over #dist.mesh<tp = 2> ["tp"] dims [0] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_scatter_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.reduce_scatter' op dim 1 is out of range for 'tensor<4xf32>'}}
  %0 = dist.reduce_scatter "sum" %x over #dist.mesh<tp = 2> ["tp"] dims [1] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_scatter_c4(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.reduce_scatter' op size along dim 0 does not fit a group of 2: got 'tensor<3xf32>' and 'tensor<4xf32>'}}
  %0 = dist.reduce_scatter "sum" %x over #dist.mesh<tp = 2> ["tp"] dims [0] : (tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @all_to_all_c1(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{'dist.all_to_all' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.all_to_all %x over #dist.mesh<tp = 2> ["cp"] split [0] concat [1] : (tensor<4x4xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @all_to_all_c2(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{'dist.all_to_all' op number of dims does not match the operands: got 0, expected 1}}
  %0 = dist.all_to_all %x over #dist.mesh<tp = 2> ["tp"] split [0] concat [] : (tensor<4x4xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @all_to_all_c3(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{'dist.all_to_all' op type of result 0 is wrong: got 'tensor<8x2xf32>', expected 'tensor<2x8xf32>'}}
  %0 = dist.all_to_all %x over #dist.mesh<tp = 2> ["tp"] split [0] concat [1] : (tensor<4x4xf32>) -> tensor<8x2xf32>
  return
}

// -----

func.func @all_to_all_c3_divisible(%x: tensor<3x4xf32>) {
  // expected-error @+1 {{'dist.all_to_all' op size 3 along the split dim is not divisible by the group of 2}}
  %0 = dist.all_to_all %x over #dist.mesh<tp = 2> ["tp"] split [0] concat [1] : (tensor<3x4xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @all_to_all_c3_results(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{'dist.all_to_all' op number of results does not match the operands: got 2, expected 1}}
  %0:2 = dist.all_to_all %x over #dist.mesh<tp = 2> ["tp"] split [0] concat [1] : (tensor<4x4xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>)
  return
}

// -----

func.func @permute_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.permute' op axis "cp" is not in the mesh #dist.mesh<tp = 2>}}
  %0 = dist.permute %x over #dist.mesh<tp = 2> ["cp"] from [1, 0] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @permute_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.permute' op sources are not a permutation of a group of 2}}
  %0 = dist.permute %x over #dist.mesh<tp = 2> ["tp"] from [1, 1] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @permute_c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.permute' op types of the results differ from the operands'}}
  %0 = dist.permute %x over #dist.mesh<tp = 2> ["tp"] from [1, 0] : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @start_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.start' op region does not hold exactly one collective}}
  %0 = dist.start %x : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%y: tensor<4xf32>):
    %1 = nn.exp %y : tensor<4xf32>
    dist.yield %1 : tensor<4xf32>
  }
  return
}

// -----

func.func @start_c1_operands(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.start' op collective is not on the operands, in order}}
  %0:2 = dist.start %x, %x : (tensor<4xf32>, tensor<4xf32>) -> (!dist.future<tensor<4xf32>>, !dist.future<tensor<4xf32>>) {
  ^bb0(%y: tensor<4xf32>, %z: tensor<4xf32>):
    %1:2 = dist.all_reduce "sum" %z, %y over #dist.mesh<tp = 2> ["tp"] : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
    dist.yield %1#0, %1#1 : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----

func.func @start_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dist.start' op futures do not match the collective's results}}
  %0 = dist.start %x : (tensor<4xf32>) -> !dist.future<tensor<2xf32>> {
  ^bb0(%y: tensor<4xf32>):
    %1 = dist.all_reduce "sum" %y over #dist.mesh<tp = 2> ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %1 : tensor<4xf32>
  }
  return
}

// -----

func.func @wait_c1(%f: !dist.future<tensor<4xf32>>) {
  // expected-error @+1 {{'dist.wait' op operands are not all futures of one start, in order}}
  %0 = dist.wait %f : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  return
}

// -----

func.func @wait_c2(%x: tensor<4xf32>) {
  %0 = dist.start %x : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%y: tensor<4xf32>):
    %1 = dist.all_reduce "sum" %y over #dist.mesh<tp = 2> ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %1 : tensor<4xf32>
  }
  // expected-error @+1 {{'dist.wait' op a future is waited for more than once}}
  %2 = dist.wait %0 : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  %3 = dist.wait %0 : (!dist.future<tensor<4xf32>>) -> tensor<4xf32>
  return
}

// -----

func.func @wait_c3(%x: tensor<4xf32>) {
  %0 = dist.start %x : (tensor<4xf32>) -> !dist.future<tensor<4xf32>> {
  ^bb0(%y: tensor<4xf32>):
    %1 = dist.all_reduce "sum" %y over #dist.mesh<tp = 2> ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
    dist.yield %1 : tensor<4xf32>
  }
  // expected-error @+1 {{'dist.wait' op types of the results are not the futures' value types}}
  %2 = dist.wait %0 : (!dist.future<tensor<4xf32>>) -> tensor<2xf32>
  return
}
