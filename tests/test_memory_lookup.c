/* SPDX-License-Identifier: Apache-2.0 */
/* The memory lookup on a tape with a mask: padding reads nothing, trains nothing. Its gradients:
 * test_ops.c and test_memory_layer.c. */
#include <string.h>

#include "graph/tape.h"
#include "memory/layer.h"
#include "ops/ops.h"
#include "support/check.h"

enum { DIM = 6, ROWS = 5 };

static pkm_status sum_shape(pkm_node *node)
{
    node->out->dtype = PKM_F32;
    return PKM_OK;
}

static pkm_status sum_forward(pkm_node *node, const pkm_run *run)
{
    float *out = node->out->data;
    const float *in = node->in[0]->data;

    for (int64_t row = 0; row < run->n_rows; row++) {
        out[row] = 0;
        for (int d = 0; d < DIM; d++)
            out[row] += in[row * DIM + d];
    }
    return PKM_OK;
}

static pkm_status sum_backward(pkm_node *node, const pkm_run *run)
{
    float *grad = node->in[0]->grad;

    for (int64_t i = 0; i < run->n_rows * DIM; i++)
        grad[i] = ((const float *)node->out->grad)[i / DIM];
    return PKM_OK;
}

/* A loss for the tape: the sum of a row. */
static const pkm_op sum_op = {
    .name = "sum", .shape = sum_shape, .forward = sum_forward, .backward = sum_backward};

static void test_mask(void **state)
{
    const pkm_memory_config config = {
        .dim = DIM, .heads = 2, .n_keys = 5, .key_dim = 4, .topk = 3, .query_norm = PKM_NORM_BATCH};
    const pkm_store_config table = {.slots = 25, .value_dim = DIM, .train = true};
    const unsigned char mask[ROWS] = {1, 0, 1, 1, 0};
    const float seed_grad[ROWS] = {1, 1, 1, 1, 1}, zero[DIM] = {0};
    const int64_t width = DIM;
    pkm_memory_lookup_attr attr = {NULL};
    pkm_node_spec lookup = {
        .op = &pkm_op_memory_lookup, .name = "pkm", .attr = &attr, .attr_bytes = sizeof attr};
    pkm_node_spec sum = {.op = &sum_op, .name = "sum"};
    pkm_run run = {.n_rows = ROWS, .loss_grad = seed_grad};
    pkm_tensor *x, *padding, *y, *loss;
    pkm_store *store = NULL;
    pkm_params *params = NULL;
    pkm_tape *tape = NULL;

    (void)state;
    check_ok(pkm_store_create(&store, &table));
    check_ok(pkm_store_reserve(store, 3, 6)); /* the real rows, and no more */
    pkm_store_init(store, 1);
    check_ok(pkm_params_create(&params));
    check_ok(pkm_memory_layer_create(&attr.layer, params, store, "", &config, PKM_F32));
    check_ok(pkm_params_allocate(params, true));
    pkm_params_init(params, 1);
    check_ok(pkm_tape_create(&tape, PKM_MODE_TRAIN));
    check_ok(pkm_tape_input(tape, &x, "x", PKM_F32, 1, &width));
    check_ok(pkm_tape_input(tape, &padding, "mask", PKM_U8, 0, NULL));
    pkm_tape_want_input_grad(tape, x);
    lookup.in[0] = x;
    lookup.in[1] = padding;
    check_ok(pkm_tape_add(tape, &y, &lookup));
    sum.in[0] = y;
    check_ok(pkm_tape_add(tape, &loss, &sum));
    pkm_tape_keep(tape, y);
    check_ok(pkm_tape_plan(tape, ROWS, loss));
    pkm_params_pack(params);
    fill_normal(x->data, ROWS * DIM, 2);
    memcpy(padding->data, mask, sizeof mask);
    check_ok(pkm_tape_forward(tape, &run));
    check_ok(pkm_tape_backward(tape, &run));
    for (int row = 0; row < ROWS; row++) {
        bool blank = memcmp((float *)y->data + row * DIM, zero, sizeof zero) == 0;
        bool still = memcmp((float *)x->grad + row * DIM, zero, sizeof zero) == 0;

        assert_true(blank == (mask[row] == 0) && still == (mask[row] == 0));
    }
    pkm_tape_destroy(tape);
    pkm_memory_layer_destroy(attr.layer);
    pkm_params_destroy(params);
    pkm_store_destroy(store);
}

static void test_refusals(void **state)
{
    const pkm_memory_config config = {.dim = DIM, .heads = 1, .n_keys = 2, .key_dim = 2, .topk = 1};
    const pkm_store_config table = {.slots = 4, .value_dim = DIM};
    const int64_t width = DIM + 1;
    pkm_memory_lookup_attr attr = {NULL};
    pkm_node_spec lookup = {
        .op = &pkm_op_memory_lookup, .name = "pkm", .attr = &attr, .attr_bytes = sizeof attr};
    pkm_store *store = NULL;
    pkm_params *params = NULL;
    pkm_tape *tape = NULL;
    pkm_tensor *y;

    (void)state;
    check_ok(pkm_store_create(&store, &table));
    check_ok(pkm_params_create(&params));
    check_ok(pkm_memory_layer_create(&attr.layer, params, store, "", &config, PKM_BF16));
    check_ok(pkm_tape_create(&tape, PKM_MODE_SCORE));
    check_ok(pkm_tape_input(tape, &lookup.in[0], "wide", PKM_BF16, 1, &width));
    check_fails(pkm_tape_add(tape, &y, &lookup), PKM_ERR_SHAPE, "pkm", "wide", "width 7", NULL);
    check_ok(pkm_tape_input(tape, &lookup.in[0], "single", PKM_F32, 1, &width));
    check_fails(pkm_tape_add(tape, &y, &lookup), PKM_ERR_SHAPE, "single", "f32", NULL);
    pkm_tape_destroy(tape);
    pkm_memory_layer_destroy(attr.layer);
    pkm_params_destroy(params);
    pkm_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
