/* SPDX-License-Identifier: Apache-2.0 */
/* What weight each sub-key of a layer, or flat key, was read with, over a window of steps
 * (revive.h). */
#ifndef PKM_MEMORY_KEY_READS_H
#define PKM_MEMORY_KEY_READS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/memory_config.h"

typedef struct pkm_key_reads {
    int64_t heads;
    pkm_key_shape keys;
    float *window;   /* [H, parts, count] sums of |w| over the steps taken; NULL: not counted */
    float *step;     /* [H, parts, count] of the step under way */
    int32_t *donors; /* [H, parts, count] of the last reviving: copied from which, -1: it was not */
    double *sums;    /* [H, parts, count] room for running sums of the window */
    size_t bytes;    /* of the four */
} pkm_key_reads;

pkm_status pkm_key_reads_init(pkm_key_reads *out, int64_t heads, const pkm_key_shape *keys);
void pkm_key_reads_release(pkm_key_reads *reads);
void pkm_key_reads_clear(pkm_key_reads *reads);

/* A micro-batch begins; `first` of its step: what came before was of a step that is over, taken or
 * not. */
void pkm_key_reads_begin(pkm_key_reads *reads, bool first);
/* Adds ids, weights [n_rows, H, topk] to the step. */
void pkm_key_reads_add(pkm_key_reads *reads, const int32_t *ids, const float *weights,
                       int64_t n_rows, int64_t topk);
/* The step was taken: into the window. */
void pkm_key_reads_take(pkm_key_reads *reads);

#endif
