/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gradient of a weight by strip products. c is cut into blocks; for each the thread that has it
 * goes through the rows in chunks: turns its columns of left, packs those of right into strips, and
 * adds their product to the block, all in its second-level cache. A column is so packed once per
 * block it belongs to, which costs less than to share packed operands between threads by way of
 * slower memory.
 */
#include <string.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/threads.h"
#include "dense/dense_scratch.h"
#include "dense/strips.h"
#include "kernels/kernels.h"

enum {
    CHUNK = 512,   /* rows; sets the order of sums, and so the bits */
    SUM_ROWS = 32, /* of which column sums are taken in fp32 at a time */
    MOST_LEFT = 256,
    MOST_RIGHT = 512, /* columns of a block: operands and sums fit 2 MiB */
    UNIT = 32
};

typedef struct gradient_job {
    const pkm_strips_gradient *call;
    const void *left, *right; /* those of the call, the narrower one left */
    int64_t m, n, row_step, column_step;
    bool sums_left, sums_right;
    int64_t block_m, block_n, n_blocks_n;
    char *scratch; /* of thread 0 */
    size_t thread_bytes;
} gradient_job;

/* Of one thread. */
typedef struct gradient_room {
    void *turned; /* [block_m, CHUNK] */
    void *strips; /* [CHUNK, block_n] in strips */
    float *block; /* [block_m, block_n] */
    float *part;  /* column sums of SUM_ROWS */
    double *sums; /* NULL: none are wanted */
} gradient_room;

static gradient_room carve(const gradient_job *job, pkm_arena *arena)
{
    size_t element = pkm_dtype_bytes(job->call->dtype);
    size_t m = (size_t)job->block_m, n = (size_t)job->block_n, widest = m > n ? m : n;
    size_t block = pkm_size_product(pkm_size_product(m, n), sizeof(float));
    size_t strips = pkm_size_product(pkm_size_product(n, CHUNK), element);
    gradient_room room;

    room.turned = pkm_arena_take(arena, pkm_size_product(m, CHUNK), element);
    /* In the end the block is turned there. */
    room.strips = pkm_arena_take(arena, strips > block ? strips : block, 1);
    room.block = pkm_arena_take(arena, block, 1);
    room.part = pkm_arena_take(arena, widest, sizeof(float));
    room.sums = job->call->sums == NULL ? NULL : pkm_arena_take(arena, widest, sizeof(double));
    return room;
}

static void clear_sums(const gradient_room *room, int64_t width)
{
    for (int64_t j = 0; j < width; j++)
        room->sums[j] = 0;
}

/* sums += the column sums of `rows` rows [n_rows, width] at `from`. */
static void sum_columns(const gradient_room *room, const char *from, int64_t step, int64_t rows,
                        int64_t width, pkm_dtype dtype)
{
    for (int64_t r = 0; r < rows; r += SUM_ROWS) {
        pkm_kernels_get()->column_sums[dtype](room->part,
                                              from + (size_t)(r * step) * pkm_dtype_bytes(dtype),
                                              step, pkm_min_i64(SUM_ROWS, rows - r), width);
        for (int64_t j = 0; j < width; j++)
            room->sums[j] += (double)room->part[j];
    }
}

static void finish_sums(const gradient_job *job, const gradient_room *room, int64_t first,
                        int64_t width)
{
    float *out = job->call->sums + first;

    for (int64_t j = 0; j < width; j++)
        out[j] = (float)(room->sums[j] + (job->call->add_sums ? (double)out[j] : 0.0));
}

/* out [rows, columns] = or += block */
static void write_block(const gradient_job *job, const float *block, int64_t block_row, float *out,
                        int64_t out_row, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r++, block += block_row, out += out_row) {
        if (job->call->add)
            pkm_kernels_get()->vector_add(out, out, block, columns);
        else
            memcpy(out, block, (size_t)columns * sizeof *out);
    }
}

static void gradient_block(int64_t index, int thread, void *user)
{
    const gradient_job *job = user;
    const pkm_kernels *kernels = pkm_kernels_get();
    pkm_arena arena = {.base = job->scratch + (size_t)thread * job->thread_bytes};
    gradient_room room = carve(job, &arena);
    pkm_dtype dtype = job->call->dtype;
    size_t element = pkm_dtype_bytes(dtype);
    int64_t i = index / job->n_blocks_n * job->block_m, j = index % job->n_blocks_n * job->block_n;
    int64_t m = pkm_min_i64(job->block_m, job->m - i), n = pkm_min_i64(job->block_n, job->n - j);
    bool sums_left = room.sums != NULL && job->sums_left && j == 0;
    bool sums_right = room.sums != NULL && job->sums_right && i == 0;
    float *out = job->call->c + i * job->row_step + j * job->column_step;
    pkm_strip_product p = {.m = m,
                           .n = n,
                           .a = room.turned,
                           .b = room.strips,
                           .a_row = CHUNK,
                           .b_strip = CHUNK * PKM_STRIP,
                           .y = room.block,
                           .y_dtype = PKM_F32,
                           .y_row = n,
                           .base_row = n};

    if (sums_left || sums_right)
        clear_sums(&room, sums_left ? m : n);
    for (int64_t first = 0; first == 0 || first < job->call->n_rows; first += CHUNK) {
        int64_t rows = pkm_min_i64(CHUNK, job->call->n_rows - first);
        const char *left = (const char *)job->left + (size_t)(first * job->m + i) * element;
        const char *right = (const char *)job->right + (size_t)(first * job->n + j) * element;

        kernels->transpose[dtype](room.turned, CHUNK, left, job->m, rows, m);
        kernels->pack_strips[dtype](room.strips, CHUNK * PKM_STRIP, right, job->n, rows, n);
        if (sums_left)
            sum_columns(&room, left, job->m, rows, m, dtype);
        if (sums_right)
            sum_columns(&room, right, job->n, rows, n, dtype);
        p.k = rows;
        p.base = first > 0 ? room.block : NULL;
        kernels->strip_product[dtype](&p);
    }
    if (job->column_step == 1) {
        write_block(job, room.block, n, out, job->row_step, m, n);
    } else {
        kernels->transpose[PKM_F32](room.strips, m, room.block, n, m, n);
        write_block(job, room.strips, m, out, job->column_step, n, m);
    }
    if (sums_left)
        finish_sums(job, &room, i, m);
    if (sums_right)
        finish_sums(job, &room, j, n);
}

/* Blocks as large as they may be, unless threads would be left without. */
static void cut(gradient_job *job)
{
    int64_t n_m = pkm_ceil_div(job->m, MOST_LEFT);
    int64_t n_n = pkm_max_i64(pkm_ceil_div(job->n, MOST_RIGHT), pkm_ceil_div(pkm_threads(), n_m));

    job->block_m = pkm_ceil_div(pkm_ceil_div(job->m, n_m), UNIT) * UNIT;
    job->block_n = pkm_ceil_div(pkm_ceil_div(job->n, n_n), UNIT) * UNIT;
    job->n_blocks_n = pkm_ceil_div(job->n, job->block_n);
}

pkm_status pkm_strips_gradient_run(const pkm_strips_gradient *gradient, pkm_dense_scratch *scratch)
{
    const pkm_strips_gradient *g = gradient;
    bool swap = g->m > g->n;
    gradient_job job = {.call = g,
                        .left = swap ? g->right : g->left,
                        .right = swap ? g->left : g->right,
                        .m = swap ? g->n : g->m,
                        .n = swap ? g->m : g->n,
                        .row_step = swap ? g->column_step : g->row_step,
                        .column_step = swap ? g->row_step : g->column_step,
                        .sums_left = swap,
                        .sums_right = !swap};
    pkm_arena measured = {0};
    void *data;

    cut(&job);
    (void)carve(&job, &measured);
    job.thread_bytes = measured.used;
    PKM_TRY(pkm_dense_scratch_reserve(scratch, &data,
                                      pkm_size_product(measured.used, (size_t)pkm_threads())));
    job.scratch = data;
    pkm_parallel(pkm_ceil_div(job.m, job.block_m) * job.n_blocks_n, gradient_block, &job);
    return PKM_OK;
}
