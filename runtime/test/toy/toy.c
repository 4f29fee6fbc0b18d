/* SPDX-License-Identifier: Apache-2.0
 *
 * A handmade program: what the compiler would emit for
 *   loss = mean over rows of (x . w + b), plain SGD,
 * with w sharded over the mesh axis (all_gather, reduce_scatter), b
 * replicated (all_reduce), the batch of 4 rows sharded, 2 microbatches. All
 * shard sizes are ceil(size / RANKS), so 3 and 4 ranks are uneven. The
 * gradients are exact in f32: w's is the mean of x, b's is 1.
 *
 * Built with RANKS and KEY defined; CHAOS plants a fault:
 *   1  the sum of fingerprints is that of ranks which disagree
 *   2  the loss is not a number
 *   3  every step takes 20 ms
 *   4  a mark names no site
 *   5  it is for a CPU that nobody has
 */
#include "weft_runtime/Program.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#ifndef CHAOS
#define CHAOS 0
#endif

enum {
  WIDTH = 6,
  BATCH = 4,
  MICROBATCHES = 2,
  SHARD = (WIDTH + RANKS - 1) / RANKS,
  ROWS = (BATCH + RANKS - 1) / RANKS
};

#define TEXT(x) TEXT_(x)
#define TEXT_(x) #x

/* Shapes that depend on RANKS, as text. */
#if RANKS == 1
#define SHARD_TEXT "6"
#define ROWS_TEXT "4"
#elif RANKS == 2
#define SHARD_TEXT "3"
#define ROWS_TEXT "2"
#elif RANKS == 3
#define SHARD_TEXT "2"
#define ROWS_TEXT "2"
#else
#define SHARD_TEXT "2"
#define ROWS_TEXT "1"
#endif

#define SCALAR(name, offset)                                                   \
  "{\"name\":\"" name "\",\"kind\":\"scalar\",\"dtype\":\"f32\","              \
  "\"global_shape\":[],\"local_shape\":[],\"region\":\"step\","                \
  "\"offset\":" #offset "},"
#define PARTS(name, offset)                                                    \
  "{\"name\":\"" name "\",\"kind\":\"scalar\",\"dtype\":\"f64\","              \
  "\"global_shape\":[4],\"local_shape\":[4],\"region\":\"step\","              \
  "\"offset\":" #offset "},"
#define SHARDED                                                                \
  "\"global_shape\":[6],\"local_shape\":[" SHARD_TEXT "],"                     \
  "\"layout\":[{\"axis\":0,\"dim\":0}],\"region\":\"run\","
#define COLLECTIVE(id, kind, dtype, inner, loc)                                \
  "{\"id\":" #id ",\"kind\":\"" kind "\",\"axes\":[0],\"reduce\":\"sum\","     \
  "\"operands\":[{\"dtype\":\"" dtype "\",\"outer\":1,\"inner\":" inner        \
  "}],\"loc\":\"" loc "\"}"

/* What the program marks: its collectives, and the rest between them. */
enum { GATHER, FORWARD, SCATTER, COUNT, PAUSE, UPDATE, NUM_SITES };
#define SITE(op, kind, function)                                               \
  "{\"op\":\"" op "\",\"kind\":\"" kind "\",\"function\":\"" function          \
  "\",\"flops\":1000}"
#define SITES                                                                                    \
  "\"sites\":[" SITE("all_gather", "collective", "stage0") "," SITE(                             \
      "forward", "contraction",                                                                  \
      "stage0") "," SITE("reduce_scatter", "collective",                                         \
                         "stage0") "," SITE("all_reduce", "collective",                          \
                                            "stage0") "," SITE("pause",                          \
                                                               "other",                          \
                                                               "stage0") "," SITE("update",      \
                                                                                  "elementwise", \
                                                                                  "stage0_update") "],"

#if CHAOS == 5
#define TARGET                                                                 \
  "\"target\":{\"cpu\":\"tomorrow\",\"instructions\":[\"avx1024\"]},"
#else
#define TARGET
#endif

const char weft_program[] =
    "{\"abi\":3," SITES TARGET "\"key\":\"" KEY "\","
    "\"mesh\":[{\"name\":\"dp_shard\",\"axis\":\"dp_shard\",\"size\":" TEXT(
        RANKS) "}],"
               "\"regions\":{\"run\":512,\"step\":512,\"microbatch\":256,"
               "\"input\":256},\"microbatches\":2,\"batch\":4,"
               "\"optimizer\":{\"lr\":0.5},"
               "\"slots\":["
               "{\"name\":\"w\",\"kind\":\"parameter\",\"dtype\":"
               "\"f32\"," SHARDED
               "\"offset\":0,\"stored\":\"w\",\"names\":[\"w\"],"
               "\"trainable\":true},"
               "{\"name\":\"b\",\"kind\":\"parameter\",\"dtype\":\"f32\","
               "\"global_shape\":[1],\"local_shape\":[1],\"region\":\"run\","
               "\"offset\":64,\"stored\":\"b\",\"trainable\":true},"
               "{\"name\":\"frozen\",\"kind\":\"parameter\","
               "\"dtype\":\"f32\",\"global_shape\":[1],\"local_shape\":[1],"
               "\"region\":\"run\",\"offset\":128,\"stored\":\"frozen\","
               "\"trainable\":false},"
               "{\"name\":\"g.w\",\"kind\":\"gradient\",\"dtype\":"
               "\"f32\"," SHARDED "\"offset\":192,\"gradient_of\":\"w\"},"
               "{\"name\":\"g.b\",\"kind\":\"gradient\",\"dtype\":\"f32\","
               "\"global_shape\":[1],\"local_shape\":[1],\"region\":\"run\","
               "\"offset\":256,\"gradient_of\":\"b\"},"
               "{\"name\":\"x\",\"kind\":\"input\",\"dtype\":\"f32\","
               "\"global_shape\":[4,6],\"local_shape\":[" ROWS_TEXT ",6],"
               "\"layout\":[{\"axis\":0,\"dim\":0}],\"region\":\"input\","
               "\"offset\":0}," SCALAR("loss", 0) SCALAR("lr", 64) SCALAR(
                   "step", 128) SCALAR("num_tokens", 192)
                   SCALAR("grad_norm", 256) PARTS("fingerprint", 320) PARTS(
                       "fingerprint.sum",
                       384) "{\"name\":\"loss.part\",\"kind\":\"scalar\","
                            "\"dtype\":\"f32\","
                            "\"global_shape\":[],\"local_shape\":[],"
                            "\"partial\":[0],"
                            "\"region\":\"step\",\"offset\":448}],"
                            "\"collectives\":[" COLLECTIVE(0, "all_gather", "f32", SHARD_TEXT, "w") "," COLLECTIVE(
                                1, "reduce_scatter", "f32",
                                SHARD_TEXT,
                                "w.grad") "," COLLECTIVE(2, "all_reduce", "f32",
                                                         "1",
                                                         "b.grad") ","
                                                                   "{\"id\":3,"
                                                                   "\"kind\":"
                                                                   "\"all_"
                                                                   "reduce\","
                                                                   "\"axes\":["
                                                                   "0],"
                                                                   "\"reduce\":"
                                                                   "\"sum\","
                                                                   "\"operands"
                                                                   "\":[{"
                                                                   "\"dtype\":"
                                                                   "\"f64\","
                                                                   "\"outer\":"
                                                                   "1,"
                                                                   "\"inner\":"
                                                                   "4},"
                                                                   "{\"dtype\":"
                                                                   "\"f32\","
                                                                   "\"outer\":"
                                                                   "1,"
                                                                   "\"inner\":"
                                                                   "1}],"
                                                                   "\"loc\":"
                                                                   "\"update\"}"
                                                                   "],"
                                                                   "\"schedule"
                                                                   "\":{"
                                                                   "\"step\":[{"
                                                                   "\"call\":"
                                                                   "\"stage0\","
                                                                   "\"microbatc"
                                                                   "h\":0},"
                                                                   "{\"call\":"
                                                                   "\"stage0\","
                                                                   "\"microbatc"
                                                                   "h\":1},{"
                                                                   "\"call\":"
                                                                   "\"stage0_"
                                                                   "update\"}]}"
                                                                   "}";

static void collective(weft_context *context, int64_t id, const void *input,
                       void *output) {
  context->start(context, id, &input, &output);
  context->wait(context, id);
}

void stage0(weft_context *context, char *const *regions) {
  char *run = regions[WEFT_REGION_RUN];
  const float *w = (const float *)run, *b = (const float *)(run + 64);
  float *g_w = (float *)(run + 192), *g_b = (float *)(run + 256);
  float *loss = (float *)(regions[WEFT_REGION_STEP] + 448);
  float *full = (float *)regions[WEFT_REGION_MICROBATCH];
  float *part = full + 16, *count = full + 32, *counts = full + 48;
  const float *x = (const float *)regions[WEFT_REGION_INPUT];
  const float scale = 1.0f / (BATCH * MICROBATCHES);

  int64_t begin = context->coordinates[0] * ROWS;
  int64_t valid = begin >= BATCH ? 0 : BATCH - begin;
  if (valid > ROWS)
    valid = ROWS;
  context->mark(context, GATHER);
  collective(context, 0, w, full);
  context->mark(context, FORWARD);
  for (int64_t i = 0; i < valid; ++i) {
    float y = b[0];
    for (int j = 0; j < WIDTH; ++j)
      y += x[i * WIDTH + j] * full[j];
    *loss += y * scale;
  }
  memset(full, 0, RANKS * SHARD * sizeof(float));
  for (int64_t i = 0; i < valid; ++i)
    for (int j = 0; j < WIDTH; ++j)
      full[j] += x[i * WIDTH + j] * scale;
  context->mark(context, SCATTER);
  collective(context, 1, full, part);
  for (int j = 0; j < SHARD; ++j)
    g_w[j] += part[j];
  *count = valid * scale;
  context->mark(context, COUNT);
  collective(context, 2, count, counts);
  context->mark(context, CHAOS == 4 ? NUM_SITES : PAUSE);
  g_b[0] += *counts;
  if (CHAOS == 3)
    usleep(10000);
}

void stage0_update(weft_context *context, char *const *regions) {
  char *run = regions[WEFT_REGION_RUN], *step = regions[WEFT_REGION_STEP];
  float *w = (float *)run, *b = (float *)(run + 64);
  float *g_w = (float *)(run + 192), *g_b = (float *)(run + 256);
  context->mark(context, UPDATE);
  const void *inputs[2] = {step + 320, step + 448};
  void *outputs[2] = {step + 384, step + 0};
  context->start(context, 3, inputs, outputs);
  context->wait(context, 3);
  if (CHAOS == 1)
    ((double *)(step + 384))[0] += 1;
  if (CHAOS == 2)
    *(float *)step = nanf("");
  float lr = *(float *)(step + 64);
  for (int j = 0; j < SHARD; ++j)
    w[j] -= lr * g_w[j];
  b[0] -= lr * g_b[0];
  *(float *)(step + 192) = BATCH * MICROBATCHES;
  *(float *)(step + 256) = 1.0f;
  memset(g_w, 0, SHARD * sizeof(float));
  g_b[0] = 0;
}
