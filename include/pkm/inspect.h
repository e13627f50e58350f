/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the memories of a model read, token by token. May still change before 1.0.
 */
#ifndef PKM_INSPECT_H
#define PKM_INSPECT_H

#include <stdint.h>

#include "pkm/error.h"
#include "pkm/export.h"
#include "pkm/model.h"
#include "pkm/options.h"
#include "pkm/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What some tokens in a row read in one memory. */
typedef struct pkm_reads {
    int layer;                  /* block of the model */
    int64_t slots, heads, topk; /* of its memory */
    int64_t first, n_tokens;    /* these are tokens first .. first + n_tokens - 1 */
    const int32_t *ids;         /* [n_tokens, heads, topk] slots, in order of score, best first */
    const float *weights;       /* [n_tokens, heads, topk] behind the gate: softmax sums to 1 */
} pkm_reads;

/* Takes reads as they come, for each memory in order of tokens; they are lent for the call. */
typedef void (*pkm_reads_sink)(const pkm_reads *reads, void *user);

/**
 * Runs a model over tokens and shows what its memories read: windows of seq_len tokens one after
 * another, as pkm_model_eval_data scores them.
 *
 * ids [n_tokens] i32. sink and progress get `user`; progress may be NULL.
 *
 * Memory:  activations of some windows for the call
 * Errors:  PKM_ERR_ARG for an id outside the vocabulary; PKM_ERR_NUMERIC; PKM_ERR_CANCELLED if
 *          progress says so; PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_model_reads(pkm_model *model, const int32_t *ids, int64_t n_tokens,
                                   pkm_reads_sink sink, pkm_progress progress, void *user);

typedef struct pkm_inspect_text_config {
    int64_t max_tokens;  /* of the text, from its start; 0: all */
    int64_t top;         /* slots told per token and memory, heaviest first; at least 1 */
    int64_t contexts;    /* tokens told per slot, those that read it most; at least 1 */
    pkm_int_list layers; /* blocks whose memories are looked at; none: all that have one */
} pkm_inspect_text_config;

/**
 * Tells which slots each token of a text file reads, and which tokens read each of these slots, as
 * JSON: docs/schemas/inspect-text.schema.json.
 *
 * The text stands behind an end-of-text token. Weights of a slot are summed over heads, and told by
 * head as well; its mass is the sum of their absolute values over the text. Bytes that can belong
 * to no character become U+FFFD; a character of several tokens stands at the last of them.
 *
 * Equation: information of slot s = p(s) sum_t p(t|s) ln(p(t|s) / p(t)), in nats, p a share of
 *           mass, t over distinct tokens: what the slot tells about the token that reads it
 * Memory:   *out is freed with pkm_text_free (options.h); for the call 56 bytes per read
 * Errors:   PKM_ERR_STATE if the model has no tokenizer or no memory; PKM_ERR_IO names the file;
 *           PKM_ERR_ARG if it is empty, for a layer without a memory, or a number out of range;
 *           otherwise as pkm_model_reads
 * Threads:  one thread at a time per object
 * Since:    0.1
 */
PKM_API pkm_status pkm_model_inspect_text(pkm_model *model, char **out, const char *path,
                                          const pkm_inspect_text_config *config,
                                          pkm_progress progress, void *user);

#ifdef __cplusplus
}
#endif

#endif
