/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/slot_reads.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"

/* Slots whose hits one task sums up. */
enum { READ_GROUPS = 256 };

pkm_status pkm_slot_reads_init(pkm_slot_reads *out, int64_t slots)
{
    pkm_slot_reads reads = {.slots = slots};

    PKM_TRY(pkm_alloc_array((void **)&reads.window, (size_t)slots, sizeof *reads.window,
                            "weights of slots"));
    if (pkm_alloc_array((void **)&reads.sums, (size_t)slots, sizeof *reads.sums,
                        "weights of slots") != PKM_OK) {
        pkm_slot_reads_release(&reads);
        return PKM_ERR_NOMEM;
    }
    reads.bytes = (size_t)slots * (sizeof *reads.window + sizeof *reads.sums);
    *out = reads;
    return PKM_OK;
}

void pkm_slot_reads_release(pkm_slot_reads *reads)
{
    pkm_free(reads->window);
    pkm_free(reads->sums);
    *reads = (pkm_slot_reads){0};
}

void pkm_slot_reads_clear(pkm_slot_reads *reads)
{
    if (reads->window != NULL)
        memset(reads->window, 0, (size_t)reads->slots * sizeof *reads->window);
}

typedef struct reads_job {
    float *window;
    const pkm_row_hits *hits;
} reads_job;

static void add_block(int64_t block, int thread, void *user)
{
    const reads_job *job = user;
    const pkm_row_hits *hits = job->hits;
    int64_t end = pkm_min_i64((block + 1) * READ_GROUPS, hits->n_groups);

    (void)thread;
    for (int64_t g = block * READ_GROUPS; g < end; g++)
        for (int64_t i = hits->starts[g]; i < hits->starts[g + 1]; i++)
            job->window[hits->rows[g]] += fabsf(hits->weights[i]);
}

void pkm_slot_reads_add(pkm_slot_reads *reads, const pkm_row_hits *hits)
{
    reads_job job = {reads->window, hits};

    if (reads->window != NULL)
        pkm_parallel(pkm_ceil_div(hits->n_groups, READ_GROUPS), add_block, &job);
}
