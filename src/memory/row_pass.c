/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/row_pass.h"

#include <math.h>
#include <stdatomic.h>

#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"

/* Rows of a bag, groups of hits per block: enough work to outweigh taking it, few enough to share
 * evenly. */
enum { BLOCK_ROWS = 16, BLOCK_GROUPS = 128 };

/* torch.optim.SparseAdam's and Adagrad's defaults. */
static const float beta1 = 0.9f, beta2 = 0.999f, adam_epsilon = 1e-8f, adagrad_epsilon = 1e-10f;

typedef struct bag_pass {
    float *y;
    const pkm_bag *bag;
} bag_pass;

static void bag_block(int64_t block, int thread, void *user)
{
    const bag_pass *pass = user;
    const pkm_bag *bag = pass->bag;
    int64_t first = block * BLOCK_ROWS, n = pkm_min_i64(BLOCK_ROWS, bag->n_rows - first);

    (void)thread;
    pkm_kernels_get()->bag[bag->dtype](
        pass->y + first * bag->value_dim, bag->values, bag->ids + first * bag->hits,
        bag->weights + first * bag->hits, n, bag->hits, bag->value_dim);
}

void pkm_pass_bag(float *y, const pkm_bag *bag)
{
    bag_pass pass = {y, bag};

    pkm_parallel(pkm_ceil_div(bag->n_rows, BLOCK_ROWS), bag_block, &pass);
}

/* What the passes over groups share. */
typedef struct group_pass {
    float *out; /* dots or sums */
    const void *values;
    pkm_dtype dtype;
    const float *upstream;
    const pkm_grouping *grouping;
    pkm_row_hits hits;
    int64_t n_groups, value_dim;
    double *partial;
    float *scratch; /* [threads][scratch_stride(value_dim)] */
    const pkm_rows *rows;
    const pkm_row_rule *rule;
    _Atomic bool spoilt;
} group_pass;

int64_t pkm_pass_blocks(int64_t n_groups)
{
    return pkm_ceil_div(n_groups, BLOCK_GROUPS);
}

static int64_t last_group(const group_pass *pass, int64_t block)
{
    return pkm_min_i64((block + 1) * BLOCK_GROUPS, pass->n_groups);
}

/* Floats between the scratches of two threads: whole cache lines. */
static size_t scratch_stride(int64_t value_dim)
{
    return pkm_round_up((size_t)value_dim, PKM_ALIGN / sizeof(float));
}

size_t pkm_pass_scratch(int64_t value_dim)
{
    return pkm_size_product((size_t)pkm_threads(), scratch_stride(value_dim));
}

static void dots_block(int64_t block, int thread, void *user)
{
    const group_pass *pass = user;
    const pkm_grouping *grouping = pass->grouping;
    int64_t first = block * BLOCK_GROUPS, last = last_group(pass, block);

    (void)thread;
    pkm_kernels_get()->row_dots[pass->dtype](grouping->dots, pass->values, pass->upstream,
                                             &pass->hits, first, last, pass->value_dim);
    for (int64_t i = grouping->starts[first]; i < grouping->starts[last]; i++)
        pass->out[grouping->order[i]] = grouping->dots[i];
}

void pkm_pass_dots(float *dots, const void *values, pkm_dtype dtype, const float *upstream,
                   const pkm_grouping *grouping, int64_t value_dim)
{
    group_pass pass = {.out = dots,
                       .values = values,
                       .dtype = dtype,
                       .upstream = upstream,
                       .grouping = grouping,
                       .hits = pkm_grouping_hits(grouping),
                       .n_groups = grouping->n_groups,
                       .value_dim = value_dim};

    pkm_parallel(pkm_pass_blocks(grouping->n_groups), dots_block, &pass);
}

/* The gradient of a row is a bag over the upstream rows. */
static void sum_group(float *out, const group_pass *pass, int64_t group)
{
    const pkm_grouping *grouping = pass->grouping;
    int64_t start = grouping->starts[group], n = grouping->starts[group + 1] - start;

    pkm_kernels_get()->bag[PKM_F32](out, pass->upstream, grouping->sources + start,
                                    grouping->weights + start, 1, n, pass->value_dim);
}

static void sums_block(int64_t block, int thread, void *user)
{
    const group_pass *pass = user;

    (void)thread;
    for (int64_t group = block * BLOCK_GROUPS; group < last_group(pass, block); group++)
        sum_group(pass->out + group * pass->value_dim, pass, group);
}

void pkm_pass_sums(float *sums, const float *upstream, const pkm_grouping *grouping,
                   int64_t value_dim)
{
    group_pass pass = {.out = sums,
                       .upstream = upstream,
                       .grouping = grouping,
                       .n_groups = grouping->n_groups,
                       .value_dim = value_dim};

    pkm_parallel(pkm_pass_blocks(grouping->n_groups), sums_block, &pass);
}

static void squares_block(int64_t block, int thread, void *user)
{
    const group_pass *pass = user;
    float *row = pass->scratch + (size_t)thread * scratch_stride(pass->value_dim);
    double sum = 0;

    for (int64_t group = block * BLOCK_GROUPS; group < last_group(pass, block); group++) {
        sum_group(row, pass, group);
        sum += pkm_kernels_get()->sum_squares(row, pass->value_dim);
    }
    pass->partial[block] = sum;
}

double pkm_pass_sum_squares(const float *upstream, const pkm_grouping *grouping, int64_t value_dim,
                            double *partial, float *scratch)
{
    group_pass pass = {.upstream = upstream,
                       .grouping = grouping,
                       .n_groups = grouping->n_groups,
                       .value_dim = value_dim,
                       .partial = partial,
                       .scratch = scratch};
    int64_t n_blocks = pkm_pass_blocks(grouping->n_groups);
    double sum = 0;

    pkm_parallel(n_blocks, squares_block, &pass);
    for (int64_t block = 0; block < n_blocks; block++)
        sum += partial[block];
    return sum;
}

pkm_status pkm_row_rule_make(pkm_row_rule *out, const pkm_rows *rows, int64_t t, float lr,
                             float scale)
{
    double rate = (double)lr;
    bool adam = rows->optimizer == PKM_VALUES_ADAM || rows->optimizer == PKM_VALUES_ADAM_ROW;

    if (t < 1 || t > UINT32_MAX)
        return pkm_fail(PKM_ERR_ARG, "step t is %lld: expected 1 to %lld", (long long)t,
                        (long long)UINT32_MAX);
    if (!(lr >= 0) || isinf(lr))
        return pkm_fail(PKM_ERR_ARG, "lr is %g: expected a finite number, 0 or more", (double)lr);
    if (!isfinite(scale))
        return pkm_fail(PKM_ERR_ARG, "scale is %g: expected a finite number", (double)scale);
    if (adam)
        rate *= sqrt(1 - pow((double)beta2, (double)t)) / (1 - pow((double)beta1, (double)t));
    *out = (pkm_row_rule){
        .scale = scale,
        .rate = (float)rate,
        .beta1 = beta1,
        .beta2 = beta2,
        .epsilon = adam ? adam_epsilon : adagrad_epsilon,
        .rounding = {.seed = rows->seed,
                     .stream = pkm_rng_stream("values.rounding"),
                     .step = (uint32_t)t},
    };
    return PKM_OK;
}

static void step_block(int64_t block, int thread, void *user)
{
    group_pass *pass = user;
    float *scratch = pass->scratch + (size_t)thread * scratch_stride(pass->value_dim);
    pkm_row_step_fn *step = pkm_kernels_get()->row_step[pass->rows->optimizer][pass->rows->dtype];

    if (!step(pass->rows, pass->rule, pass->upstream, &pass->hits, block * BLOCK_GROUPS,
              last_group(pass, block), scratch))
        pass->spoilt = true;
}

bool pkm_pass_step(const pkm_rows *rows, const pkm_row_rule *rule, const float *upstream,
                   const pkm_row_hits *hits, float *scratch)
{
    group_pass pass = {.upstream = upstream,
                       .hits = *hits,
                       .n_groups = hits->n_groups,
                       .value_dim = rows->value_dim,
                       .scratch = scratch,
                       .rows = rows,
                       .rule = rule};

    pkm_parallel(pkm_pass_blocks(hits->n_groups), step_block, &pass);
    return !pass.spoilt;
}
