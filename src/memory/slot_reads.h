/* SPDX-License-Identifier: Apache-2.0 */
/* What weight each slot of a table was read with, over a window of steps (revive.h). */
#ifndef PKM_MEMORY_SLOT_READS_H
#define PKM_MEMORY_SLOT_READS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/row_dots.h"

typedef struct pkm_slot_reads {
    int64_t slots;
    float *window; /* [slots] sums of |w| over the steps taken; NULL: not counted */
    double *sums;  /* [slots] room for running sums of them */
    size_t bytes;  /* of the two */
} pkm_slot_reads;

pkm_status pkm_slot_reads_init(pkm_slot_reads *out, int64_t slots);
void pkm_slot_reads_release(pkm_slot_reads *reads);
void pkm_slot_reads_clear(pkm_slot_reads *reads);

/* Adds the hits of a step that was taken. */
void pkm_slot_reads_add(pkm_slot_reads *reads, const pkm_row_hits *hits);

#endif
