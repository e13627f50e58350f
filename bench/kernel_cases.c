/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_cases.h"

#include <string.h>

#include "base/dtype.h"

/* The cost of `bytes` and `flops` for each element of a matrix. */
static pkm_kernel_cost each(const pkm_kernel_data *d, double bytes, double flops)
{
    return (pkm_kernel_cost){bytes * (double)d->count, flops * (double)d->count, PKM_F32};
}

/* Of a variant that is a dtype. */
static double element(int dtype)
{
    return (double)pkm_dtype_bytes((pkm_dtype)dtype);
}

static pkm_kernel_cost f32_to_bf16(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    ((pkm_f32_to_bf16_fn *)fn)(d->narrow, d->a, d->count);
    return each(d, 6, 0);
}

static pkm_kernel_cost bf16_to_f32(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    ((pkm_bf16_to_f32_fn *)fn)(d->out, d->in[PKM_BF16], d->count);
    return each(d, 6, 0);
}

static pkm_kernel_cost adamw_update(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    const pkm_adamw_factors factors = {.grad_scale = 1,
                                       .keep = 1,
                                       .rate = 1e-6f,
                                       .root_scale = 1,
                                       .epsilon = 1e-8f,
                                       .beta1 = 0.9f,
                                       .one_minus_beta1 = 0.1f,
                                       .beta2 = 0.999f,
                                       .one_minus_beta2 = 0.001f};

    (void)variant;
    ((pkm_adamw_update_fn *)fn)(d->out, d->b, d->v, d->a, d->count, &factors);
    return each(d, 28, 14);
}

static pkm_kernel_cost sum_squares(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    (void)((pkm_sum_squares_fn *)fn)(d->a, d->count);
    return each(d, 4, 2);
}

/* Two rows of scores for each of n queries. */
static pkm_kernel_cost choose(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    float *const halves[2] = {d->a, d->b};

    (void)variant;
    (void)((pkm_select_fn *)fn)(d->found, d->out, halves, d->n, d->plan.topk, &d->plan,
                                &d->scratch);
    return each(d, 8, 0);
}

/* What a row of scores of each of n queries has above three deviations. */
static pkm_kernel_cost above(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    for (int64_t row = 0; row < d->n; row++)
        (void)((pkm_above_fn *)fn)(d->found, d->a + row * d->width, (int32_t)d->width, 3);
    return each(d, 4, 0);
}

/* n / 2 bags of four rows. */
static pkm_kernel_cost bag(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    ((pkm_bag_fn *)fn)(d->out, d->in[dtype], d->sources, d->weights, d->n / 2, 4, d->width);
    return each(d, 2 * element(dtype) + 2, 4);
}

static pkm_row_hits hits(const pkm_kernel_data *d)
{
    return (pkm_row_hits){d->n, d->rows, d->starts, d->sources, d->weights};
}

static pkm_kernel_cost row_dots(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    const pkm_row_hits both = hits(d);

    ((pkm_row_dots_fn *)fn)(d->out, d->in[dtype], d->a, &both, 0, d->n, d->width);
    return each(d, element(dtype) + 8, 4);
}

/* Bytes of the moments of an element, read and written; those with one number per row have none. */
static const double moment_bytes[] = {[PKM_VALUES_ADAM] = 16, [PKM_VALUES_ADAM_ROW] = 4};

/* variant: optimiser * PKM_ROW_DTYPES + dtype. */
static pkm_kernel_cost row_step(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    int dtype = variant % PKM_ROW_DTYPES;
    pkm_value_optimizer optimizer = (pkm_value_optimizer)(variant / PKM_ROW_DTYPES);
    const pkm_rows rows = {.values = d->in[dtype],
                           .dtype = (pkm_dtype)dtype,
                           .slots = d->n,
                           .value_dim = d->width,
                           .optimizer = optimizer,
                           .moment1 = optimizer == PKM_VALUES_ADAGRAD ? d->v : d->b,
                           .moment2 = d->v,
                           .mean = d->narrow};
    const pkm_row_rule rule = {.scale = 1,
                               .rate = 1e-6f,
                               .beta1 = 0.9f,
                               .beta2 = 0.999f,
                               .epsilon = 1e-8f,
                               .rounding = {.seed = 1}};
    const pkm_row_hits both = hits(d);

    (void)((pkm_row_step_fn *)fn)(&rows, &rule, d->a, &both, 0, d->n, d->out);
    return each(d, 2 * element(dtype) + 8 + moment_bytes[optimizer],
                moment_bytes[optimizer] > 0 ? 16 : 8);
}

static pkm_kernel_cost norm_moments(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    for (int64_t i = 0; i < d->n; i++)
        (void)((pkm_norm_moments_fn *)fn)(d->a + i * d->width, d->width, 1e-5f);
    return each(d, 4, 4);
}

static pkm_kernel_cost norm_forward(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    const pkm_norm_stats stats = {0, 1};

    (void)variant;
    for (int64_t i = 0; i < d->n; i++)
        ((pkm_norm_forward_fn *)fn)(d->out + i * d->width, d->a + i * d->width, d->b, d->c, stats,
                                    d->width);
    return each(d, 8, 4);
}

/* The gradients of gamma and beta are sums over all rows. */
static pkm_kernel_cost norm_backward(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    const pkm_norm_stats stats = {0, 1};
    float *dgamma = (float *)d->narrow, *dbeta = dgamma + d->width;

    (void)variant;
    memset(dgamma, 0, 2 * (size_t)d->width * sizeof(float));
    for (int64_t i = 0; i < d->n; i++)
        ((pkm_norm_backward_fn *)fn)(d->out + i * d->width, dgamma, dbeta, d->a + i * d->width,
                                     d->c + i * d->width, d->v, stats, d->width, false);
    return each(d, 12, 14);
}

static pkm_kernel_cost vector_add(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    ((pkm_vector_add_fn *)fn)(d->out, d->a, d->c, d->count);
    return each(d, 12, 1);
}

static pkm_kernel_cost vector_mul(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    ((pkm_vector_mul_fn *)fn)(d->out, d->a, d->c, d->count);
    return each(d, 12, 1);
}

static pkm_kernel_cost vector_scale(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    ((pkm_vector_scale_fn *)fn)(d->out, d->a, 0.5f, d->count);
    return each(d, 8, 1);
}

static pkm_kernel_cost dropout(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    const pkm_rng rng = {.seed = 1};
    const pkm_dropout_draws draws = {&rng, 0, 1 << 20, 1};

    (void)variant;
    ((pkm_dropout_fn *)fn)(d->out, d->a, d->count, &draws);
    return each(d, 8, 1);
}

/* Flops of an exponential and a division counted as the operation's cost has them. */
static pkm_kernel_cost gelu(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    ((pkm_gelu_fn *)fn)(d->out, d->a, d->count);
    return each(d, 8, 25);
}

static pkm_kernel_cost gelu_backward(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    ((pkm_gelu_backward_fn *)fn)(d->out, d->in[dtype], d->in[dtype], d->count);
    return each(d, 3 * element(dtype), 40);
}

/* Pairs of rows of scores in as many whole columns of 16 as there are. */
static pkm_kernel_cost exp_columns(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    const pkm_exp_columns block = {
        .m = d->n / 2 * 2,
        .n = d->width / 16 * 16,
        .x = d->a,
        .x_row = d->width,
        .shift = d->a,
        .sum = d->b,
        .power = d->out,
        .power_row = d->width,
        .strips = d->narrow,
        .strip_step = d->n / 2 * 2 * 16,
    };

    ((pkm_exp_columns_fn *)fn)(&block);
    return each(d, 4 + 2 * element(dtype), 15);
}

/* n queries that see all keys. */
static pkm_kernel_cost attend_softmax(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    const pkm_attend_softmax call = {.n_queries = d->n,
                                     .n_keys = d->width,
                                     .seen = d->width,
                                     .factor = 1,
                                     .scores = d->a,
                                     .row = d->width,
                                     .p = d->out,
                                     .top = d->c,
                                     .sum = d->c + d->n,
                                     .shrink = d->c + 2 * d->n};

    ((pkm_attend_softmax_fn *)fn)(&call);
    return each(d, 4 + element(dtype), 15);
}

/* n keys, seen by all queries. */
static pkm_kernel_cost attend_slopes(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    const pkm_attend_slopes call = {.n_queries = d->width,
                                    .n_keys = d->n,
                                    .seen = d->n,
                                    .factor = 1,
                                    .scores = d->a,
                                    .d_p = d->b,
                                    .row = d->width,
                                    .lse = d->v,
                                    .delta = d->v,
                                    .p = d->out,
                                    .ds = d->c,
                                    .pairs = d->narrow};

    ((pkm_attend_slopes_fn *)fn)(&call);
    return each(d, 8 + (dtype == PKM_BF16 ? 3 : 2) * element(dtype), 18);
}

static pkm_kernel_cost store_rows(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    const pkm_store_rows call = {.n_rows = d->n,
                                 .n_columns = d->width,
                                 .out = d->out,
                                 .in = d->a,
                                 .factor = d->weights,
                                 .out_row = d->width,
                                 .in_row = d->width};

    ((pkm_store_rows_fn *)fn)(&call);
    return each(d, 4 + element(dtype), 1);
}

/* The matrix by a square one. */
static pkm_kernel_cost product(const pkm_kernel_data *d, int dtype)
{
    double count = (double)d->count, width = (double)d->width;

    return (pkm_kernel_cost){.bytes = element(dtype) * (count + width * width) + 4 * count,
                             .flops = 2 * width * count,
                             .compute = (pkm_dtype)dtype};
}

/* The matrix's rows are queries; there are as many keys as these are wide. */
static pkm_kernel_cost half_scores(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    ((pkm_half_scores_fn *)fn)(d->out, d->in[dtype], d->square[dtype], d->n, d->width,
                               d->width / PKM_PANEL_KEYS, d->width);
    return product(d, dtype);
}

static pkm_kernel_cost block_product(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    const pkm_block_product call = {.m = d->n,
                                    .n = d->width,
                                    .k = d->width,
                                    .c = d->out,
                                    .a = d->in[dtype],
                                    .b = d->square[dtype],
                                    .c_row = d->width,
                                    .a_row = d->width,
                                    .b_row = dtype == PKM_BF16 ? 2 * d->width : d->width};

    ((pkm_block_product_fn *)fn)(&call);
    return product(d, dtype);
}

static pkm_kernel_cost strip_product(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    const pkm_strip_product call = {.m = d->n,
                                    .n = d->width,
                                    .k = d->width,
                                    .a = d->in[dtype],
                                    .b = d->square[dtype],
                                    .a_row = d->width,
                                    .b_strip = PKM_STRIP * d->width,
                                    .y = d->out,
                                    .y_dtype = PKM_F32,
                                    .y_row = d->width};

    ((pkm_strip_product_fn *)fn)(&call);
    return product(d, dtype);
}

static pkm_kernel_cost pack_strips(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    ((pkm_pack_strips_fn *)fn)(d->out, PKM_STRIP * d->n, d->in[dtype], d->width, d->n, d->width);
    return each(d, 2 * element(dtype), 0);
}

/* One row by the matrix. */
static pkm_kernel_cost matvec(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    ((pkm_matvec_fn *)fn)(d->out, d->a, d->in[dtype], d->width, 1, d->n, d->width);
    return each(d, element(dtype), 2);
}

static pkm_kernel_cost transpose(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    ((pkm_transpose_fn *)fn)(d->out, d->n, d->in[dtype], d->width, d->n, d->width);
    return each(d, 2 * element(dtype), 0);
}

static pkm_kernel_cost interleave(pkm_kernel_fn fn, pkm_kernel_data *d, int variant)
{
    (void)variant;
    ((pkm_interleave_fn *)fn)(d->narrow, d->in[PKM_BF16], d->in[PKM_BF16], d->count);
    return each(d, 8, 0);
}

static pkm_kernel_cost column_sums(pkm_kernel_fn fn, pkm_kernel_data *d, int dtype)
{
    ((pkm_column_sums_fn *)fn)(d->out, d->in[dtype], d->width, d->n, d->width);
    return each(d, element(dtype), 1);
}

#define FAMILY(field, run)                                                                         \
    {                                                                                              \
        offsetof(pkm_kernels, field), sizeof(((pkm_kernels *)0)->field), run                       \
    }

static const struct {
    size_t field, bytes; /* of the family in pkm_kernels: a pointer, or an array of them */
    pkm_kernel_run *run;
} cases[] = {
    FAMILY(f32_to_bf16, f32_to_bf16),
    FAMILY(bf16_to_f32, bf16_to_f32),
    FAMILY(adamw_update, adamw_update),
    FAMILY(sum_squares, sum_squares),
    FAMILY(half_scores, half_scores),
    FAMILY(select, choose),
    FAMILY(above, above),
    FAMILY(bag, bag),
    FAMILY(row_dots, row_dots),
    FAMILY(row_step, row_step),
    FAMILY(norm_moments, norm_moments),
    FAMILY(norm_forward, norm_forward),
    FAMILY(norm_backward, norm_backward),
    FAMILY(vector_add, vector_add),
    FAMILY(vector_mul, vector_mul),
    FAMILY(vector_scale, vector_scale),
    FAMILY(dropout, dropout),
    FAMILY(gelu, gelu),
    FAMILY(gelu_backward, gelu_backward),
    FAMILY(exp_columns, exp_columns),
    FAMILY(attend_softmax, attend_softmax),
    FAMILY(attend_slopes, attend_slopes),
    FAMILY(store_rows, store_rows),
    FAMILY(block_product, block_product),
    FAMILY(strip_product, strip_product),
    FAMILY(pack_strips, pack_strips),
    FAMILY(matvec, matvec),
    FAMILY(transpose, transpose),
    FAMILY(interleave, interleave),
    FAMILY(column_sums, column_sums),
};

pkm_kernel_run *pkm_kernel_case(const pkm_kernel_row *row, int *variant)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (row->field >= cases[i].field && row->field - cases[i].field < cases[i].bytes) {
            *variant = (int)((row->field - cases[i].field) / sizeof(pkm_kernel_fn));
            return cases[i].run;
        }
    return NULL;
}
