// SPDX-License-Identifier: Apache-2.0
//
// The table of tensor-parallel styles. Linear weights are [out, in] (for others
// see `inputsFirst`), embedding tables [vocabulary, hidden].
#include "weft/Plan/Styles.h"

#include "weft/Plan/Config.h"
#include "llvm/ADT/STLExtras.h"

using namespace weft;

static constexpr StyleWish open = {};
static constexpr StyleWish replicate = {StyleWish::Replicate};
static constexpr StyleWish shard(int dim) { return {StyleWish::Shard, dim}; }

// Why a rowwise output is open under sequence parallel: its consumer wants it
// sharded along the sequence, so the partial sum becomes a reduce-scatter.
// clang-format off
static constexpr Style table[] = {
    //                       weight    bias       input      output     sequence   loss
    {"colwise",              shard(0), shard(0),  replicate, shard(-1), shard(-1), shard(-1),
     "a linear layer whose outputs (heads, features) are sharded"},
    {"rowwise",              shard(1), replicate, shard(-1), replicate, open,      replicate,
     "a linear layer whose inputs are sharded; outputs are summed"},
    {"rowwise_split_input",  shard(1), replicate, shard(-1), replicate, open,      replicate,
     "as rowwise, for inputs that come whole, from a packed projection"},
    {"colwise_gather_output",shard(0), shard(0),  replicate, replicate, replicate, shard(-1),
     "as colwise, with outputs gathered: the head"},
    {"embedding_rowwise",    shard(0), open,      replicate, replicate, open,      replicate,
     "an embedding table sharded along the vocabulary", /*isLookup=*/true},
    {"embedding_colwise",    shard(1), open,      replicate, replicate, open,      replicate,
     "an embedding table sharded along the hidden dim", /*isLookup=*/true},
    {"replicated_with_grad_allreduce",
                             replicate, replicate,open,      open,      open,      open,
     "a norm on local heads: replicated, its gradient is summed by its layout"},
};
// clang-format on

StyleWish Style::parameterWish(llvm::StringRef parameter) const {
  return parameter == "bias" ? bias : weight;
}

StyleWish Style::inputsFirst(StyleWish wish) const {
  if (!isLookup && wish.kind == StyleWish::Shard)
    wish.dim = 1 - wish.dim;
  return wish;
}

StyleWish Style::outputWish(const StyleOptions &options) const {
  if (options.lossParallel && lossOutput != output)
    return lossOutput;
  return options.sequenceParallel ? sequenceOutput : output;
}

llvm::ArrayRef<Style> weft::styles() { return table; }

llvm::Expected<const Style *> weft::findStyle(llvm::StringRef name) {
  std::string list;
  std::vector<std::string> names;
  for (const Style &style : table) {
    if (style.name == name)
      return &style;
    names.push_back(style.name.str());
    list += (list.empty() ? "" : ", ") + style.name.str();
  }
  std::string message =
      "unknown style \"" + name.str() + "\": expected one of " + list;
  if (std::optional<std::string> near = nearest(name, names))
    message += "; did you mean \"" + *near + "\"?";
  return llvm::createStringError(message);
}
