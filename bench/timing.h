/* SPDX-License-Identifier: Apache-2.0 */
/* The timing that benchmarks share; the tool does not see it. */
#ifndef PKM_BENCH_TIMING_H
#define PKM_BENCH_TIMING_H

#include "bench.h"

/* The work to time; called once unmeasured, then once per run. */
typedef pkm_status (*pkm_bench_body)(void *user);

/* Fills runs, min_s, median_s and max_s of figure; the first failure of body ends the loop. */
pkm_status pkm_bench_time(pkm_bench_figure *figure, int64_t runs, pkm_bench_body body, void *user);

/* The same from times measured elsewhere, seconds[0..runs), which are sorted. */
void pkm_bench_summarise(pkm_bench_figure *figure, double *seconds, int64_t runs);

#endif
