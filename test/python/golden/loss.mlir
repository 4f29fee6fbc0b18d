    %223 = nn.boundary %222 {module = "lm_head", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x64xf32>
    %224 = nn.contract "btd,od->bto" %223, %lm_head.weight : (tensor<4x64x64xf32>, tensor<256x64xf32>) -> tensor<4x64x256xf32>
    %225 = nn.boundary %224 {module = "lm_head", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x256xf32>
    %226:2 = nn.cross_entropy %225, %labels : (tensor<4x64x256xf32>, tensor<4x64xi64>) -> (tensor<f32>, tensor<4x64xf32>)
    %227 = nn.constant dense<-100> : tensor<4x64xi64>
    %228 = nn.compare ne %labels, %227 : (tensor<4x64xi64>, tensor<4x64xi64>) -> tensor<4x64xi1>
    %229 = nn.cast %228 : (tensor<4x64xi1>) -> tensor<4x64xf32>
    %230 = nn.reduce sum %229 dims [0, 1] : (tensor<4x64xf32>) -> tensor<f32>
    return %226#0, %230 : tensor<f32>, tensor<f32>
