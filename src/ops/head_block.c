/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/head_block.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "dense/dense_copy.h"
#include "kernels/kernels.h"
#include "ops/values.h"

/* Sums of exp(logit - shift) above this (e^40) mean that the shift is too low. */
static const double too_large = 2.3e17;

typedef struct block {
    const pkm_head_chunk *chunk;
    const pkm_head_loss *call;
    const pkm_head_weight *head;
    const pkm_head_bench *bench;
    int64_t at, first, count, columns; /* first: row of the call */
} block;

void pkm_head_bench_take(pkm_head_bench *out, pkm_arena *arena, const pkm_head_weight *head,
                         int64_t rows, bool gradients)
{
    size_t r = (size_t)rows, element = pkm_dtype_bytes(head->compute);
    size_t steps = (size_t)pkm_head_steps(head, head->dim), strip;

    *out = (pkm_head_bench){0};
    strip = pkm_size_product(r, PKM_HEAD_STRIP);
    out->x = pkm_arena_take(arena, pkm_size_product(r, steps), element);
    out->logits = pkm_arena_take(arena, strip, sizeof(float));
    out->rows = pkm_arena_take(arena, pkm_size_product(r, steps), sizeof(float));
    out->shift = pkm_arena_take(arena, r, sizeof(float));
    out->part = pkm_arena_take(arena, r, sizeof(float));
    out->sum = pkm_arena_take(arena, r, sizeof(double));
    out->wanted = pkm_arena_take(arena, r, sizeof(float));
    if (!gradients)
        return;
    out->p = pkm_arena_take(arena, strip, element);
    out->dx = pkm_arena_take(arena, pkm_size_product(r, (size_t)head->dim), sizeof(float));
    out->missing = pkm_arena_take(arena, r, sizeof(float));
    out->factor = pkm_arena_take(arena, r, sizeof(float));
}

static char *element_at(const block *k, const void *data, int64_t index)
{
    return (char *)data + index * (int64_t)pkm_dtype_bytes(k->head->compute);
}

/* bench->x = X^T. Strips are 16 rows of X transposed, in units of 4 bytes: an element or a pair. */
static void turn_x(const block *k)
{
    const pkm_head_weight *head = k->head;
    int64_t steps = pkm_head_steps(head, head->dim), dim = head->dim;
    int64_t units = head->compute == PKM_BF16 ? steps / 2 : steps;
    float *rows = k->bench->rows, *x = k->bench->x;

    memset(rows, 0, (size_t)(k->columns * units) * sizeof *rows);
    for (int64_t i = 0; i < k->count; i++)
        pkm_copy_converted(rows + i * units, head->compute,
                           (const char *)k->call->x +
                               (size_t)((k->first + i) * dim) * pkm_dtype_bytes(k->call->dtype),
                           k->call->dtype, dim);
    for (int64_t i = 0; i < k->columns; i += PKM_STRIP)
        pkm_kernels_get()->transpose[PKM_F32](x + i * units, PKM_STRIP, rows + i * units, units,
                                              PKM_STRIP, units);
}

static void find_logits(const block *k, int64_t strip)
{
    const pkm_head_weight *head = k->head;
    pkm_strip_product product = {
        .m = pkm_head_strip_rows(head, strip),
        .n = k->columns,
        .k = head->dim,
        .a = element_at(k, head->rows, strip * PKM_HEAD_STRIP * head->dim),
        .b = k->bench->x,
        .a_row = head->dim,
        .b_strip = pkm_head_steps(head, head->dim) * PKM_STRIP,
        .y = k->bench->logits,
        .y_dtype = PKM_F32,
        .y_row = k->columns,
    };

    pkm_kernels_get()->strip_product[head->compute](&product);
}

/* shift = the largest logits so far. */
static void raise_shift(const block *k, int64_t strip)
{
    float *shift = k->bench->shift;

    for (int64_t i = 0; i < pkm_head_strip_rows(k->head, strip); i++) {
        const float *logits = k->bench->logits + i * k->columns;

        for (int64_t j = 0; j < k->columns; j++)
            shift[j] = logits[j] > shift[j] ? logits[j] : shift[j];
    }
}

static void find_powers(const block *k, int64_t strip)
{
    const pkm_head_weight *head = k->head;
    const pkm_head_bench *bench = k->bench;
    pkm_exp_columns powers = {
        .m = pkm_head_strip_rows(head, strip),
        .n = k->columns,
        .x = bench->logits,
        .x_row = k->columns,
        .shift = bench->shift,
        .sum = bench->part,
        .power_row = PKM_HEAD_P_ROW,
        .strips = bench->p,
        .strip_step = PKM_HEAD_STRIP * PKM_STRIP,
    };

    if (k->call->seed != NULL)
        powers.power = element_at(k, k->chunk->p, strip * PKM_HEAD_STRIP * PKM_HEAD_P_ROW + k->at);
    if (powers.power != NULL && powers.m < PKM_HEAD_STRIP) /* what fills up the last strip */
        memset(bench->p, 0, (size_t)(k->columns * PKM_HEAD_STRIP) * pkm_dtype_bytes(head->compute));
    pkm_kernels_get()->exp_columns[head->compute](&powers);
    for (int64_t j = 0; j < k->columns; j++)
        bench->sum[j] += (double)bench->part[j];
}

static void write_at(const block *k, void *data, int64_t index, float value)
{
    if (k->head->compute == PKM_BF16)
        ((uint16_t *)data)[index] = pkm_f32_to_bf16(value);
    else
        ((float *)data)[index] = value;
}

/* Element (token, j) of the chunk's P. */
static void write_p(const block *k, int64_t token, int64_t j, float value)
{
    write_at(k, k->chunk->p, token * PKM_HEAD_P_ROW + k->at + j, value);
}

/* Notes the logits of targets in this strip, and takes their powers out of dX. */
static void note_targets(const block *k, int64_t strip)
{
    int64_t low = strip * PKM_HEAD_STRIP, high = low + pkm_head_strip_rows(k->head, strip);
    int64_t group = k->head->compute == PKM_BF16 ? 2 : 1;

    for (int64_t j = 0; j < k->count; j++) {
        int64_t target = k->call->targets[k->first + j], row = target - low;

        if (target < low || target >= high)
            continue;
        k->bench->wanted[j] = k->bench->logits[row * k->columns + j];
        if (k->call->seed != NULL)
            write_at(k, k->bench->p,
                     j / PKM_STRIP * PKM_HEAD_STRIP * PKM_STRIP + row / group * group * PKM_STRIP +
                         j % PKM_STRIP * group + row % group,
                     0);
    }
}

static void add_dx(const block *k, int64_t strip)
{
    const pkm_head_weight *head = k->head;
    pkm_strip_product product = {
        .m = head->dim,
        .n = k->columns,
        .k = pkm_head_strip_rows(head, strip),
        .a = element_at(k, head->columns, strip * head->dim * PKM_HEAD_STRIP),
        .b = k->bench->p,
        .a_row = PKM_HEAD_STRIP,
        .b_strip = PKM_HEAD_STRIP * PKM_STRIP,
        .y = k->bench->dx,
        .y_dtype = PKM_F32,
        .y_row = k->columns,
        .base = strip > 0 ? k->bench->dx : NULL,
        .base_row = k->columns,
    };

    pkm_kernels_get()->strip_product[head->compute](&product);
}

/* All strips, with the shift that stands or, first_strip, that of strip 0. False: it is too low. */
static bool run_strips(const block *k, bool first_strip)
{
    for (int64_t j = 0; j < k->columns; j++)
        k->bench->sum[j] = 0;
    for (int64_t strip = 0; strip < k->head->n_strips; strip++) {
        find_logits(k, strip);
        if (strip == 0 && first_strip)
            raise_shift(k, 0);
        find_powers(k, strip);
        note_targets(k, strip);
        if (k->call->seed != NULL && k->call->dx != NULL)
            add_dx(k, strip);
    }
    for (int64_t j = 0; j < k->columns; j++)
        if (k->bench->sum[j] > too_large)
            return false;
    return true;
}

static void find_sums(const block *k)
{
    for (int64_t j = 0; j < k->columns; j++)
        k->bench->shift[j] = -INFINITY;
    if (run_strips(k, true))
        return;
    for (int64_t strip = 0; strip < k->head->n_strips; strip++) {
        find_logits(k, strip);
        raise_shift(k, strip);
    }
    (void)run_strips(k, false);
}

static void write_losses(const block *k)
{
    const pkm_head_bench *b = k->bench;

    for (int64_t j = 0; j < k->count; j++)
        k->call->loss[k->first + j] =
            k->call->targets[k->first + j] < 0
                ? 0
                : (float)(log(b->sum[j]) + (double)b->shift[j] - (double)b->wanted[j]);
}

/* Now that the sums are whole: what each column is to be multiplied with, and P of the targets. */
static void finish_p(const block *k)
{
    const pkm_head_bench *b = k->bench;

    for (int64_t j = 0; j < k->count; j++) {
        int32_t target = k->call->targets[k->first + j];

        b->factor[j] = b->missing[j] = 0;
        if (target < 0)
            continue;
        b->factor[j] = (float)((double)k->call->seed[k->first + j] / b->sum[j]);
        b->missing[j] = (float)(exp((double)b->wanted[j] - (double)b->shift[j]) - b->sum[j]);
        write_p(k, target, j, b->missing[j]);
    }
}

/* dx = factor (dX + missing W[target]) of row j of the block; dx_row: that row of dX. */
static void write_dx(const block *k, int64_t j, const float *dx_row)
{
    const pkm_kernels *kernels = pkm_kernels_get();
    const pkm_head_bench *b = k->bench;
    int64_t dim = k->head->dim, row = k->first + j;
    int32_t target = k->call->targets[row];
    float part[PKM_VALUES_CHUNK], of_target[PKM_VALUES_CHUNK];

    for (int64_t i = 0; i < dim; i += PKM_VALUES_CHUNK) {
        int64_t count = pkm_min_i64(dim - i, PKM_VALUES_CHUNK);

        kernels->vector_scale(part, dx_row + i, b->factor[j], count);
        if (target >= 0) {
            kernels->vector_scale(of_target, k->call->weight + target * dim + i,
                                  b->missing[j] * b->factor[j], count);
            kernels->vector_add(part, part, of_target, count);
        }
        pkm_values_write(k->call->dx, k->call->dtype, row * dim + i, count, part, k->call->adds_dx);
    }
}

static void write_all_dx(const block *k)
{
    float *rows = k->bench->rows;
    int64_t dim = k->head->dim;

    pkm_kernels_get()->transpose[PKM_F32](rows, dim, k->bench->dx, k->columns, dim, k->columns);
    for (int64_t j = 0; j < k->count; j++)
        write_dx(k, j, rows + j * dim);
}

/* chunk->scaled = factor X; zeros for rows that are not there or have no target. */
static void write_scaled(const block *k)
{
    const pkm_head_weight *head = k->head;
    const pkm_kernels *kernels = pkm_kernels_get();
    int64_t dim = head->dim;
    float part[PKM_VALUES_CHUNK];

    memset(k->bench->rows, 0, (size_t)(k->columns * dim) * sizeof(float));
    for (int64_t j = 0; j < k->count; j++)
        for (int64_t i = 0; i < dim && k->call->targets[k->first + j] >= 0; i += PKM_VALUES_CHUNK) {
            int64_t count = pkm_min_i64(dim - i, PKM_VALUES_CHUNK);
            const float *x =
                pkm_values_read(k->call->x, k->call->dtype, (k->first + j) * dim + i, count, part);

            kernels->vector_scale(part, x, k->bench->factor[j], count);
            pkm_values_write(k->bench->rows, head->compute, j * dim + i, count, part, false);
        }
    kernels->pack_strips[head->compute](element_at(k, k->chunk->scaled, k->at * PKM_STRIP),
                                        PKM_HEAD_CHUNK * PKM_STRIP, k->bench->rows, dim, k->columns,
                                        dim);
}

void pkm_head_block_run(const pkm_head_chunk *chunk, const pkm_head_bench *bench, int64_t at,
                        int64_t count)
{
    const pkm_head_loss *call = chunk->call;
    const block k = {
        .chunk = chunk,
        .call = call,
        .head = &call->head,
        .bench = bench,
        .at = at,
        .first = chunk->first + at,
        .count = count,
        .columns = pkm_ceil_div(count, PKM_HEAD_COLUMNS) * PKM_HEAD_COLUMNS,
    };

    turn_x(&k);
    find_sums(&k);
    if (call->loss != NULL)
        write_losses(&k);
    if (call->seed == NULL)
        return;
    finish_p(&k);
    if (call->dx != NULL)
        write_all_dx(&k);
    if (call->dweight != NULL)
        write_scaled(&k);
}
