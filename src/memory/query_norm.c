/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/query_norm.h"

#include <math.h>

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

static void statistics_block(int64_t block, int thread, void *user)
{
    const norm_pass *pass = user;
    int64_t first, last = block_columns(pass, block, &first), n = pass->n_rows;
    double sum[BLOCK_COLUMNS] = {0}, squares[BLOCK_COLUMNS] = {0};

    (void)thread;
    for (int64_t row = 0; row < n; row++)
        for (int64_t c = first; c < last; c++)
            sum[c - first] += (double)pass->raw[row * pass->width + c];
    for (int64_t c = first; c < last; c++)
        sum[c - first] /= (double)n;
    for (int64_t row = 0; row < n; row++)
        for (int64_t c = first; c < last; c++) {
            double off = (double)pass->raw[row * pass->width + c] - sum[c - first];

            squares[c - first] += off * off;
        }
    for (int64_t c = first; c < last; c++) {
        double unbiased = squares[c - first] / (double)(n - 1);

        pass->mean[c] = (float)sum[c - first];
        pass->inverse[c] = (float)(1 / sqrt(squares[c - first] / (double)n + epsilon));
        pass->running_mean[c] =
            (float)((1 - momentum) * (double)pass->running_mean[c] + momentum * sum[c - first]);
        pass->running_var[c] =
            (float)((1 - momentum) * (double)pass->running_var[c] + momentum * unbiased);
    }
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

/* unit [width] of one row. */
static void normalise_row(const pkm_norm *norm, float *unit, const float *raw)
{
    if (norm->kind == PKM_NORM_LAYER) {
        for (int64_t c = 0; c < norm->width; c += norm->group)
            (void)normalise_group(unit + c, raw + c, norm->group);
        return;
    }
    for (int64_t c = 0; c < norm->width; c++)
        unit[c] = (raw[c] - norm->mean[c]) * norm->inverse[c];
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
        for (int64_t c = 0; c < norm->width; c++)
            q[c] = q[c] * norm->weight[c] + norm->bias[c];
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
static void batch_columns_backward(const norm_pass *pass, int64_t first, int64_t last,
                                   const double *sum, const double *sum_unit)
{
    const pkm_norm *norm = pass->norm;
    double part = pass->grad->batch ? 1 / (double)pass->n_rows : 0;

    for (int64_t row = 0; row < pass->n_rows; row++)
        for (int64_t c = first; c < last; c++) {
            int64_t at = row * norm->width + c;
            double off = part * (sum[c - first] + (double)pass->unit[at] * sum_unit[c - first]);

            pass->dq[at] = norm->inverse[c] * norm->weight[c] * (float)((double)pass->dq[at] - off);
        }
}

static void columns_block(int64_t block, int thread, void *user)
{
    const norm_pass *pass = user;
    int64_t first, last = block_columns(pass, block, &first);
    double sum[BLOCK_COLUMNS] = {0}, sum_unit[BLOCK_COLUMNS] = {0};

    (void)thread;
    for (int64_t row = 0; row < pass->n_rows; row++)
        for (int64_t c = first; c < last; c++) {
            int64_t at = row * pass->width + c;

            sum[c - first] += (double)pass->dq[at];
            sum_unit[c - first] += (double)pass->dq[at] * (double)pass->unit[at];
        }
    for (int64_t c = first; c < last; c++) {
        float *weight = pass->grad->weight + c, *bias = pass->grad->bias + c;

        *weight = (float)sum_unit[c - first] + (pass->grad->accumulate ? *weight : 0);
        *bias = (float)sum[c - first] + (pass->grad->accumulate ? *bias : 0);
    }
    if (pass->norm->kind == PKM_NORM_BATCH)
        batch_columns_backward(pass, first, last, sum, sum_unit);
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
