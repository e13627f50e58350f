/* SPDX-License-Identifier: Apache-2.0 */
#include "step_products.h"

#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"
#include "product.h"

/* The outputs of a wider map, such as the head, are cut: whoever needs all of its logits at once
 * writes them to memory, but no product has to. */
enum { MOST_OUTPUTS = 1024 };

/* Maps of one shape share their operands. */
typedef struct shared_product {
    pkm_product_shape shape;
    pkm_product *product;
    int64_t maps;
} shared_product;

typedef struct step_products {
    shared_product *shared;
    int n_shared;
    bool train;
    pkm_status status; /* of the run */
} step_products;

static bool same_shape(const pkm_product_shape *a, const pkm_product_shape *b)
{
    return a->n_in == b->n_in && a->n_out == b->n_out && a->layout == b->layout &&
           a->compute == b->compute;
}

static pkm_status add_maps(step_products *step, const pkm_product_shape *shape, int64_t maps)
{
    shared_product *shared;

    for (int i = 0; i < step->n_shared; i++)
        if (same_shape(&step->shared[i].shape, shape)) {
            step->shared[i].maps += maps;
            return PKM_OK;
        }
    shared = &step->shared[step->n_shared];
    *shared = (shared_product){.shape = *shape, .maps = maps};
    PKM_TRY(pkm_product_create(&shared->product, shape));
    step->n_shared++;
    return PKM_OK;
}

static pkm_status add_table(step_products *step, const pkm_params *params, int64_t n_rows)
{
    int n = pkm_params_count(params);

    PKM_TRY(pkm_alloc_array((void **)&step->shared, (size_t)n, sizeof *step->shared, "products"));
    for (int i = 0; i < n; i++) {
        const pkm_dense *dense = pkm_params_at(params, i)->dense;
        const pkm_dense_config *map = dense != NULL ? pkm_dense_config_of(dense) : NULL;
        int64_t cuts = map != NULL ? pkm_ceil_div(map->n_out, MOST_OUTPUTS) : 0;

        if (map != NULL)
            PKM_TRY(add_maps(step,
                             &(pkm_product_shape){n_rows, map->n_in, pkm_ceil_div(map->n_out, cuts),
                                                  map->layout, map->compute},
                             cuts));
    }
    return PKM_OK;
}

static pkm_status run_shared(const step_products *step, const shared_product *shared)
{
    int kinds = step->train ? PKM_PRODUCT_KINDS : PKM_PRODUCT_FORWARD + 1;

    for (int64_t map = 0; map < shared->maps; map++)
        for (int kind = 0; kind < kinds; kind++)
            PKM_TRY(pkm_product_run(shared->product, (pkm_product_kind)kind));
    return PKM_OK;
}

static void run_team(void *user)
{
    step_products *step = user;

    step->status = PKM_OK;
    for (int i = 0; i < step->n_shared && step->status == PKM_OK; i++)
        step->status = run_shared(step, &step->shared[i]);
}

/* With the threads close by, as a tape has them. */
static pkm_status run_products(void *user)
{
    pkm_team(run_team, user);
    return ((step_products *)user)->status;
}

static void release(void *user)
{
    step_products *step = user;

    for (int i = 0; i < step->n_shared; i++)
        pkm_product_destroy(step->shared[i].product);
    pkm_free(step->shared);
    pkm_free(step);
}

pkm_status pkm_step_products_add(pkm_measure *measure, int *index, const pkm_params *params,
                                 int64_t n_rows, bool train)
{
    pkm_task task = {
        .name = "products alone", .body = run_products, .release = release, .ceiling = true};
    step_products *step;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&step, 1, sizeof *step, "products"));
    step->train = train;
    status = add_table(step, params, n_rows);
    if (status != PKM_OK) {
        release(step);
        return status;
    }
    for (int i = 0; i < step->n_shared; i++)
        task.flops += (train ? PKM_PRODUCT_KINDS : 1) * (double)step->shared[i].maps *
                      pkm_product_flops(&step->shared[i].shape);
    task.user = step;
    return pkm_measure_add(measure, index, &task);
}
