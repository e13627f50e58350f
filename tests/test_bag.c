/* SPDX-License-Identifier: Apache-2.0 */
/* The pure functions of include/pkm/memory.h over a caller's arrays. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/rng.h"
#include "pkm/memory.h"
#include "support/check.h"

enum { SLOTS = 300, WIDTH = 17, ROWS = 50, HITS = 6 };

typedef struct arrays {
    float values[SLOTS * WIDTH], weights[ROWS * HITS], dy[ROWS * WIDTH];
    uint16_t halves[SLOTS * WIDTH]; /* values in bf16 */
    int32_t ids[ROWS * HITS];
} arrays;

static pkm_bag make_bag(arrays *a, pkm_dtype dtype)
{
    pkm_rng rng = {.seed = 1};

    fill_normal(a->values, SLOTS * WIDTH, 2);
    fill_normal(a->weights, ROWS * HITS, 3);
    fill_normal(a->dy, ROWS * WIDTH, 4);
    for (int i = 0; i < SLOTS * WIDTH; i++) {
        a->halves[i] = pkm_f32_to_bf16(a->values[i]);
        if (dtype == PKM_BF16)
            a->values[i] = pkm_bf16_to_f32(a->halves[i]);
    }
    for (int i = 0; i < ROWS * HITS; i++)
        a->ids[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % SLOTS);
    return (pkm_bag){.values = dtype == PKM_BF16 ? (const void *)a->halves : a->values,
                     .dtype = dtype,
                     .slots = SLOTS,
                     .value_dim = WIDTH,
                     .ids = a->ids,
                     .weights = a->weights,
                     .n_rows = ROWS,
                     .hits = HITS};
}

static void check_forward(const arrays *a, const pkm_bag *bag)
{
    float y[ROWS * WIDTH], want[ROWS * WIDTH];

    for (int row = 0; row < ROWS; row++)
        for (int d = 0; d < WIDTH; d++) {
            double sum = 0;

            for (int i = row * HITS; i < (row + 1) * HITS; i++)
                sum += (double)a->weights[i] * (double)a->values[a->ids[i] * WIDTH + d];
            want[row * WIDTH + d] = (float)sum;
        }
    check_ok(pkm_bag_forward(y, bag));
    check_close(y, want, ROWS * WIDTH, 1e-5, 1e-5, "y");
}

static void check_backward(const arrays *a, const pkm_bag *bag)
{
    static float dvalues[SLOTS * WIDTH], want[SLOTS * WIDTH];
    float dweights[ROWS * HITS], want_dots[ROWS * HITS];
    int32_t touched[SLOTS];
    bool hit[SLOTS] = {false};
    void *workspace = aligned_alloc(64, pkm_bag_workspace(bag));
    pkm_bag_grad grad = {.weights = dweights, .touched = touched, .values = dvalues};

    memset(want, 0, sizeof want);
    for (int i = 0; i < ROWS * HITS; i++) {
        double dot = 0;

        hit[a->ids[i]] = true;
        for (int d = 0; d < WIDTH; d++) {
            dot += (double)a->dy[i / HITS * WIDTH + d] * (double)a->values[a->ids[i] * WIDTH + d];
            want[a->ids[i] * WIDTH + d] += a->weights[i] * a->dy[i / HITS * WIDTH + d];
        }
        want_dots[i] = (float)dot;
    }
    check_ok(pkm_bag_backward(&grad, a->dy, bag, workspace));
    check_close(dweights, want_dots, ROWS * HITS, 1e-5, 1e-5, "gradient of the weights");
    for (int slot = 0, at = 0; slot < SLOTS; slot++)
        if (hit[slot]) {
            assert_true(at < grad.n_touched && touched[at] == slot);
            check_close(dvalues + at++ * WIDTH, want + slot * WIDTH, WIDTH, 1e-5, 1e-5,
                        "gradient of a row");
        }
    free(workspace);
}

static void test_bags(void **state)
{
    arrays *a = malloc(sizeof *a);

    (void)state;
    for (int dtype = PKM_F32; dtype <= PKM_BF16; dtype++) {
        pkm_bag bag = make_bag(a, (pkm_dtype)dtype);

        check_forward(a, &bag);
        check_backward(a, &bag);
    }
    free(a);
}

static void test_empty(void **state)
{
    arrays *a = malloc(sizeof *a);
    pkm_bag bag = make_bag(a, PKM_F32);
    pkm_bag_grad grad = {0};
    float y[ROWS * WIDTH];
    void *workspace;

    (void)state;
    bag.hits = 0;
    workspace = aligned_alloc(64, pkm_bag_workspace(&bag));
    check_ok(pkm_bag_forward(y, &bag)); /* sums of nothing */
    for (int i = 0; i < ROWS * WIDTH; i++)
        assert_true(y[i] == 0);
    check_ok(pkm_bag_backward(&grad, a->dy, &bag, workspace));
    assert_int_equal(grad.n_touched, 0);
    bag.n_rows = 0;
    check_ok(pkm_bag_forward(y, &bag));
    free(workspace);
    free(a);
}

/* SGD in place, and through bf16 moments untouched rows stay. */
static void test_rows_update(void **state)
{
    float values[4 * 2] = {1, 2, 3, 4, 5, 6, 7, 8}, gradient[2 * 2] = {1, 1, -2, 4}, sum[4] = {0};
    const int32_t touched[2] = {1, 3};
    const float sgd[8] = {1, 2, 2.75f, 3.75f, 5, 6, 7.5f, 7};
    const float adagrad[8] = {1, 2, 2.5f, 3.5f, 5, 6, 7.316228f, 7.367544f};
    pkm_rows rows = {.values = values,
                     .dtype = PKM_F32,
                     .slots = 4,
                     .value_dim = 2,
                     .optimizer = PKM_VALUES_SGD};

    (void)state;
    check_ok(pkm_rows_update(&rows, touched, gradient, 2, 1, 0.5f, 0.5f));
    assert_memory_equal(values, sgd, sizeof sgd);
    for (int i = 0; i < 8; i++)
        values[i] = (float)(i + 1);
    rows.optimizer = PKM_VALUES_ADAGRAD;
    rows.moment1 = sum;
    check_ok(pkm_rows_update(&rows, touched, gradient, 2, 1, 0.5f, 1));
    check_close(values, adagrad, 8, 1e-6, 0, "values");
    assert_true(sum[0] == 0 && sum[1] == 1 && sum[2] == 0 && sum[3] == 10);
}

static void test_refusals(void **state)
{
    arrays *a = malloc(sizeof *a);
    pkm_bag bag = make_bag(a, PKM_F32);
    float y[ROWS * WIDTH], values[4] = {0}, gradient[4] = {0};
    int32_t touched[2] = {1, 1};
    pkm_rows rows = {.values = values, .slots = 2, .value_dim = 2, .optimizer = PKM_VALUES_SGD};

    (void)state;
    a->ids[77] = SLOTS;
    check_fails(pkm_bag_forward(y, &bag), PKM_ERR_ARG, "id is 300: expected 0 to 299", NULL);
    a->ids[77] = -1;
    check_fails(pkm_bag_forward(y, &bag), PKM_ERR_ARG, "id is -1", NULL);
    bag.n_rows = -1;
    check_fails(pkm_bag_forward(y, &bag), PKM_ERR_ARG, "n_rows is -1", NULL);
    bag.n_rows = INT32_MAX;
    check_fails(pkm_bag_forward(y, &bag), PKM_ERR_ARG, "n_rows * hits", NULL);
    bag.value_dim = 0;
    check_fails(pkm_bag_forward(y, &bag), PKM_ERR_ARG, "value_dim is 0", NULL);
    check_fails(pkm_rows_update(&rows, touched, gradient, 2, 1, 1, 1), PKM_ERR_ARG,
                "touched row is 1: expected 2", NULL);
    touched[1] = 5;
    check_fails(pkm_rows_update(&rows, touched, gradient, 1, 0, 1, 1), PKM_ERR_ARG, "t is 0", NULL);
    gradient[1] = INFINITY;
    check_fails(pkm_rows_update(&rows, touched, gradient, 1, 1, 1, 1), PKM_ERR_NUMERIC,
                "not finite", NULL);
    rows.optimizer = (pkm_value_optimizer)9;
    check_fails(pkm_rows_update(&rows, touched, gradient, 1, 1, 1, 1), PKM_ERR_ARG,
                "optimizer is 9", NULL);
    rows.dtype = PKM_I8; /* read with a scale per row, by a store, and never updated */
    check_fails(pkm_rows_update(&rows, touched, gradient, 1, 1, 1, 1), PKM_ERR_ARG, "dtype", NULL);
    bag = make_bag(a, PKM_F32);
    bag.dtype = PKM_I8;
    check_fails(pkm_bag_forward(y, &bag), PKM_ERR_ARG, "dtype", NULL);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bags),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_rows_update),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
