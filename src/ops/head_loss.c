/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is computed transposed, a row of the batch per column. For a block of rows X, strip by
 * strip of W:
 *
 *   L = W_s X^T              logits [strip, block]
 *   P = exp(L - shift)       not divided by its sums, which only the last strip completes
 *   dX^T += W_s^T P          without the targets, whose p - 1 is added in fp32 at the end
 *
 * and once the P of all strips of a chunk of rows stand side by side, [V, chunk],
 *
 *   dW += (P - sum onehot)   (seed / sum X)
 *
 * So P is at hand in the two orders that the products want without being transposed. The shift of a
 * row is the largest logit of the first strip: it need not be the maximum, only near enough that
 * nothing overflows; where it is not, the block is done again with the maximum of all strips.
 *
 * Chunks have a fixed size; of blocks, which are whole multiples of a few columns, each element is
 * summed in the same order whatever their size.
 */
#include "ops/head_loss.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "ops/values.h"

enum {
    CHUNK = 512,        /* rows whose P exists at a time */
    COLUMNS = 32,       /* blocks are filled up with zeros to a multiple of this */
    MAX_BLOCK = 256,    /* rows: what a block needs of a strip stays in a second-level cache */
    P_ROW = CHUNK + 32, /* elements from one row of P to the next: no power of two */
    WEIGHT_ROWS = 128   /* rows of dW per task */
};

/* Sums of exp(logit - shift) above this (e^40) mean that the shift is too low. */
static const double too_large = 2.3e17;

/* What one thread works with; R = rows of a block. */
typedef struct bench {
    void *x;             /* X^T: f32 [D, R]; bf16 pairs [D / 2, R, 2] */
    float *logits;       /* [strip, R] */
    uint16_t *pairs;     /* P of the strip [strip / 2, R, 2]; bf16 only */
    float *dx;           /* dX^T [D, R] */
    float *turned;       /* X filled up with zeros, later dX [R, D] */
    float *shift, *part; /* [R]; part: the sums of a strip */
    double *sum;         /* [R] */
    float *wanted;       /* [R] logit of the target */
    float *missing;      /* [R] its (p - 1) sum */
    float *factor;       /* [R] seed / sum */
} bench;

typedef struct job {
    const pkm_head_loss *call;
    int64_t block_rows;
    int64_t first, count; /* rows of the chunk */
    void *p;              /* [V, P_ROW] compute */
    void *scaled; /* seed / sum X of the chunk: f32 [CHUNK, D]; bf16 pairs [CHUNK / 2, D, 2] */
    char *benches;
    size_t bench_bytes;
} job;

/* A block: rows [at, at + count) of the chunk, in `columns` columns. */
typedef struct block {
    const job *job;
    const pkm_head_loss *call;
    const pkm_head_weight *head;
    bench b;
    int64_t at, first, count, columns; /* first: row of the call */
} block;

/* Steps of a product over D: elements in f32, pairs in bf16; 4 bytes each. */
static int64_t steps_of(const pkm_head_weight *head)
{
    return head->compute == PKM_BF16 ? head->row / 2 : head->row;
}

static int64_t group_of(const pkm_head_weight *head)
{
    return head->compute == PKM_BF16 ? 2 : 1;
}

static void take_bench(bench *out, pkm_arena *arena, const pkm_head_weight *head, int64_t rows,
                       bool gradients)
{
    size_t r = (size_t)rows, square = pkm_size_product(r, (size_t)steps_of(head));
    size_t strip = r * PKM_HEAD_STRIP, turned = pkm_size_product(r, (size_t)head->dim);

    out->x = pkm_arena_take(arena, square, sizeof(float));
    out->logits = pkm_arena_take(arena, strip, sizeof(float));
    out->shift = pkm_arena_take(arena, r, sizeof(float));
    out->part = pkm_arena_take(arena, r, sizeof(float));
    out->wanted = pkm_arena_take(arena, r, sizeof(float));
    out->missing = pkm_arena_take(arena, r, sizeof(float));
    out->factor = pkm_arena_take(arena, r, sizeof(float));
    out->sum = pkm_arena_take(arena, r, sizeof(double));
    out->turned = pkm_arena_take(arena, turned, sizeof(float));
    if (!gradients)
        return;
    out->pairs = pkm_arena_take(arena, strip, sizeof(uint16_t));
    out->dx = pkm_arena_take(arena, turned, sizeof(float));
}

/* Blocks for every thread, but not so small that packed operands are read for little. */
static int64_t block_rows(int64_t n_rows, int threads)
{
    int64_t share = pkm_ceil_div(pkm_min_i64(CHUNK, n_rows), threads);

    return pkm_min_i64(MAX_BLOCK, pkm_max_i64(1, pkm_ceil_div(share, COLUMNS)) * COLUMNS);
}

static size_t carve(job *out, const pkm_head_weight *head, int64_t n_rows, int threads,
                    bool gradients, void *workspace)
{
    pkm_arena arena = {.base = workspace}, own = {0};
    size_t element = pkm_dtype_bytes(head->compute);
    bench measured;

    out->block_rows = block_rows(n_rows, threads);
    take_bench(&measured, &own, head, out->block_rows, gradients);
    out->bench_bytes = own.used;
    out->benches = pkm_arena_take(&arena, (size_t)threads, own.used);
    if (gradients) {
        out->p = pkm_arena_take(&arena, pkm_size_product((size_t)head->vocabulary, P_ROW), element);
        out->scaled = pkm_arena_take(&arena, pkm_size_product((size_t)head->dim, CHUNK), element);
    }
    return arena.used;
}

size_t pkm_head_loss_workspace(const pkm_head_weight *head, int64_t max_rows, bool gradients)
{
    size_t most = 0;

    for (int threads = 1; threads <= pkm_threads(); threads++) { /* a run may use fewer */
        job measured;
        size_t bytes = carve(&measured, head, max_rows, threads, gradients, NULL);

        most = bytes > most ? bytes : most;
    }
    return most;
}

static char *element_at(const block *k, const void *data, int64_t index)
{
    return (char *)data + index * (int64_t)pkm_dtype_bytes(k->head->compute);
}

/* b.x = X^T, with zeros for the rows that are not there. */
static void turn_x(const block *k)
{
    const pkm_head_weight *head = k->head;
    size_t element = pkm_dtype_bytes(head->compute);
    size_t bytes = (size_t)head->dim * element, row_bytes = (size_t)head->row * element;
    char *to = (char *)k->b.turned;

    memset(to, 0, (size_t)k->columns * row_bytes);
    for (int64_t i = 0; i < k->count; i++)
        memcpy(to + (size_t)i * row_bytes, element_at(k, k->call->x, (k->first + i) * head->dim),
               bytes);
    pkm_kernels_get()->transpose[PKM_F32](k->b.x, k->columns, to, steps_of(head), k->columns,
                                          steps_of(head));
}

static void find_logits(const block *k, int64_t strip)
{
    const pkm_head_weight *head = k->head;
    pkm_block_product product = {
        .m = pkm_head_strip_rows(head, strip),
        .n = k->columns,
        .k = head->row,
        .c = k->b.logits,
        .a = element_at(k, head->rows, strip * PKM_HEAD_STRIP * head->row),
        .b = k->b.x,
        .c_row = k->columns,
        .a_row = head->row,
        .b_row = k->columns * group_of(head),
    };

    pkm_kernels_get()->block_product[head->compute](&product);
}

/* shift = the largest logits so far. */
static void raise_shift(const block *k, int64_t strip)
{
    float *shift = k->b.shift;

    for (int64_t i = 0; i < pkm_head_strip_rows(k->head, strip); i++) {
        const float *logits = k->b.logits + i * k->columns;

        for (int64_t j = 0; j < k->columns; j++)
            shift[j] = logits[j] > shift[j] ? logits[j] : shift[j];
    }
}

static void find_powers(const block *k, int64_t strip)
{
    const pkm_head_weight *head = k->head;
    pkm_exp_columns powers = {
        .m = pkm_head_strip_rows(head, strip),
        .n = k->columns,
        .x = k->b.logits,
        .x_row = k->columns,
        .shift = k->b.shift,
        .sum = k->b.part,
        .power_row = P_ROW,
        .pairs = k->b.pairs,
    };

    if (k->call->seed != NULL)
        powers.power = element_at(k, k->job->p, strip * PKM_HEAD_STRIP * P_ROW + k->at);
    pkm_kernels_get()->exp_columns[head->compute](&powers);
    for (int64_t j = 0; j < k->columns; j++)
        k->b.sum[j] += (double)k->b.part[j];
}

/* Element (token, j) of P. */
static void write_p(const block *k, int64_t token, int64_t j, float value)
{
    int64_t at = token * P_ROW + k->at + j;

    if (k->head->compute == PKM_BF16)
        ((uint16_t *)k->job->p)[at] = pkm_f32_to_bf16(value);
    else
        ((float *)k->job->p)[at] = value;
}

/* Notes the logits of targets in this strip, and takes their powers out of dX. */
static void note_targets(const block *k, int64_t strip)
{
    int64_t low = strip * PKM_HEAD_STRIP, high = low + pkm_head_strip_rows(k->head, strip);

    for (int64_t j = 0; j < k->count; j++) {
        int64_t target = k->call->targets[k->first + j], row = target - low;

        if (target < low || target >= high)
            continue;
        k->b.wanted[j] = k->b.logits[row * k->columns + j];
        if (k->call->seed == NULL)
            continue;
        write_p(k, target, j, 0);
        if (k->head->compute == PKM_BF16)
            k->b.pairs[(row / 2 * k->columns + j) * 2 + row % 2] = 0;
    }
}

static void add_dx(const block *k, int64_t strip)
{
    const pkm_head_weight *head = k->head;
    bool bf16 = head->compute == PKM_BF16;
    int64_t group = group_of(head), count = pkm_head_strip_rows(head, strip);
    pkm_block_product product = {
        .m = head->dim,
        .n = k->columns,
        .k = pkm_ceil_div(count, group) * group,
        .c = k->b.dx,
        .a = element_at(k, head->columns, strip * head->dim * PKM_HEAD_STRIP),
        .b = bf16 ? (const void *)k->b.pairs
                  : element_at(k, k->job->p, strip * PKM_HEAD_STRIP * P_ROW + k->at),
        .c_row = k->columns,
        .a_row = PKM_HEAD_STRIP,
        .b_row = bf16 ? 2 * k->columns : P_ROW,
        .add = strip > 0,
    };

    pkm_kernels_get()->block_product[head->compute](&product);
}

/* All strips, with the shift that stands or, first_strip, that of strip 0. False: it is too low. */
static bool run_strips(const block *k, bool first_strip)
{
    for (int64_t j = 0; j < k->columns; j++)
        k->b.sum[j] = 0;
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
        if (k->b.sum[j] > too_large)
            return false;
    return true;
}

static void find_sums(const block *k)
{
    for (int64_t j = 0; j < k->columns; j++)
        k->b.shift[j] = -INFINITY;
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
    const bench *b = &k->b;

    for (int64_t j = 0; j < k->count; j++)
        k->call->loss[k->first + j] =
            k->call->targets[k->first + j] < 0
                ? 0
                : (float)(log(b->sum[j]) + (double)b->shift[j] - (double)b->wanted[j]);
}

/* Now that the sums are whole: what each column is to be multiplied with, and P of the targets. */
static void finish_p(const block *k)
{
    const bench *b = &k->b;

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

/* dx = factor (dX + missing W[target]) of row j of the block. */
static void write_dx(const block *k, int64_t j)
{
    const pkm_kernels *kernels = pkm_kernels_get();
    const bench *b = &k->b;
    int64_t dim = k->head->dim, row = k->first + j;
    int32_t target = k->call->targets[row];
    float part[PKM_VALUES_CHUNK], of_target[PKM_VALUES_CHUNK];

    for (int64_t i = 0; i < dim; i += PKM_VALUES_CHUNK) {
        int64_t count = pkm_min_i64(dim - i, PKM_VALUES_CHUNK);

        kernels->vector_scale(part, b->turned + j * dim + i, b->factor[j], count);
        if (target >= 0) {
            kernels->vector_scale(of_target, k->call->weight + target * dim + i,
                                  b->missing[j] * b->factor[j], count);
            kernels->vector_add(part, part, of_target, count);
        }
        pkm_values_write(k->call->dx, k->head->compute, row * dim + i, count, part,
                         k->call->adds_dx);
    }
}

/* Elements [i, i + count) of factor X of row j of the block; zeros where there is no such row. */
static const float *scale_x(const block *k, float *out, int64_t j, int64_t i, int64_t count)
{
    const float *x;

    if (j >= k->count || k->call->targets[k->first + j] < 0)
        return memset(out, 0, (size_t)count * sizeof *out);
    x = pkm_values_read(k->call->x, k->head->compute, (k->first + j) * k->head->dim + i, count,
                        out);
    pkm_kernels_get()->vector_scale(out, x, k->b.factor[j], count);
    return out;
}

/* Rows j and j + 1 of the block into `scaled`. */
static void write_scaled(const block *k, int64_t j)
{
    const pkm_kernels *kernels = pkm_kernels_get();
    int64_t dim = k->head->dim;
    float part[PKM_VALUES_CHUNK];
    uint16_t rounded[2][PKM_VALUES_CHUNK];

    for (int64_t i = 0; i < dim; i += PKM_VALUES_CHUNK) {
        int64_t count = pkm_min_i64(dim - i, PKM_VALUES_CHUNK);

        for (int64_t r = 0; r < 2; r++) {
            const float *values = scale_x(k, part, j + r, i, count);

            if (k->head->compute == PKM_BF16)
                kernels->f32_to_bf16(rounded[r], values, count);
            else
                memcpy((float *)k->job->scaled + (k->at + j + r) * dim + i, values,
                       (size_t)count * sizeof *values);
        }
        if (k->head->compute == PKM_BF16)
            kernels->interleave((uint16_t *)k->job->scaled + (k->at + j) * dim + 2 * i, rounded[0],
                                rounded[1], count);
    }
}

static void run_block(int64_t index, int thread, void *user)
{
    const job *all = user;
    pkm_arena arena = {.base = all->benches + (size_t)thread * all->bench_bytes};
    int64_t at = index * all->block_rows, count = pkm_min_i64(all->block_rows, all->count - at);
    const pkm_head_loss *call = all->call;
    block k = {
        .job = all,
        .call = call,
        .head = &call->head,
        .at = at,
        .first = all->first + at,
        .count = count,
        .columns = pkm_ceil_div(count, COLUMNS) * COLUMNS,
    };

    take_bench(&k.b, &arena, k.head, all->block_rows, call->seed != NULL);
    turn_x(&k);
    find_sums(&k);
    if (call->loss != NULL)
        write_losses(&k);
    if (call->seed == NULL)
        return;
    finish_p(&k);
    if (call->dx != NULL) {
        pkm_kernels_get()->transpose[PKM_F32](k.b.turned, k.head->dim, k.b.dx, k.columns,
                                              k.head->dim, k.columns);
        for (int64_t j = 0; j < count; j++)
            write_dx(&k, j);
    }
    for (int64_t j = 0; j < k.columns && call->dweight != NULL; j += 2)
        write_scaled(&k, j);
}

/* Some rows of dW: what the chunk adds to them. */
static void add_dweight(int64_t index, int thread, void *user)
{
    const job *all = user;
    const pkm_head_loss *call = all->call;
    const pkm_head_weight *head = &call->head;
    int64_t first = index * WEIGHT_ROWS;
    pkm_block_product product = {
        .m = pkm_min_i64(WEIGHT_ROWS, head->vocabulary - first),
        .n = head->dim,
        .k = pkm_ceil_div(all->count, COLUMNS) * COLUMNS,
        .c = call->dweight + first * head->dim,
        .a = (const char *)all->p + (size_t)(first * P_ROW) * pkm_dtype_bytes(head->compute),
        .b = all->scaled,
        .c_row = head->dim,
        .a_row = P_ROW,
        .b_row = head->dim * group_of(head),
        .add = call->adds_dweight || all->first > 0,
    };

    (void)thread;
    pkm_kernels_get()->block_product[head->compute](&product);
}

void pkm_head_loss_run(const pkm_head_loss *call)
{
    const pkm_head_weight *head = &call->head;
    job all = {.call = call};

    (void)carve(&all, head, call->n_rows, pkm_threads(), call->seed != NULL, call->workspace);
    do { /* no rows at all are one empty chunk */
        all.count = pkm_min_i64(CHUNK, call->n_rows - all.first);
        pkm_parallel(pkm_ceil_div(all.count, all.block_rows), run_block, &all);
        if (call->seed != NULL && call->dweight != NULL)
            pkm_parallel(pkm_ceil_div(head->vocabulary, WEIGHT_ROWS), add_dweight, &all);
        all.first += all.count;
    } while (all.first < call->n_rows);
}
