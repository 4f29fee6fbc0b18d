// A linear layer over tokens' rows, as weft-export writes models.
module attributes {weft.tp_plan = {"head" = "colwise_gather_output"}} {
pipe.slot @embed.weight : tensor<16x8xf32> {kind = "parameter", lifetime = "run", stored = "embed.weight", names = ["embed.weight"], trainable}
pipe.slot @head.weight : tensor<16x8xf32> {kind = "parameter", lifetime = "run", stored = "head.weight", names = ["head.weight"], trainable}
pipe.slot @tokens : tensor<4x6xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @labels : tensor<4x6xi64> {kind = "input", lifetime = "microbatch"}
pipe.slot @term0.sum : tensor<f32> {kind = "scalar", lifetime = "microbatch", coefficient = 1.0 : f64}
pipe.slot @term0.weight : tensor<f32> {kind = "scalar", lifetime = "microbatch"}
func.func @model(%embed: tensor<16x8xf32> {pipe.slot = @embed.weight} loc("embed.weight"), %head: tensor<16x8xf32> {pipe.slot = @head.weight} loc("head.weight"),
    %tokens: tensor<4x6xi64> {pipe.slot = @tokens} loc("tokens"), %labels: tensor<4x6xi64> {pipe.slot = @labels} loc("labels"))
    -> (tensor<f32> {pipe.slot = @term0.sum}, tensor<f32> {pipe.slot = @term0.weight}) {
  %rows = nn.embedding %tokens, %embed : (tensor<4x6xi64>, tensor<16x8xf32>) -> tensor<4x6x8xf32> loc("embed")
  %x = nn.boundary %rows {module = "head", side = "input", index = 0 : i64} : tensor<4x6x8xf32> loc("head")
  %y = nn.contract "btd,od->bto" %x, %head : (tensor<4x6x8xf32>, tensor<16x8xf32>) -> tensor<4x6x16xf32> loc("head")
  %logits = nn.boundary %y {module = "head", side = "output", index = 0 : i64} : tensor<4x6x16xf32> loc("head")
  %sum, %lse = nn.cross_entropy %logits, %labels : (tensor<4x6x16xf32>, tensor<4x6xi64>) -> (tensor<f32>, tensor<4x6xf32>) loc("loss")
  %ignored = nn.constant dense<-100> : tensor<4x6xi64> loc("loss")
  %counts = nn.compare ne %labels, %ignored : (tensor<4x6xi64>, tensor<4x6xi64>) -> tensor<4x6xi1> loc("loss")
  %ones = nn.cast %counts : (tensor<4x6xi1>) -> tensor<4x6xf32> loc("loss")
  %weight = nn.reduce sum %ones dims [0, 1] : (tensor<4x6xf32>) -> tensor<f32> loc("loss")
  return %sum, %weight : tensor<f32>, tensor<f32> loc("loss")
} loc("root")
} loc("root")
