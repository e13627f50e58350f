/* SPDX-License-Identifier: Apache-2.0 */
/* One case per family of kernels: a call on operands that all cases share, and what it costs. */
#ifndef PKM_BENCH_KERNEL_CASES_H
#define PKM_BENCH_KERNEL_CASES_H

#include "base/error.h"
#include "kernels/kernels.h"

/* Matrices [n, width], n a multiple of 32, width of 64; count is n * width. */
typedef struct pkm_kernel_data {
    int64_t n, width, count;
    void *in[PKM_READ_DTYPES];     /* [count] in each dtype */
    void *square[PKM_READ_DTYPES]; /* [width, width] the same */
    float *a, *b, *c, *out, *v;    /* [count]; v: moments, which are not negative */
    uint16_t *narrow;              /* [2 count] */
    int32_t *rows;                 /* [n] in order */
    int32_t *sources;              /* [2 n] rows at random */
    int64_t *starts;               /* [n + 1] of groups of two hits */
    float *weights;                /* [2 n] */
    int32_t *found;                /* [count] */
    pkm_select_plan plan;          /* the best width / 8 of width * width */
    pkm_select_scratch scratch;
    void *memory; /* of all of that */
} pkm_kernel_data;

pkm_status pkm_kernel_data_create(pkm_kernel_data *out, int64_t n, int64_t width);
void pkm_kernel_data_release(pkm_kernel_data *data);

typedef struct pkm_kernel_cost {
    double bytes, flops; /* read and written, each element once; multiply and add counted apart */
    pkm_dtype compute;   /* whose products the flops are */
} pkm_kernel_cost;

/* Calls fn, which stands at place `variant` of the family's fields: mostly that of its dtype. */
typedef pkm_kernel_cost pkm_kernel_run(pkm_kernel_fn fn, pkm_kernel_data *data, int variant);

/* The case of a row of the table of kernels, and its variant; NULL: the family has none. */
pkm_kernel_run *pkm_kernel_case(const pkm_kernel_row *row, int *variant);

#endif
