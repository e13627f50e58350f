/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fused head and loss where it takes other ways than in tests/test_ops.c: gradients made by
 * forward, logits that outgrow the first strip, no rows at all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/threads.h"
#include "graph/tape.h"
#include "ops/ops.h"
#include "support/check.h"

/* Three strips of the vocabulary, the last one of odd height; two chunks of rows. */
enum { DIM = 33, VOCABULARY = 2 * 256 + 75, ROWS = 530 };

typedef struct fixture {
    pkm_params *params;
    pkm_param *weight;
    pkm_tape *tape;
    pkm_tensor *x, *targets, *loss;
    pkm_dtype compute;
    float seed[ROWS];
} fixture;

static float x_at(const fixture *f, int64_t at)
{
    return f->compute == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)f->x->data)[at])
                                  : ((const float *)f->x->data)[at];
}

static float dx_at(const fixture *f, int64_t at)
{
    return f->compute == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)f->x->grad)[at])
                                  : ((const float *)f->x->grad)[at];
}

static void setup(fixture *f, pkm_dtype compute)
{
    const int64_t dim = DIM;
    pkm_param_spec spec = {.name = "wte", .n_dims = 2, .dims = {VOCABULARY, DIM}};
    float values[ROWS * DIM];
    float *weight;

    *f = (fixture){.compute = compute};
    check_ok(pkm_params_create(&f->params));
    check_ok(pkm_params_add(f->params, &f->weight, &spec));
    check_ok(pkm_params_allocate(f->params, true));
    check_ok(pkm_tape_create(&f->tape, PKM_MODE_TRAIN));
    check_ok(pkm_tape_input(f->tape, &f->x, "x", compute, 1, &dim));
    check_ok(pkm_tape_input(f->tape, &f->targets, "targets", PKM_I32, 0, NULL));
    pkm_tape_want_input_grad(f->tape, f->x);
    check_ok(pkm_tape_add(f->tape, &f->loss,
                          &(pkm_node_spec){.op = &pkm_op_cross_entropy,
                                           .name = "loss",
                                           .in = {f->x, f->targets},
                                           .param = {f->weight}}));
    check_ok(pkm_tape_plan(f->tape, ROWS, f->loss));
    fill_normal(values, ROWS * DIM, 1);
    for (int i = 0; i < ROWS * DIM && compute == PKM_BF16; i++)
        ((uint16_t *)f->x->data)[i] = pkm_f32_to_bf16(values[i]);
    if (compute == PKM_F32)
        memcpy(f->x->data, values, sizeof values);
    weight = f->weight->data;
    fill_normal(weight, VOCABULARY * DIM, 2);
    for (int i = 0; i < VOCABULARY * DIM; i++)
        weight[i] = pkm_bf16_to_f32(pkm_f32_to_bf16(0.3f * weight[i]));
    for (int i = 0; i < ROWS; i++) {
        ((int32_t *)f->targets->data)[i] = i % 7 == 3 ? -1 : i * 31 % VOCABULARY;
        f->seed[i] = 0.01f * (float)(1 + i % 5);
    }
    pkm_param_changed(f->weight);
}

static void teardown(fixture *f)
{
    pkm_tape_destroy(f->tape);
    pkm_params_destroy(f->params);
}

static void run(fixture *f, int64_t n_rows, bool early, bool accumulate)
{
    pkm_run run = {.n_rows = n_rows, .accumulate = accumulate};

    run.loss_grad = early ? f->seed : NULL;
    check_ok(pkm_tape_forward(f->tape, &run));
    run.loss_grad = f->seed;
    check_ok(pkm_tape_backward(f->tape, &run));
}

/* p - onehot(target) of a row in double; returns its loss. */
static double slopes(const fixture *f, int64_t row, double *out)
{
    const float *weight = f->weight->data;
    int32_t target = ((const int32_t *)f->targets->data)[row];
    double top = -INFINITY, sum = 0, wanted;

    for (int64_t v = 0; v < VOCABULARY; v++) {
        out[v] = 0;
        for (int64_t i = 0; i < DIM; i++)
            out[v] += (double)x_at(f, row * DIM + i) * (double)weight[v * DIM + i];
        top = fmax(top, out[v]);
    }
    for (int64_t v = 0; v < VOCABULARY; v++)
        sum += exp(out[v] - top);
    wanted = target < 0 ? 0 : out[target];
    for (int64_t v = 0; v < VOCABULARY; v++)
        out[v] = target < 0 ? 0 : exp(out[v] - top) / sum - (v == target);
    return target < 0 ? 0 : log(sum) + top - wanted;
}

static double largest(const double *values, int64_t count)
{
    double out = 0;

    for (int64_t i = 0; i < count; i++)
        out = fmax(out, fabs(values[i]));
    return out;
}

/* Losses, and gradients relative to their largest element. */
static void check_against_double(const fixture *f)
{
    static double dw[VOCABULARY * DIM], slope[VOCABULARY], dx[ROWS * DIM];
    double bound = f->compute == PKM_BF16 ? 1e-2 : 2e-5, scale;
    const float *weight = f->weight->data;

    memset(dw, 0, sizeof dw);
    memset(dx, 0, sizeof dx);
    for (int64_t row = 0; row < ROWS; row++) {
        double loss = slopes(f, row, slope);

        if (!(fabs((double)((const float *)f->loss->data)[row] - loss) < 1e-5 * (1 + loss)))
            fail_msg("row %lld: loss %.9g, expected %.9g", (long long)row,
                     (double)((const float *)f->loss->data)[row], loss);
        for (int64_t v = 0; v < VOCABULARY; v++)
            for (int64_t i = 0; i < DIM; i++) {
                double s = (double)f->seed[row] * slope[v];

                dx[row * DIM + i] += s * (double)weight[v * DIM + i];
                dw[v * DIM + i] += s * (double)x_at(f, row * DIM + i);
            }
    }
    scale = largest(dx, ROWS * DIM);
    for (int64_t i = 0; i < ROWS * DIM; i++)
        assert_true(fabs((double)dx_at(f, i) - dx[i]) <= bound * scale);
    scale = largest(dw, VOCABULARY * DIM);
    for (int64_t i = 0; i < VOCABULARY * DIM; i++)
        assert_true(fabs((double)f->weight->grad[i] - dw[i]) <= bound * scale);
}

static void test_gradients_made_by_forward(void **state)
{
    (void)state;
    for (pkm_dtype compute = PKM_F32; compute <= PKM_BF16; compute++) {
        size_t dw_bytes = VOCABULARY * DIM * sizeof(float), dx_bytes;
        float *dw = malloc(dw_bytes);
        char *dx = malloc(ROWS * DIM * sizeof(float));
        fixture f;

        setup(&f, compute);
        dx_bytes = ROWS * DIM * pkm_dtype_bytes(compute);
        run(&f, ROWS, true, false);
        check_against_double(&f);
        memcpy(dw, f.weight->grad, dw_bytes);
        memcpy(dx, f.x->grad, dx_bytes);
        memset(f.weight->grad, 0x7f, dw_bytes);
        memset(f.x->grad, 0x7f, dx_bytes);
        run(&f, ROWS, false, false); /* made by backward: the same bits */
        assert_memory_equal(dw, f.weight->grad, dw_bytes);
        assert_memory_equal(dx, f.x->grad, dx_bytes);
        run(&f, ROWS, true, true); /* twice the first, or nearly */
        for (int64_t i = 0; i < VOCABULARY * DIM; i++)
            assert_true(fabsf(f.weight->grad[i] - 2 * dw[i]) <= 1e-6f + 1e-5f * fabsf(dw[i]));
        teardown(&f);
        free(dw);
        free(dx);
    }
}

/* Rows whose largest logit lies far above all of the first strip, in a later one. */
static void test_late_maximum(void **state)
{
    (void)state;
    for (pkm_dtype compute = PKM_F32; compute <= PKM_BF16; compute++) {
        fixture f;
        float *weight;

        setup(&f, compute);
        weight = f.weight->data;
        for (int64_t i = 0; i < DIM; i++) /* logits of about +-130 */
            weight[300 * DIM + i] = weight[(VOCABULARY - 1) * DIM + i] = 24;
        pkm_param_changed(f.weight);
        run(&f, ROWS, true, false);
        check_against_double(&f);
        teardown(&f);
    }
}

static void test_same_bits_for_any_threads(void **state)
{
    static float one[VOCABULARY * DIM];

    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        fixture f;

        check_ok(pkm_threads_set(threads));
        setup(&f, PKM_BF16);
        check_ok(pkm_threads_set(threads > 4 ? 3 : threads)); /* fewer than planned for */
        run(&f, ROWS, true, false);
        if (threads == 1)
            memcpy(one, f.weight->grad, sizeof one);
        assert_memory_equal(one, f.weight->grad, sizeof one);
        teardown(&f);
    }
    check_ok(pkm_threads_set(0));
}

static void test_no_rows(void **state)
{
    fixture f;

    (void)state;
    setup(&f, PKM_BF16);
    memset(f.weight->grad, 0x7f, VOCABULARY * DIM * sizeof(float));
    run(&f, 0, true, false);
    for (int64_t i = 0; i < VOCABULARY * DIM; i++)
        assert_true(f.weight->grad[i] == 0.0f);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_made_by_forward),
        cmocka_unit_test(test_late_maximum),
        cmocka_unit_test(test_same_bits_for_any_threads),
        cmocka_unit_test(test_no_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
