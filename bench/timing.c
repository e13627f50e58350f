/* SPDX-License-Identifier: Apache-2.0 */
#include "timing.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void pkm_bench_summarise(pkm_bench_figure *figure, double *seconds, int64_t runs)
{
    qsort(seconds, (size_t)runs, sizeof *seconds, compare_doubles);
    figure->runs = runs;
    figure->min_s = seconds[0];
    figure->median_s = (seconds[(runs - 1) / 2] + seconds[runs / 2]) / 2;
    figure->max_s = seconds[runs - 1];
}

static pkm_status time_runs(double *seconds, int64_t runs, pkm_bench_body body, void *user)
{
    PKM_TRY(body(user)); /* warms caches, pages and clocks */
    for (int64_t run = 0; run < runs; run++) {
        uint64_t start_ns = pkm_clock_ns();

        PKM_TRY(body(user));
        seconds[run] = (double)(pkm_clock_ns() - start_ns) * 1e-9;
    }
    return PKM_OK;
}

pkm_status pkm_bench_time(pkm_bench_figure *figure, int64_t runs, pkm_bench_body body, void *user)
{
    double *seconds;
    pkm_status status;

    if (runs < 1)
        return pkm_fail(PKM_ERR_ARG, "runs is %lld: expected at least 1", (long long)runs);
    PKM_TRY(pkm_alloc_array((void **)&seconds, (size_t)runs, sizeof *seconds, "timings"));
    status = time_runs(seconds, runs, body, user);
    if (status == PKM_OK)
        pkm_bench_summarise(figure, seconds, runs);
    pkm_free(seconds);
    return status;
}
