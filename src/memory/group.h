/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hits grouped by the row they read: a stable radix sort by row, so that a row's gradient is summed
 * in the order of the hits, whatever the number of threads. Cost: O(hits), never O(slots).
 */
#ifndef PKM_MEMORY_GROUP_H
#define PKM_MEMORY_GROUP_H

#include <stdint.h>

#include "base/arena.h"
#include "kernels/row_dots.h"

typedef struct pkm_grouping {
    int64_t n_groups;   /* distinct rows */
    int32_t *rows;      /* [n_groups] ascending */
    int64_t *starts;    /* [n_groups + 1] group g owns places starts[g] .. starts[g + 1] - 1 */
    int32_t *order;     /* [hits] the hit at each place; those of a row in their order */
    int32_t *sources;   /* [hits] its upstream row */
    float *weights;     /* [hits] its weight */
    float *dots;        /* [hits] room for one number per place; shares pairs[0] */
    uint64_t *pairs[2]; /* row << 32 | hit: the two sides of a sorting pass */
    uint32_t *counts;   /* of a pass: digit values found in each block */
} pkm_grouping;

/* Takes room for up to max_hits < 2^31 hits on up to `slots` rows. */
void pkm_grouping_carve(pkm_grouping *grouping, pkm_arena *arena, int64_t max_hits, int64_t slots);

/* Groups hits i < n_hits: row ids[i] in [0, slots), upstream row sources[i], weight weights[i]. */
void pkm_grouping_run(pkm_grouping *grouping, const int32_t *ids, const int32_t *sources,
                      const float *weights, int64_t n_hits, int64_t slots);

/* The grouped hits as kernels take them. */
static inline pkm_row_hits pkm_grouping_hits(const pkm_grouping *grouping)
{
    return (pkm_row_hits){grouping->n_groups, grouping->rows, grouping->starts, grouping->sources,
                          grouping->weights};
}

#endif
