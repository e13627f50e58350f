/* SPDX-License-Identifier: Apache-2.0 */
#include "peak.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/dtype.h"
#include "base/threads.h"

/* Rounds of a thread in one run: milliseconds, of which waking the other threads (some 50 us) is
 * little. */
enum { STEPS = 1000000 };

typedef struct peak_row {
    pkm_dtype dtype;
    pkm_isa isa;
    pkm_peak_loop *loop;
    double flops; /* of a step */
} peak_row;

/* For each dtype, lower levels stand first. */
static const peak_row rows[] = {
    {PKM_F32, PKM_ISA_REF, pkm_peak_f32_ref, PKM_PEAK_CHAINS * 2},
    {PKM_BF16, PKM_ISA_REF, pkm_peak_f32_ref, PKM_PEAK_CHAINS * 2},
#ifdef PKM_ARM
    {PKM_F32, PKM_ISA_NEON, pkm_peak_f32_neon, PKM_PEAK_CHAINS * 4 * 2},
    {PKM_BF16, PKM_ISA_NEON, pkm_peak_f32_neon, PKM_PEAK_CHAINS * 4 * 2},
#endif
#ifdef PKM_X86
    {PKM_F32, PKM_ISA_AVX2, pkm_peak_f32_avx2, PKM_PEAK_CHAINS * 8 * 2},
    {PKM_F32, PKM_ISA_AVX512, pkm_peak_f32_avx512, PKM_PEAK_CHAINS * 16 * 2},
    {PKM_BF16, PKM_ISA_AVX2, pkm_peak_f32_avx2, PKM_PEAK_CHAINS * 8 * 2},
    {PKM_BF16, PKM_ISA_AVX512, pkm_peak_f32_avx512, PKM_PEAK_CHAINS * 16 * 2},
    {PKM_BF16, PKM_ISA_AVX512BF16, pkm_peak_bf16_avx512bf16, PKM_PEAK_CHAINS * 32 * 2},
    {PKM_BF16, PKM_ISA_AMX, pkm_peak_bf16_amx, (double)PKM_PEAK_TILES *PKM_PEAK_TILE_FLOPS},
#endif
};

typedef struct peak_run {
    const peak_row *row;
    _Atomic float sum;
} peak_run;

static const peak_row *choose_row(pkm_dtype dtype)
{
    const peak_row *best = NULL;
    pkm_isa isa;

    if (pkm_isa_current(&isa) != PKM_OK)
        isa = PKM_ISA_REF;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].dtype == dtype && rows[i].isa <= isa)
            best = &rows[i];
    return best;
}

static void run_block(int64_t block, int thread, void *user)
{
    peak_run *run = user;

    (void)block;
    (void)thread;
    run->sum = run->row->loop(STEPS);
}

static pkm_status run_all(void *user)
{
    pkm_parallel(pkm_threads(), run_block, user);
    return PKM_OK;
}

pkm_status pkm_peak_add(pkm_measure *measure, int *index, pkm_dtype dtype, int threads)
{
    pkm_task task = {.body = run_all, .release = pkm_free, .ceiling = true, .threads = threads};
    peak_run *run;

    PKM_TRY(pkm_alloc_array((void **)&run, 1, sizeof *run, "a probe"));
    run->row = choose_row(dtype);
    task.user = run;
    task.flops = run->row->flops * STEPS * (threads > 0 ? threads : pkm_threads());
    snprintf(task.name, sizeof task.name, "peak %s %s", pkm_dtype_name(dtype),
             pkm_isa_name(run->row->isa));
    return pkm_measure_add(measure, index, &task);
}
