/* SPDX-License-Identifier: Apache-2.0 */
#include "product.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"

struct pkm_product {
    pkm_product_shape shape;
    pkm_dense *dense;
    float *weight, *grad; /* [n_in, n_out] or [n_out, n_in] */
    void *x, *dx, *y;     /* [n_rows, n_in], [n_rows, n_out] in the compute dtype; y is dy too */
};

/* *out = [n_rows, width] normal numbers, which repeat after a while. */
static pkm_status make_operand(void **out, int64_t n_rows, int64_t width, pkm_dtype dtype)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.product")};
    size_t count = pkm_size_product((size_t)n_rows, (size_t)width);
    float pattern[1024];

    PKM_TRY(pkm_alloc_array(out, count, pkm_dtype_bytes(dtype), "an operand"));
    pkm_rng_fill_normal(pattern, 1024, &rng, 0, 1);
    for (size_t i = 0; i < count; i++)
        if (dtype == PKM_BF16)
            ((uint16_t *)*out)[i] = pkm_f32_to_bf16(pattern[i % 1024]);
        else
            ((float *)*out)[i] = pattern[i % 1024];
    return PKM_OK;
}

static pkm_status make_parts(pkm_product *product)
{
    const pkm_product_shape *shape = &product->shape;
    const pkm_dense_config config = {
        .n_in = shape->n_in,
        .n_out = shape->n_out,
        .layout = shape->layout,
        .compute = shape->compute,
        .backward = true,
        .max_rows = shape->n_rows,
    };

    PKM_TRY(pkm_dense_create(&product->dense, &config));
    PKM_TRY(make_operand((void **)&product->weight, shape->n_in, shape->n_out, PKM_F32));
    PKM_TRY(make_operand((void **)&product->grad, shape->n_in, shape->n_out, PKM_F32));
    PKM_TRY(make_operand(&product->x, shape->n_rows, shape->n_in, shape->compute));
    PKM_TRY(make_operand(&product->dx, shape->n_rows, shape->n_in, shape->compute));
    PKM_TRY(make_operand(&product->y, shape->n_rows, shape->n_out, shape->compute));
    pkm_dense_pack(product->dense, product->weight);
    return PKM_OK;
}

pkm_status pkm_product_create(pkm_product **out, const pkm_product_shape *shape)
{
    pkm_product *product;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&product, 1, sizeof *product, "a product"));
    product->shape = *shape;
    status = make_parts(product);
    if (status == PKM_OK)
        *out = product;
    else
        pkm_product_destroy(product);
    return status;
}

void pkm_product_destroy(pkm_product *product)
{
    if (product == NULL)
        return;
    pkm_dense_destroy(product->dense);
    pkm_free(product->weight);
    pkm_free(product->grad);
    pkm_free(product->x);
    pkm_free(product->dx);
    pkm_free(product->y);
    pkm_free(product);
}

pkm_status pkm_product_run(pkm_product *product, pkm_product_kind kind)
{
    const pkm_product_shape *shape = &product->shape;
    const pkm_dense_grads grads = {.weight = product->grad};

    switch (kind) {
    case PKM_PRODUCT_FORWARD:
        return pkm_dense_forward(product->dense, product->y, shape->compute, product->x, NULL,
                                 shape->n_rows);
    case PKM_PRODUCT_INPUT:
        return pkm_dense_backward_input(product->dense, product->dx, shape->compute, product->y,
                                        shape->n_rows, false);
    default:
        return pkm_dense_backward_weight(product->dense, &grads, product->x, product->y,
                                         shape->n_rows);
    }
}

double pkm_product_flops(const pkm_product_shape *shape)
{
    return 2.0 * (double)shape->n_rows * (double)shape->n_in * (double)shape->n_out;
}

/* A task of its own. */
typedef struct product_run {
    pkm_product *product;
    pkm_product_kind kind;
} product_run;

static pkm_status run_product(void *user)
{
    const product_run *run = user;

    return pkm_product_run(run->product, run->kind);
}

static void release_run(void *user)
{
    product_run *run = user;

    pkm_product_destroy(run->product);
    pkm_free(run);
}

pkm_status pkm_product_add(pkm_measure *measure, int *index, const pkm_product_shape *shape,
                           pkm_product_kind kind, int peak, int threads)
{
    static const char *const kinds[PKM_PRODUCT_KINDS] = {"forward", "dx", "dW"};
    pkm_task task = {.body = run_product,
                     .release = release_run,
                     .ceiling = true,
                     .threads = threads,
                     .parts = {{peak, pkm_product_flops(shape)}}};
    product_run *run;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&run, 1, sizeof *run, "a product"));
    run->kind = kind;
    status = pkm_product_create(&run->product, shape);
    if (status != PKM_OK) {
        pkm_free(run);
        return status;
    }
    task.user = run;
    snprintf(task.name, sizeof task.name, "%s %lldx%lldx%lld %s", pkm_dtype_name(shape->compute),
             (long long)shape->n_rows, (long long)shape->n_in, (long long)shape->n_out,
             kinds[kind]);
    return pkm_measure_add(measure, index, &task);
}
