/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense maps: by own kernels where they win (strips.h), else by oneDNN. Three products, each with
 * packed operands of its own: rows times weight and rows times transposed weight (onednn_rows.c),
 * and the gradient of the weight (onednn_weight.c). A few rows go through own matrix-vector kernels
 * (dense_few.c). Where oneDNN has no bf16, operands are converted to fp32 and multiplied there:
 * products of bf16 numbers are exact in fp32.
 */
#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "dense/dense.h"
#include "dense/dense_check.h"
#include "dense/dense_few.h"
#include "dense/dense_finish.h"
#include "dense/dense_scratch.h"
#include "dense/dense_stored.h"
#include "dense/onednn_rows.h"
#include "dense/onednn_weight.h"
#include "dense/strips.h"

struct pkm_dense {
    pkm_dense_config config;
    const float *master;        /* the caller's weight, since the last pack; NULL: a stored one */
    pkm_dense_stored stored;    /* such a one; rows NULL: none */
    pkm_dense_scratch *scratch; /* the config's, or own */
    pkm_dense_scratch *own_scratch;
    pkm_dense_few few;
    pkm_rows_product forward, backward_input;
    pkm_weight_product backward_weight;
    bool by_strips; /* by own kernels, from these: */
    pkm_strips forward_strips, backward_strips;
};

/* What oneDNN multiplies in. */
static pkm_dtype native_dtype(pkm_dtype compute)
{
    return pkm_gemm_supports(compute) ? compute : PKM_F32;
}

static void describe_products(pkm_dense *dense)
{
    const pkm_dense_config *config = &dense->config;
    bool in_out = config->layout == PKM_WEIGHT_IN_OUT;
    pkm_dtype native = native_dtype(config->compute);
    int64_t in_step = in_out ? config->n_out : 1, out_step = in_out ? 1 : config->n_in;

    dense->few = (pkm_dense_few){.n_in = config->n_in,
                                 .n_out = config->n_out,
                                 .in_step = in_step,
                                 .out_step = out_step,
                                 .dtype = config->compute};
    dense->forward = (pkm_rows_product){.k = config->n_in,
                                        .n = config->n_out,
                                        .row_step = in_step,
                                        .column_step = out_step,
                                        .compute = config->compute,
                                        .native = native};
    dense->backward_input = (pkm_rows_product){.k = config->n_out,
                                               .n = config->n_in,
                                               .row_step = out_step,
                                               .column_step = in_step,
                                               .compute = config->compute,
                                               .native = native};
    dense->backward_weight = (pkm_weight_product){.m = in_out ? config->n_in : config->n_out,
                                                  .n = in_out ? config->n_out : config->n_in,
                                                  .compute = config->compute,
                                                  .native = native};
    dense->by_strips = pkm_strips_win(config->compute);
    dense->forward_strips = (pkm_strips){.k = config->n_in,
                                         .n = config->n_out,
                                         .row_step = in_step,
                                         .column_step = out_step,
                                         .dtype = config->compute};
    dense->backward_strips = (pkm_strips){.k = config->n_out,
                                          .n = config->n_in,
                                          .row_step = out_step,
                                          .column_step = in_step,
                                          .dtype = config->compute};
}

pkm_status pkm_dense_create(pkm_dense **out, const pkm_dense_config *config)
{
    pkm_dense *dense = NULL;
    pkm_status status;

    PKM_TRY(pkm_dense_check_config(config));
    PKM_TRY(pkm_alloc_array((void **)&dense, 1, sizeof *dense, "a dense map"));
    dense->config = *config;
    dense->scratch = config->scratch;
    if (dense->scratch == NULL) {
        status = pkm_dense_scratch_create(&dense->own_scratch);
        if (status != PKM_OK)
            goto fail;
        dense->scratch = dense->own_scratch;
    }
    describe_products(dense);
    *out = dense;
    return PKM_OK;
fail:
    pkm_dense_destroy(dense);
    return status;
}

void pkm_dense_destroy(pkm_dense *dense)
{
    if (dense == NULL)
        return;
    pkm_dense_few_release(&dense->few);
    pkm_rows_product_release(&dense->forward);
    pkm_rows_product_release(&dense->backward_input);
    pkm_weight_product_release(&dense->backward_weight);
    pkm_strips_release(&dense->forward_strips);
    pkm_strips_release(&dense->backward_strips);
    pkm_dense_scratch_destroy(dense->own_scratch);
    pkm_free(dense);
}

const pkm_dense_config *pkm_dense_config_of(const pkm_dense *dense)
{
    return &dense->config;
}

void pkm_dense_pack(pkm_dense *dense, const float *weight)
{
    dense->master = weight;
    dense->stored = (pkm_dense_stored){0};
    dense->few.fresh = false;
    dense->forward.fresh = false;
    dense->backward_input.fresh = false;
    dense->forward_strips.fresh = false;
    dense->backward_strips.fresh = false;
}

void pkm_dense_pack_stored(pkm_dense *dense, const pkm_dense_stored *stored)
{
    pkm_dense_pack(dense, NULL);
    dense->stored = *stored;
    dense->few.rows = *stored;
    dense->few.fresh = true;
}

/* A stored weight is a master for as long as a form is packed of it. */
static pkm_status master_begin(pkm_dense *dense, bool fresh)
{
    const pkm_dense_config *config = &dense->config;
    float *master;

    if (fresh || dense->stored.rows == NULL)
        return PKM_OK;
    PKM_TRY(pkm_dense_stored_expand(&master, &dense->stored, config->n_out, config->n_in));
    dense->master = master;
    return PKM_OK;
}

static void master_end(pkm_dense *dense)
{
    if (dense->stored.rows == NULL)
        return;
    pkm_free((void *)dense->master);
    dense->master = NULL;
}

/* All but the last few rows. */
static pkm_status forward_rows(pkm_dense *dense, void *y, pkm_dtype y_dtype, const void *x,
                               const pkm_dense_finish *finish, int64_t n_rows)
{
    const pkm_dense_config *config = &dense->config;
    pkm_rows_call call = {.y = y, .y_dtype = y_dtype, .x = x, .finish = *finish, .n_rows = n_rows};
    pkm_strip_product product = {.m = n_rows,
                                 .a = x,
                                 .a_row = config->n_in,
                                 .y = y,
                                 .y_dtype = y_dtype,
                                 .y_row = config->n_out,
                                 .bias = finish->bias,
                                 .base = finish->residual,
                                 .base_row = config->n_out,
                                 .gelu = finish->gelu,
                                 .gelu_row = config->n_out};
    pkm_status status;

    PKM_TRY(
        master_begin(dense, dense->by_strips ? dense->forward_strips.fresh : dense->forward.fresh));
    status = dense->by_strips
                 ? pkm_strips_pack(&dense->forward_strips, dense->master)
                 : pkm_rows_product_run(&dense->forward, dense->scratch, dense->master, &call);
    master_end(dense);
    if (status == PKM_OK && dense->by_strips)
        pkm_strips_rows(&dense->forward_strips, &product);
    return status;
}

pkm_status pkm_dense_forward(pkm_dense *dense, void *y, pkm_dtype y_dtype, const void *x,
                             const pkm_dense_finish *finish, int64_t n_rows)
{
    const pkm_dense_config *config = &dense->config;
    const pkm_dense_finish none = {0}, *wanted = finish != NULL ? finish : &none;
    int64_t rest = n_rows % PKM_DENSE_BLOCK_ROWS, few = rest <= PKM_DENSE_FEW_ROWS ? rest : 0;
    int64_t first_few = n_rows - few, done = first_few * config->n_out;
    pkm_dense_finish last = pkm_finish_from(wanted, y_dtype, done);
    char *last_y = (char *)y + (size_t)done * pkm_dtype_bytes(y_dtype);

    PKM_TRY(pkm_dense_check_rows(config, n_rows));
    PKM_TRY(pkm_dense_check_result(config, y_dtype));
    if (first_few > 0)
        PKM_TRY(forward_rows(dense, y, y_dtype, x, wanted, first_few));
    if (few == 0)
        return PKM_OK;
    PKM_TRY(pkm_dense_few_run(&dense->few, dense->master, last_y, y_dtype,
                              (const char *)x + (size_t)(first_few * config->n_in) *
                                                    pkm_dtype_bytes(config->compute),
                              wanted->bias, few));
    pkm_finish_values(&last, last_y, y_dtype, few * config->n_out);
    return PKM_OK;
}

pkm_status pkm_dense_backward_input(pkm_dense *dense, void *dx, pkm_dtype dx_dtype, const void *dy,
                                    int64_t n_rows, bool accumulate)
{
    const pkm_dense_config *config = &dense->config;
    pkm_rows_call call = {
        .y = dx, .y_dtype = dx_dtype, .x = dy, .n_rows = n_rows, .accumulate = accumulate};
    pkm_strip_product product = {.m = n_rows,
                                 .a = dy,
                                 .a_row = config->n_out,
                                 .y = dx,
                                 .y_dtype = dx_dtype,
                                 .y_row = config->n_in,
                                 .base = accumulate ? dx : NULL,
                                 .base_row = config->n_in};

    PKM_TRY(pkm_dense_check_rows(config, n_rows));
    PKM_TRY(pkm_dense_check_result(config, dx_dtype));
    if (!dense->by_strips)
        return pkm_rows_product_run(&dense->backward_input, dense->scratch, dense->master, &call);
    PKM_TRY(pkm_strips_pack(&dense->backward_strips, dense->master));
    pkm_strips_rows(&dense->backward_strips, &product);
    return PKM_OK;
}

pkm_status pkm_dense_backward_weight(pkm_dense *dense, const pkm_dense_grads *grads, const void *x,
                                     const void *dy, int64_t n_rows)
{
    const pkm_dense_config *config = &dense->config;
    bool in_out = config->layout == PKM_WEIGHT_IN_OUT;
    pkm_weight_call call = {.c = grads->weight,
                            .sums = grads->bias,
                            .sums_left = !in_out,
                            .left = in_out ? x : dy,
                            .right = in_out ? dy : x,
                            .n_rows = n_rows,
                            .accumulate = grads->add_weight,
                            .accumulate_sums = grads->add_bias};
    pkm_strips_gradient gradient = {.c = grads->weight,
                                    .row_step = in_out ? config->n_out : 1,
                                    .column_step = in_out ? 1 : config->n_in,
                                    .sums = grads->bias,
                                    .left = x,
                                    .right = dy,
                                    .m = config->n_in,
                                    .n = config->n_out,
                                    .n_rows = n_rows,
                                    .dtype = config->compute,
                                    .add = grads->add_weight,
                                    .add_sums = grads->add_bias};

    PKM_TRY(pkm_dense_check_rows(config, n_rows));
    if (dense->by_strips)
        return pkm_strips_gradient_run(&gradient, dense->scratch);
    return pkm_weight_product_run(&dense->backward_weight, dense->scratch, &call);
}

size_t pkm_dense_bytes(const pkm_dense_config *config)
{
    bool by_strips = pkm_strips_win(config->compute);
    size_t element = pkm_dtype_bytes(by_strips ? config->compute : native_dtype(config->compute));
    size_t forms = config->backward ? 2 : 1;

    return pkm_size_product(pkm_size_product((size_t)config->n_in, (size_t)config->n_out),
                            pkm_size_product(element, forms));
}

const char *pkm_dense_provider(void)
{
    return pkm_gemm_provider();
}
