    %17 = nn.boundary %3 {module = "model.layers.0", side = "input", index = 0 : i64, name = "hidden_states", call = 0 : i64} : tensor<4x64x64xf32>
    %18 = nn.boundary %15 {module = "model.layers.0", side = "input", index = 1 : i64, name = "position_embeddings.0", call = 0 : i64} : tensor<1x64x8xf32>
    %19 = nn.boundary %16 {module = "model.layers.0", side = "input", index = 2 : i64, name = "position_embeddings.1", call = 0 : i64} : tensor<1x64x8xf32>
    %20 = nn.boundary %17 {module = "model.layers.0.input_layernorm", side = "input", index = 0 : i64, name = "hidden_states", call = 0 : i64} : tensor<4x64x64xf32>
    %21 = nn.mul %20, %20 : tensor<4x64x64xf32>
    %22 = nn.reduce sum %21 dims [2] : (tensor<4x64x64xf32>) -> tensor<4x64xf32>
    %23 = nn.constant dense<64.0> : tensor<4x64xf32>
    %24 = nn.div %22, %23 : tensor<4x64xf32>
    %25 = nn.constant dense<1.0e-05> : tensor<4x64xf32>
    %26 = nn.add %24, %25 : tensor<4x64xf32>
    %27 = nn.rsqrt %26 : tensor<4x64xf32>
    %28 = nn.broadcast %27 dims [0, 1] : (tensor<4x64xf32>) -> tensor<4x64x64xf32>
    %29 = nn.mul %20, %28 : tensor<4x64x64xf32>
    %30 = nn.broadcast %model.layers.0.input_layernorm.weight dims [2] : (tensor<64xf32>) -> tensor<4x64x64xf32>
    %31 = nn.mul %30, %29 : tensor<4x64x64xf32>
    %32 = nn.boundary %31 {module = "model.layers.0.input_layernorm", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x64xf32>
    %33 = nn.boundary %32 {module = "model.layers.0.self_attn", side = "input", index = 0 : i64, name = "hidden_states", call = 0 : i64} : tensor<4x64x64xf32>
    %34 = nn.boundary %18 {module = "model.layers.0.self_attn", side = "input", index = 2 : i64, name = "position_embeddings.0", call = 0 : i64} : tensor<1x64x8xf32>
    %35 = nn.boundary %19 {module = "model.layers.0.self_attn", side = "input", index = 3 : i64, name = "position_embeddings.1", call = 0 : i64} : tensor<1x64x8xf32>
    %36 = nn.boundary %33 {module = "model.layers.0.self_attn.q_proj", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x64xf32>
    %37 = nn.contract "btd,od->bto" %36, %model.layers.0.self_attn.q_proj.weight : (tensor<4x64x64xf32>, tensor<64x64xf32>) -> tensor<4x64x64xf32>
    %38 = nn.boundary %37 {module = "model.layers.0.self_attn.q_proj", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x64xf32>
    %39 = nn.reshape %38 : (tensor<4x64x64xf32>) -> tensor<4x64x8x8xf32>
    %40 = nn.transpose %39 permutation [0, 2, 1, 3] : (tensor<4x64x8x8xf32>) -> tensor<4x8x64x8xf32>
    %41 = nn.boundary %33 {module = "model.layers.0.self_attn.k_proj", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x64xf32>
    %42 = nn.contract "btd,od->bto" %41, %model.layers.0.self_attn.k_proj.weight : (tensor<4x64x64xf32>, tensor<16x64xf32>) -> tensor<4x64x16xf32>
    %43 = nn.boundary %42 {module = "model.layers.0.self_attn.k_proj", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x16xf32>
    %44 = nn.reshape %43 : (tensor<4x64x16xf32>) -> tensor<4x64x2x8xf32>
    %45 = nn.transpose %44 permutation [0, 2, 1, 3] : (tensor<4x64x2x8xf32>) -> tensor<4x2x64x8xf32>
    %46 = nn.boundary %33 {module = "model.layers.0.self_attn.v_proj", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x64xf32>
    %47 = nn.contract "btd,od->bto" %46, %model.layers.0.self_attn.v_proj.weight : (tensor<4x64x64xf32>, tensor<16x64xf32>) -> tensor<4x64x16xf32>
    %48 = nn.boundary %47 {module = "model.layers.0.self_attn.v_proj", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x16xf32>
    %49 = nn.reshape %48 : (tensor<4x64x16xf32>) -> tensor<4x64x2x8xf32>
    %50 = nn.transpose %49 permutation [0, 2, 1, 3] : (tensor<4x64x2x8xf32>) -> tensor<4x2x64x8xf32>
    %51 = nn.reshape %34 : (tensor<1x64x8xf32>) -> tensor<64x8xf32>
    %52 = nn.broadcast %51 dims [2, 3] : (tensor<64x8xf32>) -> tensor<4x8x64x8xf32>
    %53 = nn.mul %40, %52 : tensor<4x8x64x8xf32>
    %54 = nn.slice %40 offsets [0, 0, 0, 0] sizes [4, 8, 64, 4] strides [1, 1, 1, 1] : (tensor<4x8x64x8xf32>) -> tensor<4x8x64x4xf32>
    %55 = nn.slice %40 offsets [0, 0, 0, 4] sizes [4, 8, 64, 4] strides [1, 1, 1, 1] : (tensor<4x8x64x8xf32>) -> tensor<4x8x64x4xf32>
    %56 = nn.neg %55 : tensor<4x8x64x4xf32>
    %57 = nn.concat %56, %54 dim 3 : (tensor<4x8x64x4xf32>, tensor<4x8x64x4xf32>) -> tensor<4x8x64x8xf32>
    %58 = nn.reshape %35 : (tensor<1x64x8xf32>) -> tensor<64x8xf32>
    %59 = nn.broadcast %58 dims [2, 3] : (tensor<64x8xf32>) -> tensor<4x8x64x8xf32>
    %60 = nn.mul %57, %59 : tensor<4x8x64x8xf32>
    %61 = nn.add %53, %60 : tensor<4x8x64x8xf32>
    %62 = nn.reshape %34 : (tensor<1x64x8xf32>) -> tensor<64x8xf32>
    %63 = nn.broadcast %62 dims [2, 3] : (tensor<64x8xf32>) -> tensor<4x2x64x8xf32>
    %64 = nn.mul %45, %63 : tensor<4x2x64x8xf32>
    %65 = nn.slice %45 offsets [0, 0, 0, 0] sizes [4, 2, 64, 4] strides [1, 1, 1, 1] : (tensor<4x2x64x8xf32>) -> tensor<4x2x64x4xf32>
    %66 = nn.slice %45 offsets [0, 0, 0, 4] sizes [4, 2, 64, 4] strides [1, 1, 1, 1] : (tensor<4x2x64x8xf32>) -> tensor<4x2x64x4xf32>
    %67 = nn.neg %66 : tensor<4x2x64x4xf32>
    %68 = nn.concat %67, %65 dim 3 : (tensor<4x2x64x4xf32>, tensor<4x2x64x4xf32>) -> tensor<4x2x64x8xf32>
    %69 = nn.reshape %35 : (tensor<1x64x8xf32>) -> tensor<64x8xf32>
    %70 = nn.broadcast %69 dims [2, 3] : (tensor<64x8xf32>) -> tensor<4x2x64x8xf32>
    %71 = nn.mul %68, %70 : tensor<4x2x64x8xf32>
    %72 = nn.add %64, %71 : tensor<4x2x64x8xf32>
    %73 = nn.iota dim 0 : tensor<64xi64>
    %74 = nn.iota dim 0 : tensor<64xi64>
    %75:2 = nn.attention %61, %72, %50, %73, %74 {scale = 0.3535533905932738 : f64, causal} : (tensor<4x8x64x8xf32>, tensor<4x2x64x8xf32>, tensor<4x2x64x8xf32>, tensor<64xi64>, tensor<64xi64>) -> (tensor<4x8x64x8xf32>, tensor<4x8x64xf32>)
    %76 = nn.transpose %75#0 permutation [0, 2, 1, 3] : (tensor<4x8x64x8xf32>) -> tensor<4x64x8x8xf32>
    %77 = nn.reshape %76 : (tensor<4x64x8x8xf32>) -> tensor<4x64x64xf32>
    %78 = nn.boundary %77 {module = "model.layers.0.self_attn.o_proj", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x64xf32>
    %79 = nn.contract "btd,od->bto" %78, %model.layers.0.self_attn.o_proj.weight : (tensor<4x64x64xf32>, tensor<64x64xf32>) -> tensor<4x64x64xf32>
    %80 = nn.boundary %79 {module = "model.layers.0.self_attn.o_proj", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x64xf32>
    %81 = nn.boundary %80 {module = "model.layers.0.self_attn", side = "output", index = 0 : i64, name = "0", call = 0 : i64} : tensor<4x64x64xf32>
    %82 = nn.add %17, %81 : tensor<4x64x64xf32>
    %83 = nn.boundary %82 {module = "model.layers.0.post_attention_layernorm", side = "input", index = 0 : i64, name = "hidden_states", call = 0 : i64} : tensor<4x64x64xf32>
    %84 = nn.mul %83, %83 : tensor<4x64x64xf32>
    %85 = nn.reduce sum %84 dims [2] : (tensor<4x64x64xf32>) -> tensor<4x64xf32>
    %86 = nn.constant dense<64.0> : tensor<4x64xf32>
    %87 = nn.div %85, %86 : tensor<4x64xf32>
    %88 = nn.constant dense<1.0e-05> : tensor<4x64xf32>
    %89 = nn.add %87, %88 : tensor<4x64xf32>
    %90 = nn.rsqrt %89 : tensor<4x64xf32>
    %91 = nn.broadcast %90 dims [0, 1] : (tensor<4x64xf32>) -> tensor<4x64x64xf32>
    %92 = nn.mul %83, %91 : tensor<4x64x64xf32>
    %93 = nn.broadcast %model.layers.0.post_attention_layernorm.weight dims [2] : (tensor<64xf32>) -> tensor<4x64x64xf32>
    %94 = nn.mul %93, %92 : tensor<4x64x64xf32>
    %95 = nn.boundary %94 {module = "model.layers.0.post_attention_layernorm", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x64xf32>
    %96 = nn.boundary %95 {module = "model.layers.0.mlp", side = "input", index = 0 : i64, name = "x", call = 0 : i64} : tensor<4x64x64xf32>
    %97 = nn.boundary %96 {module = "model.layers.0.mlp.gate_proj", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x64xf32>
    %98 = nn.contract "btd,od->bto" %97, %model.layers.0.mlp.gate_proj.weight : (tensor<4x64x64xf32>, tensor<176x64xf32>) -> tensor<4x64x176xf32>
    %99 = nn.boundary %98 {module = "model.layers.0.mlp.gate_proj", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x176xf32>
    %100 = nn.boundary %99 {module = "model.layers.0.mlp.act_fn", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x176xf32>
    %101 = nn.silu %100 : tensor<4x64x176xf32>
    %102 = nn.boundary %101 {module = "model.layers.0.mlp.act_fn", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x176xf32>
    %103 = nn.boundary %96 {module = "model.layers.0.mlp.up_proj", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x64xf32>
    %104 = nn.contract "btd,od->bto" %103, %model.layers.0.mlp.up_proj.weight : (tensor<4x64x64xf32>, tensor<176x64xf32>) -> tensor<4x64x176xf32>
    %105 = nn.boundary %104 {module = "model.layers.0.mlp.up_proj", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x176xf32>
    %106 = nn.mul %102, %105 : tensor<4x64x176xf32>
    %107 = nn.boundary %106 {module = "model.layers.0.mlp.down_proj", side = "input", index = 0 : i64, name = "input", call = 0 : i64} : tensor<4x64x176xf32>
    %108 = nn.contract "btd,od->bto" %107, %model.layers.0.mlp.down_proj.weight : (tensor<4x64x176xf32>, tensor<64x176xf32>) -> tensor<4x64x64xf32>
    %109 = nn.boundary %108 {module = "model.layers.0.mlp.down_proj", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x64xf32>
    %110 = nn.boundary %109 {module = "model.layers.0.mlp", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x64xf32>
    %111 = nn.add %82, %110 : tensor<4x64x64xf32>
    %112 = nn.boundary %111 {module = "model.layers.0", side = "output", index = 0 : i64, name = "output", call = 0 : i64} : tensor<4x64x64xf32>
