/* SPDX-License-Identifier: Apache-2.0 */
#include "params/params.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "support/check.h"

static pkm_param_spec matrix(const char *name, int64_t rows, int64_t columns, pkm_init init)
{
    pkm_param_spec spec = {
        .n_dims = 2, .dims = {rows, columns}, .init = init, .role = PKM_PARAM_DENSE};

    snprintf(spec.name, sizeof spec.name, "%s", name);
    return spec;
}

static pkm_param *add(pkm_params *params, pkm_param_spec spec)
{
    pkm_param *param = NULL;

    check_ok(pkm_params_add(params, &param, &spec));
    return param;
}

static void test_walk_and_find(void **state)
{
    pkm_params *params;
    pkm_param *first, *last = NULL;

    (void)state;
    check_ok(pkm_params_create(&params));
    first = add(params, matrix("w.0", 3, 5, (pkm_init){PKM_INIT_NORMAL, 1.0f}));
    for (int i = 1; i < 200; i++) { /* pointers stay valid while the table grows */
        char name[16];

        snprintf(name, sizeof name, "w.%d", i);
        last = add(params, matrix(name, 1, i, (pkm_init){PKM_INIT_CONSTANT, 0.0f}));
    }
    assert_int_equal(pkm_params_count(params), 200);
    assert_ptr_equal(pkm_params_at(params, 0), first);
    assert_ptr_equal(pkm_params_find(params, "w.199"), last);
    assert_null(pkm_params_find(params, "w.200"));
    assert_int_equal(first->count, 15);
    pkm_params_destroy(params);
    pkm_params_destroy(NULL);
}

static void test_bad_entries(void **state)
{
    pkm_params *params;
    pkm_param *param = NULL;
    pkm_param_spec spec = matrix("w", 2, 2, (pkm_init){PKM_INIT_CONSTANT, 0.0f});

    (void)state;
    check_ok(pkm_params_create(&params));
    add(params, spec);
    check_fails(pkm_params_add(params, &param, &spec), PKM_ERR_ARG, "'w'", "exists", NULL);
    strcpy(spec.name, "negative");
    spec.dims[1] = -1;
    check_fails(pkm_params_add(params, &param, &spec), PKM_ERR_SHAPE, "'negative'", NULL);
    spec.dims[0] = spec.dims[1] = INT64_MAX / 2;
    check_fails(pkm_params_add(params, &param, &spec), PKM_ERR_SHAPE, "too large", NULL);
    spec.n_dims = PKM_PARAM_DIMS + 1;
    check_fails(pkm_params_add(params, &param, &spec), PKM_ERR_SHAPE, "5 dimensions", NULL);
    spec.name[0] = '\0';
    check_fails(pkm_params_add(params, &param, &spec), PKM_ERR_ARG, "empty", NULL);
    assert_null(param);
    check_ok(pkm_params_allocate(params, false));
    check_fails(pkm_params_allocate(params, false), PKM_ERR_STATE, "already", NULL);
    spec = matrix("late", 1, 1, spec.init);
    check_fails(pkm_params_add(params, &param, &spec), PKM_ERR_STATE, "'late'", NULL);
    pkm_params_destroy(params);
}

static void test_roles_decide_what_is_allocated(void **state)
{
    pkm_params *params;
    pkm_param *dense, *buffer, *rows;
    pkm_param_spec spec = matrix("dense", 3, 3, (pkm_init){PKM_INIT_CONSTANT, 2.0f});
    size_t train_bytes, score_bytes;

    (void)state;
    check_ok(pkm_params_create(&params));
    dense = add(params, spec);
    strcpy(spec.name, "buffer");
    spec.role = PKM_PARAM_BUFFER;
    buffer = add(params, spec);
    strcpy(spec.name, "rows");
    spec.role = PKM_PARAM_ROWS;
    rows = add(params, spec);
    check_ok(pkm_params_bytes(params, true, &train_bytes));
    check_ok(pkm_params_bytes(params, false, &score_bytes));
    assert_int_equal(score_bytes, 2 * 64); /* 36 bytes each, on lines of 64 */
    assert_int_equal(train_bytes, 6 * 64); /* 4 of the dense one, the buffer and its copy */
    check_ok(pkm_params_allocate(params, true));
    assert_non_null(dense->moment2);
    assert_non_null(buffer->data);
    assert_null(buffer->grad);
    assert_null(rows->data);
    pkm_params_init(params, 1);
    assert_true(((float *)dense->data)[8] == 2.0f && ((float *)buffer->data)[0] == 2.0f);
    assert_true(dense->grad[0] == 0.0f && dense->moment1[8] == 0.0f);
    pkm_params_destroy(params);
}

/* Two tables with other neighbours and threads give an entry the same numbers. */
static void test_init_depends_on_name_and_seed_only(void **state)
{
    enum { ROWS = 300, COLUMNS = 301 };
    pkm_init normal = {PKM_INIT_NORMAL, 0.02f}, uniform = {PKM_INIT_UNIFORM, 0.5f};
    pkm_params *a, *b;
    pkm_param *wa, *wb, *named, *other;
    double sum = 0, squares = 0;
    float low = 1.0f, high = -1.0f;

    (void)state;
    check_ok(pkm_params_create(&a));
    check_ok(pkm_params_create(&b));
    wa = add(a, matrix("w", ROWS, COLUMNS, normal));
    other = add(b, matrix("other", ROWS, COLUMNS, uniform));
    wb = add(b, matrix("w", ROWS, COLUMNS, normal));
    named = add(b, matrix("v", ROWS, COLUMNS, normal));
    check_ok(pkm_params_allocate(a, true));
    check_ok(pkm_params_allocate(b, false));
    check_ok(pkm_threads_set(1));
    pkm_params_init(a, 5);
    check_ok(pkm_threads_set(3));
    pkm_params_init(b, 5);
    assert_memory_equal(wa->data, wb->data, ROWS * COLUMNS * sizeof(float));
    assert_memory_not_equal(named->data, wb->data, ROWS * COLUMNS * sizeof(float));
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        double value = (double)((float *)wa->data)[i];

        sum += value;
        squares += value * value;
        low = fminf(low, ((float *)other->data)[i]);
        high = fmaxf(high, ((float *)other->data)[i]);
    }
    assert_true(fabs(sum / (ROWS * COLUMNS)) < 0.0005);
    assert_true(fabs(sqrt(squares / (ROWS * COLUMNS)) - 0.02) < 0.0005);
    assert_true(low >= -0.5f && low < -0.49f && high < 0.5f && high > 0.49f);
    pkm_params_init(b, 6);
    assert_memory_not_equal(wa->data, wb->data, ROWS * COLUMNS * sizeof(float));
    check_ok(pkm_threads_set(0));
    pkm_params_destroy(a);
    pkm_params_destroy(b);
}

static void test_use_dense(void **state)
{
    pkm_params *params;
    pkm_param *w;
    pkm_dense_config config = {.n_in = 4, .n_out = 6, .compute = PKM_F32, .max_rows = 8};
    float x[16 * 4] = {1.0f}, y[16 * 6];

    (void)state;
    check_ok(pkm_params_create(&params));
    w = add(params, matrix("w", 4, 6, (pkm_init){PKM_INIT_CONSTANT, 3.0f}));
    check_ok(pkm_params_allocate(params, true));
    pkm_params_init(params, 1);
    check_ok(pkm_param_use_dense(w, &config));
    config.max_rows = 16;
    config.backward = true;
    check_ok(pkm_param_use_dense(w, &config)); /* raised */
    config.max_rows = 2;
    config.backward = false;
    check_ok(pkm_param_use_dense(w, &config)); /* not lowered */
    assert_int_equal(pkm_dense_config_of(w->dense)->max_rows, 16);
    assert_true(pkm_dense_config_of(w->dense)->backward);
    assert_true(pkm_params_packed_bytes(params) >= 4 * 6 * sizeof(float));
    pkm_params_pack(params);
    check_ok(pkm_dense_forward(w->dense, y, PKM_F32, x, NULL, 16));
    assert_true(y[5] == 3.0f && y[6] == 0.0f);
    ((float *)w->data)[5] = 7.0f;
    pkm_param_changed(w);
    pkm_params_pack(params);
    check_ok(pkm_dense_forward(w->dense, y, PKM_F32, x, NULL, 16));
    assert_true(y[5] == 7.0f);
    config.compute = PKM_BF16;
    check_fails(pkm_param_use_dense(w, &config), PKM_ERR_ARG, "'w'", NULL);
    config.n_in = 5;
    check_fails(pkm_param_use_dense(w, &config), PKM_ERR_SHAPE, "'w'", "24", "5 x 6", NULL);
    pkm_params_destroy(params);
}

/* Lets `user` allocations pass, then fails. */
static bool fail_after(size_t bytes, void *user)
{
    (void)bytes;
    return (*(int *)user)-- <= 0;
}

static pkm_status build(int *allowed)
{
    pkm_params *params = NULL;
    pkm_param *param;
    pkm_param_spec spec = matrix("w", 8, 8, (pkm_init){PKM_INIT_NORMAL, 1.0f});
    pkm_dense_config config = {.n_in = 8, .n_out = 8, .compute = PKM_BF16, .max_rows = 8};
    pkm_status status;

    pkm_alloc_set_hook(fail_after, allowed);
    status = pkm_params_create(&params);
    if (status == PKM_OK)
        status = pkm_params_add(params, &param, &spec);
    if (status == PKM_OK)
        status = pkm_params_allocate(params, true);
    if (status == PKM_OK)
        status = pkm_param_use_dense(param, &config);
    pkm_alloc_set_hook(NULL, NULL);
    pkm_params_destroy(params);
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    int n = 0;
    pkm_status status;

    (void)state;
    do {
        int allowed = n++;

        status = build(&allowed);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
    } while (status != PKM_OK && n < 100);
    assert_true(n > 5 && n < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk_and_find),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_roles_decide_what_is_allocated),
        cmocka_unit_test(test_init_depends_on_name_and_seed_only),
        cmocka_unit_test(test_use_dense),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
