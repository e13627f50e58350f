/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph of a GPT-2 with memories, as in the equations at the top of models/gpt.h. Training,
 * scoring and decoding share it but for the head. Helpers return a node's output, NULL once
 * something has failed: the first failure is kept in the builder and judged at the end.
 */
#include <stdio.h>
#include <string.h>

#include "models/gpt.h"
#include "ops/attention.h"
#include "ops/ops.h"

typedef struct builder {
    pkm_tape *tape;
    const pkm_gpt *gpt;
    int64_t layer;                   /* -1 outside the blocks */
    pkm_tensor *sequence, *position; /* [rows] i32 */
    struct pkm_kv_cache *cache;
    pkm_status status; /* of the first failure */
} builder;

/* "h.3.<leaf>", or "<leaf>" outside the blocks. */
static const char *full_name(pkm_gpt_name *out, const builder *b, const char *leaf)
{
    if (b->layer >= 0)
        return pkm_gpt_block_name(out, b->layer, leaf);
    snprintf(out->text, sizeof out->text, "%s", leaf);
    return out->text;
}

/* The parameter "<full name>.<kind>". */
static pkm_param *param(builder *b, const char *leaf, const char *kind)
{
    pkm_gpt_name stem, name;
    pkm_param *found;

    snprintf(name.text, sizeof name.text, "%s.%s", full_name(&stem, b, leaf), kind);
    found = pkm_params_find(b->gpt->params, name.text);
    if (found == NULL && b->status == PKM_OK)
        b->status = pkm_fail(PKM_ERR_INTERNAL, "the model has no parameter '%s'", name.text);
    return found;
}

/* Appends the node; leaf completes its name. */
static pkm_tensor *append(builder *b, const char *leaf, const pkm_node_spec *spec)
{
    pkm_tensor *out = NULL;
    pkm_gpt_name name;
    pkm_node_spec named = *spec;

    named.name = full_name(&name, b, leaf);
    if (b->status == PKM_OK)
        b->status = pkm_tape_add(b->tape, &out, &named);
    return out;
}

static pkm_tensor *input(builder *b, const char *name)
{
    pkm_tensor *out = NULL;

    if (b->status == PKM_OK)
        b->status = pkm_tape_input(b->tape, &out, name, PKM_I32, 0, NULL);
    return out;
}

/* x = wte[id] + wpe[position] */
static pkm_tensor *embed(builder *b, pkm_tensor *ids)
{
    const pkm_embed_attr attr = {.dropout = (float)b->gpt->config.dropout};
    pkm_node_spec spec = {.op = &pkm_op_embed,
                          .in = {ids, b->position},
                          .param = {param(b, "wte", "weight"), param(b, "wpe", "weight")},
                          .attr = &attr,
                          .attr_bytes = sizeof attr};

    return append(b, "embed", &spec);
}

static pkm_tensor *layer_norm(builder *b, const char *leaf, pkm_tensor *x)
{
    const pkm_layer_norm_attr attr = {.epsilon = (float)b->gpt->config.norm_epsilon,
                                      .out_dtype = b->gpt->config.compute};
    pkm_node_spec spec = {.op = &pkm_op_layer_norm,
                          .in = {x},
                          .param = {param(b, leaf, "weight"), param(b, leaf, "bias")},
                          .attr = &attr,
                          .attr_bytes = sizeof attr};

    return append(b, leaf, &spec);
}

/* gelu(x W + bias) or residual + (x W + bias); a residual that is not wanted is NULL. */
static pkm_tensor *linear(builder *b, const char *leaf, pkm_tensor *x, pkm_tensor *residual,
                          bool gelu)
{
    const pkm_linear_attr attr = {PKM_WEIGHT_IN_OUT,
                                  residual != NULL ? PKM_F32 : b->gpt->config.compute, gelu};
    pkm_node_spec spec = {.op = &pkm_op_linear,
                          .in = {x, residual},
                          .param = {param(b, leaf, "weight"), param(b, leaf, "bias")},
                          .attr = &attr,
                          .attr_bytes = sizeof attr};

    return append(b, leaf, &spec);
}

/* qkv [rows, 3 D], the output of c_attn -> [rows, D] */
static pkm_tensor *attention(builder *b, pkm_tensor *qkv)
{
    const pkm_gpt_config *config = &b->gpt->config;
    const pkm_attention_attr attr = {.n_heads = config->attn_heads,
                                     .seq_len = config->seq_len,
                                     .dropout = (float)config->dropout,
                                     .cache = b->cache,
                                     .layer = b->layer};
    pkm_node_spec spec = {.op = &pkm_op_attention,
                          .in = {qkv, b->sequence, b->position},
                          .attr = &attr,
                          .attr_bytes = sizeof attr};

    return append(b, "attn", &spec);
}

static pkm_tensor *memory(builder *b, int index, pkm_tensor *x)
{
    const pkm_memory_lookup_attr attr = {.layer = b->gpt->memories[index]};
    pkm_node_spec spec = {
        .op = &pkm_op_memory_lookup, .in = {x}, .attr = &attr, .attr_bytes = sizeof attr};

    return append(b, "pkm", &spec);
}

/* x + dropout(y) */
static pkm_tensor *add(builder *b, const char *leaf, pkm_tensor *x, pkm_tensor *y)
{
    const pkm_add_attr attr = {.dropout = (float)b->gpt->config.dropout};
    pkm_node_spec spec = {
        .op = &pkm_op_add, .in = {x, y}, .attr = &attr, .attr_bytes = sizeof attr};

    return append(b, leaf, &spec);
}

/* x + dropout(y W + bias): one node, but where dropout comes between. */
static pkm_tensor *add_linear(builder *b, const char *leaf, const char *add_leaf, pkm_tensor *x,
                              pkm_tensor *y)
{
    if (b->gpt->config.dropout > 0)
        return add(b, add_leaf, x, linear(b, leaf, y, NULL, false));
    return linear(b, leaf, y, x, false);
}

static pkm_tensor *block(builder *b, pkm_tensor *x)
{
    int index = pkm_gpt_memory_at(&b->gpt->config, b->layer);
    pkm_tensor *normed = layer_norm(b, "ln_1", x);

    x = add_linear(b, "attn.c_proj", "add_1", x,
                   attention(b, linear(b, "attn.c_attn", normed, NULL, false)));
    normed = layer_norm(b, "ln_2", x);
    if (pkm_gpt_has_ffn(&b->gpt->config, b->layer))
        x = add_linear(b, "mlp.c_proj", "add_2", x, linear(b, "mlp.c_fc", normed, NULL, true));
    if (index >= 0)
        x = add(b, "add_3", x, memory(b, index, normed));
    return x;
}

/* logits = x wte^T */
static pkm_tensor *head(builder *b, pkm_tensor *x)
{
    const pkm_linear_attr attr = {PKM_WEIGHT_OUT_IN, PKM_F32, false};
    pkm_node_spec spec = {.op = &pkm_op_linear,
                          .in = {x},
                          .param = {param(b, "wte", "weight")},
                          .attr = &attr,
                          .attr_bytes = sizeof attr};

    return append(b, "logits", &spec);
}

/* loss = -ln softmax(x wte^T)[target], without the logits in memory */
static pkm_tensor *loss(builder *b, pkm_tensor *x, pkm_tensor *targets)
{
    pkm_node_spec spec = {
        .op = &pkm_op_cross_entropy, .in = {x, targets}, .param = {param(b, "wte", "weight")}};

    return append(b, "loss", &spec);
}

static pkm_status build(builder *b, pkm_tensor **out, pkm_mode mode, bool want_logits)
{
    pkm_tensor *ids = input(b, "ids"), *targets, *x;

    b->sequence = input(b, "sequence");
    b->position = input(b, "position");
    x = embed(b, ids);
    for (b->layer = 0; b->layer < b->gpt->config.layers; b->layer++)
        x = block(b, x);
    b->layer = -1;
    x = layer_norm(b, "ln_f", x);
    if (want_logits) {
        x = head(b, x);
    } else if (mode != PKM_MODE_DECODE) {
        targets = input(b, "targets");
        x = loss(b, x, targets);
    }
    PKM_TRY(b->status);
    pkm_tape_keep(b->tape, x);
    *out = x;
    return PKM_OK;
}

pkm_status pkm_gpt_tape(pkm_tape **out, pkm_gpt *gpt, pkm_mode mode, int64_t max_rows,
                        bool want_logits, struct pkm_kv_cache *cache)
{
    builder b = {.gpt = gpt, .layer = -1, .cache = cache};
    pkm_tensor *last = NULL;
    pkm_status status;

    PKM_TRY(pkm_tape_create(&b.tape, mode));
    status = build(&b, &last, mode, want_logits);
    if (status == PKM_OK)
        status = pkm_tape_plan(b.tape, max_rows, mode == PKM_MODE_TRAIN ? last : NULL);
    if (status != PKM_OK) {
        pkm_tape_destroy(b.tape);
        return status;
    }
    *out = b.tape;
    return PKM_OK;
}

void pkm_gpt_fill(const pkm_tape *tape, const int32_t *ids, int64_t count, int64_t first)
{
    int32_t *position = pkm_tape_find(tape, "position")->data;

    memcpy(pkm_tape_find(tape, "ids")->data, ids, (size_t)count * sizeof *ids);
    memset(pkm_tape_find(tape, "sequence")->data, 0, (size_t)count * sizeof(int32_t));
    for (int64_t i = 0; i < count; i++)
        position[i] = (int32_t)(first + i);
}
