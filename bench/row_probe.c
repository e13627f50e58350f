/* SPDX-License-Identifier: Apache-2.0 */
#include "row_probe.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/size.h"
#include "base/threads.h"

/* Rows that a thread takes at a time; bytes that a way to walk is tried
 * on, and how often. */
enum { BLOCK_ROWS = 64, TRIAL_BYTES = 1 << 25, TRIALS = 5 };

typedef struct row_probe {
    pkm_row_walk walk;
    pkm_row_loop *loop;
    bool tuned;           /* the way has been found */
    int64_t first, n;     /* rows that come next, and how many */
    _Atomic uint32_t sum; /* of everything read */
} row_probe;

static pkm_row_loop *choose_loop(void)
{
    pkm_isa isa;

    if (pkm_isa_current(&isa) != PKM_OK)
        isa = PKM_ISA_REF;
#ifdef PKM_X86
    if (isa >= PKM_ISA_AVX512)
        return pkm_row_loop_avx512;
    if (isa >= PKM_ISA_AVX2)
        return pkm_row_loop_avx2;
#endif
    return pkm_row_loop_ref;
}

double pkm_row_walk_bytes(const pkm_row_walk *walk)
{
    double bytes = 0;

    for (int t = 0; t < walk->n_tables; t++)
        bytes += (double)walk->row_bytes[t];
    return walk->rewrite ? 2 * bytes : bytes;
}

static void walk_block(int64_t block, int thread, void *user)
{
    row_probe *probe = user;
    int64_t first = block * BLOCK_ROWS;
    int64_t last = pkm_min_i64(first + BLOCK_ROWS, probe->n);

    (void)thread;
    probe->sum ^= probe->loop(&probe->walk, probe->first + first, probe->first + last);
}

/* The next n rows; n at most a slice. */
static void walk_next(row_probe *probe, int64_t n)
{
    if (probe->first + n > probe->walk.n_ids)
        probe->first = 0;
    probe->n = n;
    pkm_parallel(pkm_ceil_div(n, BLOCK_ROWS), walk_block, probe);
    probe->first += n;
}

static double time_rows(row_probe *probe, int64_t n)
{
    uint64_t start_ns = pkm_clock_ns();

    walk_next(probe, n);
    return (double)(pkm_clock_ns() - start_ns) * 1e-9;
}

/* Few ways, which differ much: a trial finds warmer caches than a run, so that it cannot tell small
 * differences. They take turns, so that none has a quieter machine. */
static void find_way(row_probe *probe)
{
    static const struct {
        pkm_row_ask ask;
        int64_t ahead_bytes, group;
    } ways[] = {
        {PKM_ASK_NOWHERE, 0, 0},       {PKM_ASK_NOWHERE, 0, BLOCK_ROWS},
        {PKM_ASK_FIRST, 8 << 10, 0},   {PKM_ASK_FIRST, 8 << 10, BLOCK_ROWS},
        {PKM_ASK_SECOND, 64 << 10, 0}, {PKM_ASK_SECOND, 64 << 10, BLOCK_ROWS},
    };
    enum { WAYS = sizeof ways / sizeof ways[0] };
    int64_t most = (int64_t)(TRIAL_BYTES / pkm_row_walk_bytes(&probe->walk));
    int64_t n = pkm_min_i64(probe->walk.slice, pkm_max_i64(BLOCK_ROWS, most));
    pkm_row_walk fastest = probe->walk;
    double best_s = 0;

    for (int trial = 0; trial < TRIALS * WAYS; trial++) {
        int way = trial % WAYS;
        double seconds;

        probe->walk.ask = ways[way].ask;
        probe->walk.ahead = pkm_ceil_div(ways[way].ahead_bytes, probe->walk.row_bytes[0]);
        probe->walk.group = ways[way].group;
        seconds = time_rows(probe, n);
        if (trial == 0 || seconds < best_s) {
            best_s = seconds;
            fastest = probe->walk;
        }
    }
    probe->walk = fastest;
}

static pkm_status walk(void *user)
{
    row_probe *probe = user;

    if (!probe->tuned) { /* in the round that is not measured, under the threads of the task */
        find_way(probe);
        probe->first = 0;
    }
    probe->tuned = true;
    walk_next(probe, probe->walk.slice);
    return PKM_OK;
}

pkm_status pkm_row_probe_add(pkm_measure *measure, int *index, const char *name,
                             const pkm_row_walk *rows, int threads)
{
    pkm_task task = {.body = walk, .release = pkm_free, .ceiling = true, .threads = threads};
    row_probe *probe;

    PKM_TRY(pkm_alloc_array((void **)&probe, 1, sizeof *probe, "a probe"));
    probe->walk = *rows;
    probe->loop = choose_loop();
    task.bytes = (double)rows->slice * pkm_row_walk_bytes(rows);
    task.user = probe;
    task.items = (double)rows->slice;
    task.unit = "rows";
    snprintf(task.name, sizeof task.name, "%s", name);
    return pkm_measure_add(measure, index, &task);
}
