/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/dense_few.h"

#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"
#include "dense/dense_copy.h"

/* Outputs per block: a few microseconds of reading. */
enum { BLOCK = 64 };

typedef struct few_job {
    pkm_dense_few *few;
    const float *master;
    void *y;
    pkm_dtype y_dtype;
    const float *x;
    const float *bias;
    int64_t n_rows;
} few_job;

/* The master's column of output o as a row; the reads are strided only for [n_in, n_out]. */
static void pack_row(int64_t o, int thread, void *user)
{
    const few_job *job = user;
    const pkm_dense_few *few = job->few;
    const float *from = job->master + o * few->out_step;

    (void)thread;
    for (int64_t i = 0; i < few->n_in; i++) {
        if (few->dtype == PKM_F32)
            ((float *)few->own)[o * few->n_in + i] = from[i * few->in_step];
        else
            ((uint16_t *)few->own)[o * few->n_in + i] = pkm_f32_to_bf16(from[i * few->in_step]);
    }
}

static pkm_status pack(pkm_dense_few *few, few_job *job)
{
    size_t count = pkm_size_product((size_t)few->n_in, (size_t)few->n_out);

    if (few->fresh)
        return PKM_OK;
    if (few->own == NULL) {
        few->own_bytes = pkm_size_product(count, pkm_dtype_bytes(few->dtype));
        PKM_TRY(pkm_pages_alloc(&few->own, few->own_bytes, "a weight for decoding"));
    }
    pkm_parallel(few->n_out, pack_row, job);
    few->rows = (pkm_dense_stored){.rows = few->own, .dtype = few->dtype};
    few->fresh = true;
    return PKM_OK;
}

/* The rows of the call as the kernels want them, in fp32. */
static pkm_status widen(pkm_dense_few *few, few_job *job, const void *x)
{
    size_t most = pkm_size_product(PKM_DENSE_FEW_ROWS, (size_t)few->n_in);

    job->x = x;
    if (few->dtype == PKM_F32)
        return PKM_OK;
    if (few->x == NULL)
        PKM_TRY(pkm_alloc((void **)&few->x, pkm_size_product(most, sizeof(float)),
                          "rows for decoding"));
    pkm_copy_converted(few->x, PKM_F32, x, few->dtype, job->n_rows * few->n_in);
    job->x = few->x;
    return PKM_OK;
}

static void few_block(int64_t block, int thread, void *user)
{
    const few_job *job = user;
    const pkm_dense_few *few = job->few;
    int64_t first = block * BLOCK, count = pkm_min_i64(BLOCK, few->n_out - first);
    const pkm_dense_stored *rows = &few->rows;
    const char *w =
        (const char *)rows->rows + (size_t)(first * few->n_in) * pkm_dtype_bytes(rows->dtype);
    float sums[PKM_DENSE_FEW_ROWS * BLOCK]; /* [n_rows, count] */

    (void)thread;
    pkm_kernels_get()->matvec[rows->dtype](sums, job->x, w, few->n_in, job->n_rows, count,
                                           few->n_in);
    for (int64_t r = 0; r < job->n_rows; r++) {
        float *row = sums + r * count;
        int64_t at = r * few->n_out + first;

        if (rows->dtype == PKM_I8)
            pkm_kernels_get()->vector_mul(row, row, rows->scales + first, count);
        for (int64_t j = 0; job->bias != NULL && j < count; j++)
            row[j] += job->bias[first + j];
        pkm_copy_converted((char *)job->y + (size_t)at * pkm_dtype_bytes(job->y_dtype),
                           job->y_dtype, row, PKM_F32, count);
    }
}

pkm_status pkm_dense_few_run(pkm_dense_few *few, const float *master, void *y, pkm_dtype y_dtype,
                             const void *x, const float *bias, int64_t n_rows)
{
    few_job job = {few, master, y, y_dtype, NULL, bias, n_rows};

    PKM_TRY(pack(few, &job));
    PKM_TRY(widen(few, &job, x));
    pkm_parallel(pkm_ceil_div(few->n_out, BLOCK), few_block, &job);
    return PKM_OK;
}

void pkm_dense_few_release(pkm_dense_few *few)
{
    pkm_free(few->x);
    pkm_pages_free(few->own, few->own_bytes);
}
