/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a memory is read over an evaluation (Lample et al. 2019, section 4.2; top-1: Kim and Jung
 * 2020). Per head and over all heads; sums in double. Padded rows must not come here.
 */
#ifndef PKM_MEMORY_USAGE_H
#define PKM_MEMORY_USAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pkm/memory.h"

typedef struct pkm_usage_counter pkm_usage_counter;

pkm_status pkm_usage_create(pkm_usage_counter **out, int64_t heads, int64_t slots);
/* Bytes of such a counter, and of working out its figures. */
size_t pkm_usage_bytes(int64_t heads, int64_t slots);
size_t pkm_usage_result_bytes(int64_t slots);
void pkm_usage_destroy(pkm_usage_counter *counter);
void pkm_usage_reset(pkm_usage_counter *counter);

/* Adds ids, weights [n_rows, heads, topk] (slots in order of score, best first) of real rows. Mass
 * of a slot: the absolute value of its weights. */
void pkm_usage_add(pkm_usage_counter *counter, const int32_t *ids, const float *weights,
                   int64_t n_rows, int64_t topk);

/* The figures of one head, or of all heads together (head -1). Sets all fields but layer. */
pkm_status pkm_usage_result(const pkm_usage_counter *counter, pkm_usage *out, int head);

#endif
