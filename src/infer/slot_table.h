/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reads of one memory over a text, two ways round: what each token reads, and by what each slot
 * is read. Weights of a slot are summed over heads; the mass of reads is the sum of |weight|.
 */
#ifndef PKM_INFER_SLOT_TABLE_H
#define PKM_INFER_SLOT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The reads as the layer leaves them. */
typedef struct pkm_text_reads {
    int64_t n_tokens, heads, topk;
    const int32_t *ids;      /* [n_tokens, heads, topk] slots */
    const float *weights;    /* [n_tokens, heads, topk] */
    const int32_t *token_id; /* [n_tokens] */
} pkm_text_reads;

/* A slot as one token reads it. */
typedef struct pkm_slot_read {
    int32_t slot, token; /* token: its place in the text */
    float weight;        /* summed over heads */
    bool told;           /* among the heaviest of its token */
} pkm_slot_read;

/* A slot over the whole text. */
typedef struct pkm_slot {
    int64_t first, readers;   /* by_slot[first .. first + readers): the tokens that read it */
    int64_t distinct;         /* different tokens among them */
    double mass, information; /* pkm/inspect.h */
    bool told;                /* among the heaviest of some token */
} pkm_slot;

typedef struct pkm_slot_table {
    int64_t *begin;          /* [n_tokens + 1] token t has by_token[begin[t] .. begin[t + 1]) */
    pkm_slot_read *by_token; /* of each token, heaviest first */
    pkm_slot_read *by_slot;  /* of each slot, heaviest first */
    int64_t n_reads;
    pkm_slot *slots; /* [n_slots] those read, by rank */
    int64_t n_slots;
    double mass; /* of all reads */
} pkm_slot_table;

/* Bytes it takes at most, `slots` being those of the memory. */
size_t pkm_slot_table_bytes(int64_t n_tokens, int64_t hits, int64_t slots);
/* Of each token the `top` heaviest slots are told. */
pkm_status pkm_slot_table_create(pkm_slot_table *out, const pkm_text_reads *reads, int64_t top);
void pkm_slot_table_release(pkm_slot_table *table);

#endif
