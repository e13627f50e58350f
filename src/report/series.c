/* SPDX-License-Identifier: Apache-2.0 */
#include "report/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Room for a full series and the point that pkm_series_end adds. */
static pkm_status grow(pkm_series *series)
{
    size_t larger = series->capacity == 0 ? 64 : 2 * series->capacity;

    if (larger > PKM_SERIES_POINTS)
        larger = PKM_SERIES_POINTS + 1;
    PKM_TRY(pkm_alloc_grow((void **)&series->points, series->count, larger, sizeof(pkm_point),
                           "a figure over a run"));
    series->capacity = larger;
    return PKM_OK;
}

static void flush(pkm_series *series)
{
    series->sum.value /= (double)series->n_summed;
    series->points[series->count++] = series->sum;
    series->sum.value = 0;
    series->n_summed = 0;
}

/* Two neighbours become one point. */
static void halve(pkm_series *series)
{
    series->count /= 2;
    series->stride *= 2;
    for (size_t i = 0; i < series->count; i++) {
        pkm_point one = series->points[2 * i], two = series->points[2 * i + 1];

        two.value = 0.5 * one.value + 0.5 * two.value;
        series->points[i] = two;
    }
}

pkm_status pkm_series_add(pkm_series *series, pkm_point point)
{
    if (series->capacity <= series->count + 1 && series->capacity <= PKM_SERIES_POINTS)
        PKM_TRY(grow(series));
    if (series->stride == 0)
        series->stride = 1;
    point.value += series->sum.value;
    series->sum = point;
    if (++series->n_summed < series->stride)
        return PKM_OK;
    flush(series);
    if (series->count == PKM_SERIES_POINTS)
        halve(series);
    return PKM_OK;
}

void pkm_series_end(pkm_series *series)
{
    if (series->n_summed > 0)
        flush(series);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

pkm_status pkm_series_median(const pkm_series *series, double *out)
{
    double *values;

    *out = NAN;
    if (series->count == 0)
        return PKM_OK;
    PKM_TRY(
        pkm_alloc_array((void **)&values, series->count, sizeof *values, "a figure over a run"));
    for (size_t i = 0; i < series->count; i++)
        values[i] = series->points[i].value;
    qsort(values, series->count, sizeof *values, by_value);
    *out = values[series->count / 2];
    pkm_free(values);
    return PKM_OK;
}

void pkm_series_release(pkm_series *series)
{
    pkm_free(series->points);
    *series = (pkm_series){0};
}
