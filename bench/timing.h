/* SPDX-License-Identifier: Apache-2.0 */
/* The timing loop that benchmarks share; the tool does not see it. */
#ifndef PKM_BENCH_TIMING_H
#define PKM_BENCH_TIMING_H

#include "bench.h"

/* The work to time; called once unmeasured, then once per run. */
typedef pkm_status (*pkm_bench_body)(void *user);

/* Fills runs, min_s, median_s and max_s of figure; the first failure of body ends the loop. */
pkm_status pkm_bench_time(pkm_bench_figure *figure, int64_t runs, pkm_bench_body body, void *user);

#endif
