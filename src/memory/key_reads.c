/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/key_reads.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/threads.h"

static size_t count_of(const pkm_key_reads *reads)
{
    return pkm_size_product(pkm_size_product((size_t)reads->heads, (size_t)reads->keys.parts),
                            (size_t)reads->keys.count);
}

static void carve(pkm_key_reads *reads, pkm_arena *arena)
{
    size_t count = count_of(reads);

    reads->window = pkm_arena_take(arena, count, sizeof *reads->window);
    reads->step = pkm_arena_take(arena, count, sizeof *reads->step);
    reads->donors = pkm_arena_take(arena, count, sizeof *reads->donors);
    reads->sums = pkm_arena_take(arena, count, sizeof *reads->sums);
}

pkm_status pkm_key_reads_init(pkm_key_reads *out, int64_t heads, const pkm_key_shape *keys)
{
    pkm_key_reads reads = {.heads = heads, .keys = *keys};
    pkm_arena arena = {0};
    void *memory;

    carve(&reads, &arena);
    reads.bytes = arena.used;
    PKM_TRY(pkm_alloc_array(&memory, arena.used, 1, "weights of sub-keys"));
    arena = (pkm_arena){.base = memory};
    carve(&reads, &arena);
    *out = reads;
    return PKM_OK;
}

void pkm_key_reads_release(pkm_key_reads *reads)
{
    pkm_free(reads->window);
    *reads = (pkm_key_reads){0};
}

void pkm_key_reads_clear(pkm_key_reads *reads)
{
    if (reads->window != NULL)
        memset(reads->window, 0, count_of(reads) * sizeof *reads->window);
}

void pkm_key_reads_begin(pkm_key_reads *reads, bool first)
{
    if (first && reads->window != NULL)
        memset(reads->step, 0, count_of(reads) * sizeof *reads->step);
}

typedef struct reads_job {
    pkm_key_reads *reads;
    const int32_t *ids;
    const float *weights;
    int64_t n_rows, topk;
} reads_job;

/* One head is one block: its sums have one writer. */
static void add_head(int64_t head, int thread, void *user)
{
    const reads_job *job = user;
    const pkm_key_shape keys = job->reads->keys;
    float *sums = job->reads->step + head * keys.parts * keys.count;

    (void)thread;
    for (int64_t row = 0; row < job->n_rows; row++) {
        int64_t at = (row * job->reads->heads + head) * job->topk;

        for (int64_t i = at; i < at + job->topk; i++) {
            uint32_t slot = (uint32_t)job->ids[i];
            float weight = fabsf(job->weights[i]);

            for (int part = 0; part < keys.parts; part++)
                sums[part * keys.count + pkm_key_of_slot(&keys, part, slot)] += weight;
        }
    }
}

void pkm_key_reads_add(pkm_key_reads *reads, const int32_t *ids, const float *weights,
                       int64_t n_rows, int64_t topk)
{
    reads_job job = {reads, ids, weights, n_rows, topk};

    if (reads->window != NULL)
        pkm_parallel(reads->heads, add_head, &job);
}

void pkm_key_reads_take(pkm_key_reads *reads)
{
    size_t count = reads->window != NULL ? count_of(reads) : 0;

    for (size_t i = 0; i < count; i++)
        reads->window[i] += reads->step[i];
}
