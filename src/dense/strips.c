/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/strips.h"

#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"

bool pkm_strips_win(pkm_dtype compute)
{
    pkm_isa level;

    return compute == PKM_BF16 && pkm_isa_current(&level) == PKM_OK && level >= PKM_ISA_AVX512;
}

/* Elements from one strip to the next. */
static int64_t strip_step(const pkm_strips *strips)
{
    return pkm_ceil_div(strips->k, PKM_STRIP_STEP) * PKM_STRIP_STEP * PKM_STRIP;
}

/* A piece of the weight that is converted at once: fits the nearest cache. */
enum { PIECE_ROWS = PKM_STRIP_STEP, PIECE = 512 };

typedef struct pack_job {
    const pkm_strips *strips;
    const float *master;
} pack_job;

/* Rows of B lie together: PIECE_ROWS of them. */
static void pack_rows(int64_t block, int thread, void *user)
{
    const pack_job *job = user;
    const pkm_strips *s = job->strips;
    int64_t first = block * PIECE_ROWS, rows = pkm_min_i64(PIECE_ROWS, s->k - first);
    uint16_t rounded[PIECE_ROWS * PIECE];

    (void)thread;
    for (int64_t j = 0; j < s->n; j += PIECE) {
        int64_t columns = pkm_min_i64(PIECE, s->n - j);
        int64_t at = j / PKM_STRIP * strip_step(s) + first * PKM_STRIP;
        const float *from = job->master + first * s->row_step + j;

        if (s->dtype == PKM_F32) {
            pkm_kernels_get()->pack_strips[PKM_F32]((float *)s->data + at, strip_step(s), from,
                                                    s->row_step, rows, columns);
            continue;
        }
        for (int64_t r = 0; r < rows; r++)
            pkm_kernels_get()->f32_to_bf16(rounded + r * PIECE, from + r * s->row_step, columns);
        pkm_kernels_get()->pack_strips[PKM_BF16]((uint16_t *)s->data + at, strip_step(s), rounded,
                                                 PIECE, rows, columns);
    }
}

/* Columns of B lie together: one strip of them. What a strip holds for one step, an f32 or a pair
 * of bf16, is 4 bytes, and is turned as such. */
static void pack_columns(int64_t strip, int thread, void *user)
{
    const pack_job *job = user;
    const pkm_strips *s = job->strips;
    int64_t first = strip * PKM_STRIP, columns = pkm_min_i64(PKM_STRIP, s->n - first);
    const float *from = job->master + first * s->column_step;
    size_t bytes = (size_t)strip_step(s) * pkm_dtype_bytes(s->dtype);
    float *to = (float *)(void *)((char *)s->data + (size_t)strip * bytes);
    uint16_t rounded[PKM_STRIP * PIECE];

    (void)thread;
    memset(to, 0, bytes);
    if (s->dtype == PKM_F32) {
        pkm_kernels_get()->transpose[PKM_F32](to, PKM_STRIP, from, s->column_step, columns, s->k);
        return;
    }
    for (int64_t l = 0; l < s->k; l += PIECE) {
        int64_t count = pkm_min_i64(PIECE, s->k - l), pairs = pkm_ceil_div(count, 2);

        for (int64_t c = 0; c < columns; c++) {
            pkm_kernels_get()->f32_to_bf16(rounded + c * PIECE, from + c * s->column_step + l,
                                           count);
            if (count % 2 != 0)
                rounded[c * PIECE + count] = 0;
        }
        pkm_kernels_get()->transpose[PKM_F32](to + l / 2 * PKM_STRIP, PKM_STRIP, rounded, PIECE / 2,
                                              columns, pairs);
    }
}

pkm_status pkm_strips_pack(pkm_strips *strips, const float *master)
{
    pack_job job = {strips, master};
    int64_t n_strips = pkm_ceil_div(strips->n, PKM_STRIP);

    if (strips->fresh)
        return PKM_OK;
    if (strips->data == NULL)
        PKM_TRY(pkm_alloc(
            &strips->data,
            pkm_size_product(pkm_size_product((size_t)n_strips, (size_t)strip_step(strips)),
                             pkm_dtype_bytes(strips->dtype)),
            "a packed weight"));
    if (strips->column_step == 1)
        pkm_parallel(pkm_ceil_div(strips->k, PIECE_ROWS), pack_rows, &job);
    else
        pkm_parallel(n_strips, pack_columns, &job);
    strips->fresh = true;
    return PKM_OK;
}

void pkm_strips_release(pkm_strips *strips)
{
    pkm_free(strips->data);
}

/* The part of a call that begins at row i and column j. */
static pkm_strip_product part(const pkm_strips *strips, const pkm_strip_product *call, int64_t i,
                              int64_t j, int64_t rows, int64_t columns)
{
    size_t element = pkm_dtype_bytes(strips->dtype), y_element = pkm_dtype_bytes(call->y_dtype);
    pkm_strip_product p = *call;

    p.m = rows;
    p.n = columns;
    p.k = strips->k;
    p.b_strip = strip_step(strips);
    p.a = (const char *)call->a + (size_t)(i * call->a_row) * element;
    p.b = (const char *)strips->data + (size_t)(j / PKM_STRIP * p.b_strip) * element;
    p.y = (char *)call->y + (size_t)(i * call->y_row + j) * y_element;
    if (call->bias != NULL)
        p.bias = call->bias + j;
    if (call->base != NULL)
        p.base = (const char *)call->base + (size_t)(i * call->base_row + j) * y_element;
    if (call->gelu != NULL)
        p.gelu = (char *)call->gelu + (size_t)(i * call->gelu_row + j) * y_element;
    return p;
}

typedef struct rows_job {
    const pkm_strips *strips;
    const pkm_strip_product *call;
    int64_t block_rows, block_columns, n_columns; /* of the cut; column blocks */
} rows_job;

static void rows_block(int64_t block, int thread, void *user)
{
    const rows_job *job = user;
    int64_t i = block / job->n_columns * job->block_rows;
    int64_t j = block % job->n_columns * job->block_columns;
    pkm_strip_product p =
        part(job->strips, job->call, i, j, pkm_min_i64(job->block_rows, job->call->m - i),
             pkm_min_i64(job->block_columns, job->strips->n - j));

    (void)thread;
    pkm_kernels_get()->strip_product[job->strips->dtype](&p);
}

/* Rows whose bytes leave most of a second-level cache of 1 MiB to the strips that pass by: the more
 * rows, the less often the weight is read. */
static int64_t rows_per_block(const pkm_strips *strips)
{
    enum { CACHED = 512 << 10, LEAST = 128, MOST = 512 };
    int64_t row = strips->k * (int64_t)pkm_dtype_bytes(strips->dtype);

    return pkm_max_i64(LEAST, pkm_min_i64(MOST, CACHED / row / 32 * 32));
}

void pkm_strips_rows(const pkm_strips *strips, const pkm_strip_product *call)
{
    enum { TASKS_PER_THREAD = 4, COLUMNS = 64 };
    rows_job job = {.strips = strips, .call = call, .block_rows = rows_per_block(strips)};
    int64_t wanted = TASKS_PER_THREAD * pkm_threads(), n_rows, n_columns;

    if (call->m < wanted * job.block_rows)
        job.block_rows = 128;
    n_rows = pkm_ceil_div(call->m, job.block_rows);
    n_columns =
        pkm_min_i64(pkm_ceil_div(wanted, pkm_max_i64(1, n_rows)), pkm_ceil_div(strips->n, COLUMNS));
    job.block_columns = pkm_ceil_div(pkm_ceil_div(strips->n, n_columns), COLUMNS) * COLUMNS;
    job.n_columns = pkm_ceil_div(strips->n, job.block_columns);
    pkm_parallel(n_rows * job.n_columns, rows_block, &job);
}
