/* SPDX-License-Identifier: Apache-2.0 */
/* A figure over the steps of a run, in bounded memory: of a long run, means of neighbours. */
#ifndef PKM_REPORT_SERIES_H
#define PKM_REPORT_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { PKM_SERIES_POINTS = 2048 }; /* at most; more than a plot has pixels */

typedef struct pkm_point {
    double step, tokens, value;
} pkm_point;

typedef struct pkm_series {
    pkm_point *points; /* [count], in the order they came; step and tokens of the last of a mean */
    size_t count, capacity;
    int64_t stride;   /* how many that came make a point */
    pkm_point sum;    /* of those that do not make one yet */
    int64_t n_summed; /* how many they are */
} pkm_series;

pkm_status pkm_series_add(pkm_series *series, pkm_point point);
/* After the last one: those that do not make a point make one all the same. */
void pkm_series_end(pkm_series *series);
/* The value in the middle of all; NaN if there are none. */
pkm_status pkm_series_median(const pkm_series *series, double *out);
void pkm_series_release(pkm_series *series);

#endif
