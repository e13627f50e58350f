/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense maps in plain C: the specification of dense.h and the provider of -DPKM_DENSE=ref builds.
 * All three products are one loop over strided operands, each element summed in double.
 */
#include "dense/dense.h"

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "dense/dense_check.h"
#include "dense/dense_stored.h"
#include "kernels/elementwise.h"

struct pkm_dense {
    pkm_dense_config config;
    void *weight; /* in the compute dtype, layout of the config */
};

/* A matrix in memory: element (i, j) stands at i * row_step + j * column_step. */
typedef struct view {
    void *data;
    pkm_dtype dtype;
    int64_t row_step, column_step;
} view;

/* c [m, n] = or += a [m, k] b [k, n] + bias [n] + residual; gelu = that of c */
typedef struct product {
    view c, a, b;
    int64_t m, n, k;
    const float *bias;   /* NULL: none */
    view residual, gelu; /* data NULL: none */
    bool accumulate;
} product;

static float get(const view *matrix, int64_t i, int64_t j)
{
    int64_t at = i * matrix->row_step + j * matrix->column_step;

    if (matrix->dtype == PKM_BF16)
        return pkm_bf16_to_f32(((const uint16_t *)matrix->data)[at]);
    return ((const float *)matrix->data)[at];
}

static void set(const view *matrix, int64_t i, int64_t j, float value)
{
    int64_t at = i * matrix->row_step + j * matrix->column_step;

    if (matrix->dtype == PKM_BF16)
        ((uint16_t *)matrix->data)[at] = pkm_f32_to_bf16(value);
    else
        ((float *)matrix->data)[at] = value;
}

static void product_row(int64_t i, int thread, void *user)
{
    const product *job = user;

    (void)thread;
    for (int64_t j = 0; j < job->n; j++) {
        double sum = job->bias != NULL ? (double)job->bias[j] : 0.0;

        if (job->accumulate)
            sum += (double)get(&job->c, i, j);
        for (int64_t l = 0; l < job->k; l++)
            sum += (double)get(&job->a, i, l) * (double)get(&job->b, l, j);
        if (job->residual.data != NULL)
            sum += (double)get(&job->residual, i, j);
        set(&job->c, i, j, (float)sum);
        if (job->gelu.data != NULL) {
            float value = get(&job->c, i, j);

            pkm_gelu_ref(&value, &value, 1);
            set(&job->gelu, i, j, value);
        }
    }
}

pkm_status pkm_dense_create(pkm_dense **out, const pkm_dense_config *config)
{
    pkm_dense *dense = NULL;

    PKM_TRY(pkm_dense_check_config(config));
    PKM_TRY(pkm_alloc_array((void **)&dense, 1, sizeof *dense, "a dense map"));
    dense->config = *config;
    if (pkm_alloc(&dense->weight, pkm_dense_bytes(config), "a packed weight") != PKM_OK) {
        pkm_dense_destroy(dense);
        return PKM_ERR_NOMEM;
    }
    *out = dense;
    return PKM_OK;
}

void pkm_dense_destroy(pkm_dense *dense)
{
    if (dense == NULL)
        return;
    pkm_free(dense->weight);
    pkm_free(dense);
}

const pkm_dense_config *pkm_dense_config_of(const pkm_dense *dense)
{
    return &dense->config;
}

void pkm_dense_pack(pkm_dense *dense, const float *weight)
{
    view packed = {dense->weight, dense->config.compute, 0, 1};

    for (int64_t i = 0; i < dense->config.n_in * dense->config.n_out; i++)
        set(&packed, 0, i, weight[i]);
}

void pkm_dense_pack_stored(pkm_dense *dense, const pkm_dense_stored *stored)
{
    const pkm_dense_config *config = &dense->config;
    view packed = {dense->weight, config->compute, config->n_in, 1};

    for (int64_t o = 0; o < config->n_out; o++)
        for (int64_t i = 0; i < config->n_in; i++)
            set(&packed, o, i, pkm_dense_stored_at(stored, o, i, config->n_in));
}

/* The weight, or its gradient, seen as [n_in, n_out]. */
static view weight_view(const pkm_dense *dense, void *data, pkm_dtype dtype)
{
    const pkm_dense_config *config = &dense->config;

    if (config->layout == PKM_WEIGHT_IN_OUT)
        return (view){data, dtype, config->n_out, 1};
    return (view){data, dtype, 1, config->n_in};
}

static view transposed(view matrix)
{
    return (view){matrix.data, matrix.dtype, matrix.column_step, matrix.row_step};
}

pkm_status pkm_dense_forward(pkm_dense *dense, void *y, pkm_dtype y_dtype, const void *x,
                             const pkm_dense_finish *finish, int64_t n_rows)
{
    const pkm_dense_config *config = &dense->config;
    const pkm_dense_finish none = {0}, *wanted = finish != NULL ? finish : &none;
    product job = {.c = {y, y_dtype, config->n_out, 1},
                   .a = {(void *)x, config->compute, config->n_in, 1},
                   .b = weight_view(dense, dense->weight, config->compute),
                   .m = n_rows,
                   .n = config->n_out,
                   .k = config->n_in,
                   .bias = wanted->bias,
                   .residual = {(void *)wanted->residual, PKM_F32, config->n_out, 1},
                   .gelu = {wanted->gelu, y_dtype, config->n_out, 1}};

    PKM_TRY(pkm_dense_check_rows(config, n_rows));
    PKM_TRY(pkm_dense_check_result(config, y_dtype));
    pkm_parallel(n_rows, product_row, &job);
    return PKM_OK;
}

pkm_status pkm_dense_backward_input(pkm_dense *dense, void *dx, pkm_dtype dx_dtype, const void *dy,
                                    int64_t n_rows, bool accumulate)
{
    const pkm_dense_config *config = &dense->config;
    product job = {.c = {dx, dx_dtype, config->n_in, 1},
                   .a = {(void *)dy, config->compute, config->n_out, 1},
                   .b = transposed(weight_view(dense, dense->weight, config->compute)),
                   .m = n_rows,
                   .n = config->n_in,
                   .k = config->n_out,
                   .accumulate = accumulate};

    PKM_TRY(pkm_dense_check_rows(config, n_rows));
    PKM_TRY(pkm_dense_check_result(config, dx_dtype));
    pkm_parallel(n_rows, product_row, &job);
    return PKM_OK;
}

pkm_status pkm_dense_backward_weight(pkm_dense *dense, const pkm_dense_grads *grads, const void *x,
                                     const void *dy, int64_t n_rows)
{
    const pkm_dense_config *config = &dense->config;
    const float one = 1.0f;
    view upstream = {(void *)dy, config->compute, config->n_out, 1};
    product job = {.c = weight_view(dense, grads->weight, PKM_F32),
                   .a = transposed((view){(void *)x, config->compute, config->n_in, 1}),
                   .b = upstream,
                   .m = config->n_in,
                   .n = config->n_out,
                   .k = n_rows,
                   .accumulate = grads->add_weight};
    product column_sums = {.c = {grads->bias, PKM_F32, 0, 1},
                           .a = {(void *)&one, PKM_F32, 0, 0},
                           .b = upstream,
                           .m = 1,
                           .n = config->n_out,
                           .k = n_rows,
                           .accumulate = grads->add_bias};

    PKM_TRY(pkm_dense_check_rows(config, n_rows));
    pkm_parallel(config->n_in, product_row, &job);
    if (grads->bias != NULL)
        product_row(0, 0, &column_sums);
    return PKM_OK;
}

size_t pkm_dense_bytes(const pkm_dense_config *config)
{
    return pkm_size_product(pkm_size_product((size_t)config->n_in, (size_t)config->n_out),
                            pkm_dtype_bytes(config->compute));
}

const char *pkm_dense_provider(void)
{
    return "reference";
}
