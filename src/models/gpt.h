/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPT-2 (Radford et al. 2019) with product-key memory layers at chosen depths: parameters under
 * Hugging Face's names, and builders of its graph for training, scoring and decoding, which share
 * the parameters and, but for the last node, the code.
 *
 *   x = wte[id] + wpe[position]
 *   x = x + c_proj(attention(c_attn(ln_1(x))))
 *   x = x + c_proj(gelu(c_fc(ln_2(x))))          or  x + memory(ln_2(x))      (replace)
 *                                                or  x + ffn + memory         (add)
 *   logits = ln_f(x) wte^T
 */
#ifndef PKM_MODELS_GPT_H
#define PKM_MODELS_GPT_H

#include "graph/tape.h"
#include "memory/layer.h"
#include "pkm/train.h"

typedef enum pkm_memory_mode { PKM_MEMORY_REPLACE, PKM_MEMORY_ADD } pkm_memory_mode;

typedef struct pkm_gpt_config {
    int64_t vocab_size, seq_len, dim, layers, attn_heads;
    int64_t ffn_dim; /* width inside the feed-forward part */
    double norm_epsilon;
    double dropout;
    pkm_dtype compute;          /* of products and activations */
    pkm_int_list memory_layers; /* ascending */
    pkm_memory_mode memory_mode;
    pkm_memory_config memory; /* of every memory layer */
    bool shared_values;       /* one store for all memory layers */
    pkm_dtype value_dtype;    /* PKM_I8: quantised */
    pkm_dtype weights;        /* of products and token embedding; PKM_BF16, PKM_I8: quantised */
    pkm_value_optimizer value_optimizer;
    uint64_t seed; /* of stochastic rounding; not part of a saved model */
    /* Folder of the scratch files that value tables are mapped from; NULL: they are in memory. Not
     * part of a saved model; read while the model is declared, then only whether there is one. */
    const char *map_dir;
} pkm_gpt_config;

/* The parameters of one model: table, value stores, memory layers. Fields are read-only outside. */
typedef struct pkm_gpt {
    pkm_gpt_config config;
    bool train; /* gradients and moments are kept */
    pkm_params *params;
    int n_stores;
    pkm_store *stores[PKM_LIST_MAX];
    int n_memories;
    pkm_memory_layer *memories[PKM_LIST_MAX]; /* of config.memory_layers, in order */
} pkm_gpt;

/* Checks ranges and that sizes fit together; the message names the option. */
pkm_status pkm_gpt_config_check(const pkm_gpt_config *config);

/* PKM_ERR_UNSUPPORTED, naming the model `path`, if it is quantised. */
pkm_status pkm_gpt_check_trainable(const pkm_gpt_config *config, const char *path);

/* All tensors registered and allocated (train: gradients and moments too), not filled. */
pkm_status pkm_gpt_create(pkm_gpt **out, const pkm_gpt_config *config, bool train);
void pkm_gpt_destroy(pkm_gpt *gpt);

/* The two halves of create, for readers that compare shapes with a file before memory is taken.
 * tables (may be NULL): per store a table to read where it lies, borrowed, or NULL to have one. */
pkm_status pkm_gpt_declare(pkm_gpt **out, const pkm_gpt_config *config, bool train,
                           const void *const *tables);
pkm_status pkm_gpt_allocate(pkm_gpt *gpt);

/* GPT-2's initialisation: N(0, 0.02), residual projections scaled by 1/sqrt(2 layers), and the
 * memory's (papers: Lample et al. 2019). */
void pkm_gpt_init(pkm_gpt *gpt, uint64_t seed);
int64_t pkm_gpt_parameters(const pkm_gpt *gpt);

/*
 * A model of the same mathematics with its weights and values in other dtypes (PKM_BF16 or PKM_I8,
 * a scale per row), to be computed with and saved, not trained. `from` has them in fp32, or values
 * in bf16. PKM_ERR_NUMERIC names a table that is not finite.
 */
pkm_status pkm_gpt_quantize(pkm_gpt **out, const pkm_gpt *from, pkm_dtype weights,
                            pkm_dtype values);

/* Names of tensors: "h.3.<leaf>" and "pkm.values.1", in *out, whose text is returned. */
typedef struct pkm_gpt_name {
    char text[PKM_PARAM_NAME];
} pkm_gpt_name;
const char *pkm_gpt_block_name(pkm_gpt_name *out, int64_t layer, const char *leaf);
const char *pkm_gpt_values_name(pkm_gpt_name *out, int store);

/* Which memory a block has, -1: none; whether it has a feed-forward part; how many stores. */
int pkm_gpt_memory_at(const pkm_gpt_config *config, int64_t layer);
bool pkm_gpt_has_ffn(const pkm_gpt_config *config, int64_t layer);
int pkm_gpt_n_stores(const pkm_gpt_config *config);

/* Keys and values of the sequences being decoded; see src/ops/attention.h. */
struct pkm_kv_cache;

/*
 * A planned tape for up to max_rows rows. Inputs, all I32 [rows]: "ids", "sequence" (which sequence
 * a row belongs to), "position" (in it), and where there is a loss "targets" (next id, -1: none).
 * Outputs: want_logits: "logits" [rows, vocab] f32; else TRAIN and SCORE "loss" [rows] f32, which
 * is -ln p(target); else (DECODE) none, the cache alone grows. Rows of one sequence are adjacent
 * and in order of position. cache: DECODE only.
 */
pkm_status pkm_gpt_tape(pkm_tape **out, pkm_gpt *gpt, pkm_mode mode, int64_t max_rows,
                        bool want_logits, struct pkm_kv_cache *cache);

/* The inputs of rows 0 .. count - 1: tokens of sequence 0 from position `first` on. */
void pkm_gpt_fill(const pkm_tape *tape, const int32_t *ids, int64_t count, int64_t first);

/* The memory in bytes that a model's parameters (with gradients and moments if it is to be trained)
 * and, unless they are mapped, its own tables take: of a declared one, and of one that is not there
 * yet. */
pkm_status pkm_gpt_needs(const pkm_gpt *gpt, size_t *out);
pkm_status pkm_gpt_bytes(const pkm_gpt_config *config, bool train, size_t *out);
/* Bytes of the model's own tables and their moments, in memory or mapped. */
size_t pkm_gpt_table_bytes(const pkm_gpt *gpt);

/* The model's part of pkm_train_options as a config, defaults by depth and width filled in. */
pkm_status pkm_gpt_config_from_options(pkm_gpt_config *out, const pkm_train_options *options,
                                       int64_t vocab_size);

#endif
