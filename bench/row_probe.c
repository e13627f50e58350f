/* SPDX-License-Identifier: Apache-2.0 */
#include "row_probe.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/size.h"
#include "base/threads.h"

/* Rows that a thread takes at a time. */
enum { BLOCK_ROWS = 64 };

typedef struct row_probe {
    pkm_row_walk walk;
    pkm_row_loop *loop;
    bool tuned;           /* walk.ahead has been found */
    int64_t first;        /* of the slice that comes next */
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

static void walk_block(int64_t block, int thread, void *user)
{
    row_probe *probe = user;
    int64_t first = block * BLOCK_ROWS;
    int64_t last = pkm_min_i64(first + BLOCK_ROWS, probe->walk.slice);

    (void)thread;
    probe->sum ^= probe->loop(&probe->walk, probe->first + first, probe->first + last);
}

static void walk_slice(row_probe *probe)
{
    pkm_parallel(pkm_ceil_div(probe->walk.slice, BLOCK_ROWS), walk_block, probe);
    probe->first = (probe->first + probe->walk.slice) % probe->walk.n_ids;
}

static double best_of_three(row_probe *probe)
{
    double best = 0;

    for (int i = 0; i < 3; i++) {
        uint64_t start_ns = pkm_clock_ns();
        double ns;

        walk_slice(probe);
        ns = (double)(pkm_clock_ns() - start_ns);
        if (i == 0 || ns < best)
            best = ns;
    }
    return best;
}

static void find_ahead(row_probe *probe)
{
    static const struct {
        pkm_row_ask ask;
        int64_t ahead;
    } ways[] = {
        {PKM_ASK_NOWHERE, 0}, {PKM_ASK_FIRST, 1},   {PKM_ASK_FIRST, 2},   {PKM_ASK_FIRST, 4},
        {PKM_ASK_FIRST, 8},   {PKM_ASK_FIRST, 16},  {PKM_ASK_SECOND, 4},  {PKM_ASK_SECOND, 8},
        {PKM_ASK_SECOND, 16}, {PKM_ASK_SECOND, 32}, {PKM_ASK_SECOND, 64}, {PKM_ASK_SECOND, 128},
    };
    pkm_row_walk fastest = probe->walk;
    double best = 0;

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        double ns;

        probe->walk.ask = ways[i].ask;
        probe->walk.ahead = ways[i].ahead;
        ns = best_of_three(probe);
        if (i == 0 || ns < best) {
            best = ns;
            fastest = probe->walk;
        }
    }
    probe->walk = fastest;
}

static pkm_status walk(void *user)
{
    row_probe *probe = user;

    if (!probe->tuned) /* in the round that is not measured, under the threads of the task */
        find_ahead(probe);
    probe->tuned = true;
    walk_slice(probe);
    return PKM_OK;
}

double pkm_row_walk_bytes(const pkm_row_walk *walk)
{
    double bytes = 0;

    for (int t = 0; t < walk->n_tables; t++)
        bytes += (double)walk->row_bytes[t];
    return walk->rewrite ? 2 * bytes : bytes;
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
