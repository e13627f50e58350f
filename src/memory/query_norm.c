/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/query_norm.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "base/threads.h"

static const double epsilon = 1e-5, momentum = 0.1;

/* Columns per block: whole cache lines of a row; rows per block of what runs row by row. */
enum { BLOCK_COLUMNS = 64, BLOCK_ROWS = 32 };

typedef struct norm_pass {
    const pkm_norm *norm;
    pkm_norm_grad *grad;
    const float *raw;
    float *q, *dq, *unit; /* [n_rows, width]; unit: raw normalised, before weight and bias */
    float *mean, *inverse, *running_mean, *running_var;
    int64_t n_rows, width;
} norm_pass;

/* The columns of a block: first .. return value - 1. */
static int64_t block_columns(const norm_pass *pass, int64_t block, int64_t *first)
{
    *first = block * BLOCK_COLUMNS;
    return pkm_min_i64(*first + BLOCK_COLUMNS, pass->width);
}

/* What follows for the n columns from `first` on is compiled twice, once for whole blocks, of which
 * compilers make vectors: */
#define COLUMNS static inline __attribute__((always_inline))

COLUMNS void statistics_columns(const norm_pass *pass, int64_t first, const int64_t n)
{
    const float *raw = pass->raw + first;
    double mean[BLOCK_COLUMNS] = {0}, squares[BLOCK_COLUMNS] = {0};
    double rows = (double)pass->n_rows;

    for (int64_t row = 0; row < pass->n_rows; row++)
        for (int64_t c = 0; c < n; c++)
            mean[c] += (double)raw[row * pass->width + c];
    for (int64_t c = 0; c < n; c++)
        mean[c] /= rows;
    for (int64_t row = 0; row < pass->n_rows; row++)
        for (int64_t c = 0; c < n; c++) {
            double off = (double)raw[row * pass->width + c] - mean[c];

            squares[c] += off * off;
        }
    for (int64_t c = 0; c < n; c++) {
        float *running_mean = pass->running_mean + first + c;
        float *running_var = pass->running_var + first + c;
        double unbiased = squares[c] / (rows - 1);

        pass->mean[first + c] = (float)mean[c];
        pass->inverse[first + c] = (float)(1 / sqrt(squares[c] / rows + epsilon));
        *running_mean = (float)((1 - momentum) * (double)*running_mean + momentum * mean[c]);
        *running_var = (float)((1 - momentum) * (double)*running_var + momentum * unbiased);
    }
}

static void statistics_block(int64_t block, int thread, void *user)
{
    int64_t first, last = block_columns(user, block, &first);

    (void)thread;
    if (last - first == BLOCK_COLUMNS)
        statistics_columns(user, first, BLOCK_COLUMNS);
    else
        statistics_columns(user, first, last - first);
}

void pkm_norm_batch_statistics(float *mean, float *inverse, float *running_mean, float *running_var,
                               const float *raw, int64_t n_rows, int64_t width)
{
    norm_pass pass = {.raw = raw,
                      .mean = mean,
                      .inverse = inverse,
                      .running_mean = running_mean,
                      .running_var = running_var,
                      .n_rows = n_rows,
                      .width = width};

    pkm_parallel(pkm_ceil_div(width, BLOCK_COLUMNS), statistics_block, &pass);
}

void pkm_norm_running_statistics(float *mean, float *inverse, const float *running_mean,
                                 const float *running_var, int64_t width)
{
    for (int64_t c = 0; c < width; c++) {
        mean[c] = running_mean[c];
        inverse[c] = (float)(1 / sqrt((double)running_var[c] + epsilon));
    }
}

/* unit [n] = (raw - mean) / sqrt(variance + eps) of one group; returns 1 / sqrt(...). */
static float normalise_group(float *unit, const float *raw, int64_t n)
{
    double mean = 0, squares = 0;
    float inverse;

    for (int64_t i = 0; i < n; i++)
        mean += (double)raw[i];
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)raw[i] - mean) * ((double)raw[i] - mean);
    inverse = (float)(1 / sqrt(squares / (double)n + epsilon));
    for (int64_t i = 0; i < n; i++)
        unit[i] = (raw[i] - (float)mean) * inverse;
    return inverse;
}

/* Of one row, with the statistics of the batch. unit may be raw. */
COLUMNS void normalise_columns(const pkm_norm *norm, float *unit, const float *raw, int64_t first,
                               const int64_t n)
{
    const float *restrict mean = norm->mean + first, *restrict inverse = norm->inverse + first;
    float x[BLOCK_COLUMNS];

    for (int64_t c = 0; c < n; c++)
        x[c] = (raw[first + c] - mean[c]) * inverse[c];
    memcpy(unit + first, x, (size_t)n * sizeof *x);
}

COLUMNS void scale_columns(const pkm_norm *norm, float *q, int64_t first, const int64_t n)
{
    const float *restrict weight = norm->weight + first, *restrict bias = norm->bias + first;
    float x[BLOCK_COLUMNS];

    for (int64_t c = 0; c < n; c++)
        x[c] = q[first + c] * weight[c] + bias[c];
    memcpy(q + first, x, (size_t)n * sizeof *x);
}

/* unit [width] of one row. */
static void normalise_row(const pkm_norm *norm, float *unit, const float *raw)
{
    int64_t c = 0;

    if (norm->kind == PKM_NORM_LAYER) {
        for (; c < norm->width; c += norm->group)
            (void)normalise_group(unit + c, raw + c, norm->group);
        return;
    }
    for (; c + BLOCK_COLUMNS <= norm->width; c += BLOCK_COLUMNS)
        normalise_columns(norm, unit, raw, c, BLOCK_COLUMNS);
    normalise_columns(norm, unit, raw, c, norm->width - c);
}

static void scale_row(const pkm_norm *norm, float *q)
{
    int64_t c = 0;

    for (; c + BLOCK_COLUMNS <= norm->width; c += BLOCK_COLUMNS)
        scale_columns(norm, q, c, BLOCK_COLUMNS);
    scale_columns(norm, q, c, norm->width - c);
}

static void forward_block(int64_t block, int thread, void *user)
{
    const norm_pass *pass = user;
    const pkm_norm *norm = pass->norm;
    int64_t last = pkm_min_i64((block + 1) * BLOCK_ROWS, pass->n_rows);

    (void)thread;
    for (int64_t row = block * BLOCK_ROWS; row < last; row++) {
        float *q = pass->q + row * norm->width;

        normalise_row(norm, q, pass->raw + row * norm->width);
        scale_row(norm, q);
    }
}

void pkm_norm_forward(const pkm_norm *norm, float *q, const float *raw, int64_t n_rows)
{
    norm_pass pass = {.norm = norm, .q = q, .raw = raw, .n_rows = n_rows};

    pkm_parallel(pkm_ceil_div(n_rows, BLOCK_ROWS), forward_block, &pass);
}

/*
 * With u = unit(raw), q = weight u + bias and d = dL/dq, per column
 *
 *   dL/dbias = sum d,  dL/dweight = sum d u                                 over the rows
 *
 * and, with r = 1 / sqrt(variance + eps), g = d weight and means over what the statistics are of
 * (rows of a column: batch; features of a group: layer)
 *
 *   dL/draw = r (g - mean(g) - u mean(g u));   r g where the statistics are given.
 *
 * For the batch norm the means are dL/dbias and dL/dweight times weight / n.
 */
static void layer_group_backward(float *d, const float *weight, const float *unit, float inverse,
                                 int64_t n)
{
    double mean = 0, mean_unit = 0;

    for (int64_t i = 0; i < n; i++) {
        d[i] *= weight[i];
        mean += (double)d[i];
        mean_unit += (double)d[i] * (double)unit[i];
    }
    mean /= (double)n;
    mean_unit /= (double)n;
    for (int64_t i = 0; i < n; i++)
        d[i] = inverse * (float)((double)d[i] - mean - (double)unit[i] * mean_unit);
}

static void layer_backward_block(int64_t block, int thread, void *user)
{
    const norm_pass *pass = user;
    const pkm_norm *norm = pass->norm;
    int64_t last = pkm_min_i64((block + 1) * BLOCK_ROWS, pass->n_rows);

    (void)thread;
    for (int64_t row = block * BLOCK_ROWS; row < last; row++)
        for (int64_t c = 0; c < norm->width; c += norm->group) {
            int64_t at = row * norm->width + c;
            float inverse = normalise_group(pass->unit + at, pass->raw + at, norm->group);

            layer_group_backward(pass->dq + at, norm->weight + c, pass->unit + at, inverse,
                                 norm->group);
        }
}

static void unit_block(int64_t block, int thread, void *user)
{
    const norm_pass *pass = user;
    int64_t width = pass->norm->width, last = pkm_min_i64((block + 1) * BLOCK_ROWS, pass->n_rows);

    (void)thread;
    for (int64_t row = block * BLOCK_ROWS; row < last; row++)
        normalise_row(pass->norm, pass->unit + row * width, pass->raw + row * width);
}

/* dL/draw of some columns of a batch norm, given their sums of d and d u. */
COLUMNS void batch_columns_backward(const norm_pass *pass, int64_t first, const int64_t n,
                                    const double *sum, const double *sum_unit)
{
    const pkm_norm *norm = pass->norm;
    double part = pass->grad->batch ? 1 / (double)pass->n_rows : 0;
    float scale[BLOCK_COLUMNS], d[BLOCK_COLUMNS];

    for (int64_t c = 0; c < n; c++)
        scale[c] = norm->inverse[first + c] * norm->weight[first + c];
    for (int64_t row = 0; row < pass->n_rows; row++) {
        float *dq = pass->dq + row * norm->width + first;
        const float *unit = pass->unit + row * norm->width + first;

        for (int64_t c = 0; c < n; c++)
            d[c] =
                scale[c] * (float)((double)dq[c] - part * (sum[c] + (double)unit[c] * sum_unit[c]));
        memcpy(dq, d, (size_t)n * sizeof *d);
    }
}

COLUMNS void columns_backward(const norm_pass *pass, int64_t first, const int64_t n)
{
    double sum[BLOCK_COLUMNS] = {0}, sum_unit[BLOCK_COLUMNS] = {0};

    for (int64_t row = 0; row < pass->n_rows; row++) {
        const float *dq = pass->dq + row * pass->width + first;
        const float *unit = pass->unit + row * pass->width + first;

        for (int64_t c = 0; c < n; c++)
            sum[c] += (double)dq[c];
        for (int64_t c = 0; c < n; c++)
            sum_unit[c] += (double)dq[c] * (double)unit[c];
    }
    for (int64_t c = 0; c < n; c++) {
        float *weight = pass->grad->weight + first + c, *bias = pass->grad->bias + first + c;

        *weight = (float)sum_unit[c] + (pass->grad->accumulate ? *weight : 0);
        *bias = (float)sum[c] + (pass->grad->accumulate ? *bias : 0);
    }
    if (pass->norm->kind == PKM_NORM_BATCH)
        batch_columns_backward(pass, first, n, sum, sum_unit);
}

static void columns_block(int64_t block, int thread, void *user)
{
    int64_t first, last = block_columns(user, block, &first);

    (void)thread;
    if (last - first == BLOCK_COLUMNS)
        columns_backward(user, first, BLOCK_COLUMNS);
    else
        columns_backward(user, first, last - first);
}

void pkm_norm_backward(const pkm_norm *norm, pkm_norm_grad *grad, float *dq, const float *raw,
                       int64_t n_rows, float *scratch)
{
    norm_pass pass = {.norm = norm,
                      .grad = grad,
                      .raw = raw,
                      .dq = dq,
                      .unit = scratch,
                      .n_rows = n_rows,
                      .width = norm->width};
    int64_t row_blocks = pkm_ceil_div(n_rows, BLOCK_ROWS);

    if (norm->kind == PKM_NORM_NONE)
        return;
    pkm_parallel(row_blocks, unit_block, &pass);
    pkm_parallel(pkm_ceil_div(norm->width, BLOCK_COLUMNS), columns_block, &pass);
    if (norm->kind == PKM_NORM_LAYER)
        pkm_parallel(row_blocks, layer_backward_block, &pass);
}
