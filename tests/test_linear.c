/* SPDX-License-Identifier: Apache-2.0 */
/* Linear maps that share a weight or a bias: gradients add up where, and only where, they share. */
#include <string.h>

#include "ops/ops.h"
#include "support/check.h"
#include "support/tape_ops.h"

enum { ROWS = 5, WEIGHTS = TAPE_WIDTH * TAPE_WIDTH };

/* x -> two linear maps, one after the other -> the sum. Map i uses weight[i] and bias[i]. */
typedef struct chain {
    pkm_params *params;
    pkm_tape *tape;
    pkm_param *weight[2], *bias[2];
} chain;

/* Parameter `name` [3, 3] or [3]; a second one of the same kind has the same values. */
static pkm_param *parameter(chain *c, const char *name, int n_dims)
{
    pkm_param_spec spec = {.n_dims = n_dims, .dims = {TAPE_WIDTH, TAPE_WIDTH}};
    pkm_param *out;

    snprintf(spec.name, sizeof spec.name, "%s", name);
    check_ok(pkm_params_add(c->params, &out, &spec));
    return out;
}

static void build(chain *c, pkm_tensor **x)
{
    const int64_t width = TAPE_WIDTH;
    pkm_linear_attr attr = {.layout = PKM_WEIGHT_IN_OUT, .out_dtype = PKM_F32};
    pkm_tensor *at, *loss;

    check_ok(pkm_tape_create(&c->tape, PKM_MODE_TRAIN));
    check_ok(pkm_tape_input(c->tape, x, "x", PKM_F32, 1, &width));
    at = *x;
    for (int i = 0; i < 2; i++) {
        pkm_node_spec spec = {.op = &pkm_op_linear,
                              .name = i == 0 ? "first" : "second",
                              .in = {at},
                              .param = {c->weight[i], c->bias[i]},
                              .attr = &attr,
                              .attr_bytes = sizeof attr};

        check_ok(pkm_tape_add(c->tape, &at, &spec));
    }
    check_ok(pkm_tape_add(c->tape, &loss,
                          &(pkm_node_spec){.op = &total_op, .name = "loss", .in = {at}}));
    check_ok(pkm_params_allocate(c->params, true));
    check_ok(pkm_tape_plan(c->tape, ROWS, loss));
}

/* Gradients of both maps' weights and biases, summed over what they share. */
static void gradients(bool share_weight, bool share_bias, float out[2][WEIGHTS + TAPE_WIDTH])
{
    static const float seed[ROWS] = {1, 2, -1, 3, 1};
    pkm_run run = {.n_rows = ROWS, .loss_grad = seed};
    pkm_tensor *x;
    chain c = {0};

    check_ok(pkm_params_create(&c.params));
    for (int i = 0; i < 2; i++) {
        c.weight[i] = i > 0 && share_weight ? c.weight[0] : parameter(&c, i ? "w2" : "w1", 2);
        c.bias[i] = i > 0 && share_bias ? c.bias[0] : parameter(&c, i ? "b2" : "b1", 1);
    }
    build(&c, &x);
    for (int i = 0; i < 2; i++) {
        fill_integers(c.weight[i]->data, WEIGHTS, 1, -3, 3);
        fill_integers(c.bias[i]->data, TAPE_WIDTH, 2, -3, 3);
        memset(c.weight[i]->grad, 0x7f, WEIGHTS * sizeof(float)); /* what must be overwritten */
        memset(c.bias[i]->grad, 0x7f, TAPE_WIDTH * sizeof(float));
    }
    pkm_params_pack(c.params);
    fill_integers(x->data, ROWS * TAPE_WIDTH, 3, -3, 3);
    check_ok(pkm_tape_forward(c.tape, &run));
    check_ok(pkm_tape_backward(c.tape, &run));
    for (int i = 0; i < 2; i++) {
        memcpy(out[i], c.weight[i]->grad, WEIGHTS * sizeof(float));
        memcpy(out[i] + WEIGHTS, c.bias[i]->grad, TAPE_WIDTH * sizeof(float));
    }
    pkm_tape_destroy(c.tape);
    pkm_params_destroy(c.params);
}

static void test_shared_parameters(void **state)
{
    float own[2][WEIGHTS + TAPE_WIDTH], got[2][WEIGHTS + TAPE_WIDTH];

    (void)state;
    gradients(false, false, own);
    for (int shared = 1; shared < 4; shared++) {
        gradients(shared & 1, shared & 2, got);
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < WEIGHTS + TAPE_WIDTH; j++) {
                bool summed = j < WEIGHTS ? shared & 1 : shared & 2;

                assert_true(got[i][j] == (summed ? own[0][j] + own[1][j] : own[i][j]));
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared_parameters)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
