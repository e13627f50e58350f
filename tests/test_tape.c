/* SPDX-License-Identifier: Apache-2.0 */
/* The tape with the operations of tests/support/tape_ops.h. */
#include "graph/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "support/check.h"
#include "support/tape_ops.h"

enum { MAX_ROWS = 40 };

/* A tape under construction. */
typedef struct fixture {
    pkm_params *params;
    pkm_tape *tape;
    pkm_tensor *x; /* input [rows, TAPE_WIDTH] */
} fixture;

static pkm_tensor *input(pkm_tape *tape, const char *name)
{
    const int64_t width = TAPE_WIDTH;
    pkm_tensor *out;

    check_ok(pkm_tape_input(tape, &out, name, PKM_F32, 1, &width));
    return out;
}

static void setup(fixture *f)
{
    check_ok(pkm_params_create(&f->params));
    check_ok(pkm_tape_create(&f->tape, PKM_MODE_TRAIN));
    f->x = input(f->tape, "x");
}

static void teardown(fixture *f)
{
    pkm_tape_destroy(f->tape);
    pkm_params_destroy(f->params);
}

static pkm_param *parameter(fixture *f, const char *name)
{
    pkm_param_spec spec = {.n_dims = 1, .dims = {2}};
    pkm_param *out;

    strcpy(spec.name, name);
    check_ok(pkm_params_add(f->params, &out, &spec));
    return out;
}

static pkm_tensor *node(fixture *f, const pkm_op *op, const char *name, pkm_tensor *a,
                        pkm_tensor *b, pkm_param *param)
{
    pkm_node_spec spec = {.op = op, .name = name, .in = {a, b}, .param = {param}};
    pkm_tensor *out;

    check_ok(pkm_tape_add(f->tape, &out, &spec));
    return out;
}

static void fill(pkm_tensor *tensor, int64_t n_rows)
{
    for (int64_t i = 0; i < n_rows * pkm_tensor_width(tensor); i++)
        ((float *)tensor->data)[i] = (float)(i % 5);
}

static void run_both(fixture *f, int64_t n_rows, bool accumulate)
{
    float seed[MAX_ROWS];
    pkm_run run = {.n_rows = n_rows, .loss_grad = seed, .accumulate = accumulate};

    for (int i = 0; i < MAX_ROWS; i++)
        seed[i] = 1;
    fill(f->x, n_rows);
    check_ok(pkm_tape_forward(f->tape, &run));
    check_ok(pkm_tape_backward(f->tape, &run));
}

/* Paths from node i to the loss, in double: what the gradient of x must be. */
static double count_paths(int (*in)[2], int n_nodes)
{
    double paths[64] = {0}, to_x = 0;

    paths[n_nodes - 1] = 1;
    for (int i = n_nodes - 1; i >= 0; i--)
        for (int k = 0; k < 2; k++) {
            if (in[i][k] < 0)
                to_x += paths[i];
            else
                paths[in[i][k]] += paths[i];
        }
    return to_x;
}

/* Random graphs of sums: every value and every gradient survives as long as it is needed. */
static void test_random_graphs(void **state)
{
    (void)state;
    for (uint64_t graph = 0; graph < 200; graph++) {
        pkm_rng rng = {.seed = graph};
        int n_nodes = 1 + (int)(pkm_rng_u32(&rng, 0) % 16), in[16][2];
        pkm_tensor *out[16], *loss;
        size_t measured;
        fixture f;

        setup(&f);
        pkm_tape_want_input_grad(f.tape, f.x);
        for (int i = 0; i < n_nodes; i++) {
            char name[16];
            uint32_t draw = pkm_rng_u32(&rng, (uint64_t)(1 + i));

            snprintf(name, sizeof name, "n%d", i);
            in[i][0] = i == n_nodes - 1 ? i - 1 : (int)(draw % (uint32_t)(i + 1)) - 1;
            in[i][1] = (int)(draw / 64 % (uint32_t)(i + 1)) - 1;
            out[i] =
                node(&f, draw & (1u << 30) ? &sum_op : &residual_op, name,
                     in[i][0] < 0 ? f.x : out[in[i][0]], in[i][1] < 0 ? f.x : out[in[i][1]], NULL);
        }
        loss = node(&f, &total_op, "loss", out[n_nodes - 1], NULL, NULL);
        check_ok(pkm_tape_measure(f.tape, MAX_ROWS, loss, &measured));
        check_ok(pkm_tape_plan(f.tape, MAX_ROWS, loss));
        assert_int_equal(measured, pkm_tape_bytes(f.tape));
        for (int64_t n_rows = MAX_ROWS; n_rows > 0; n_rows -= 13) {
            run_both(&f, n_rows, false);
            for (int64_t i = 0; i < n_rows * TAPE_WIDTH; i++)
                assert_true((double)((float *)f.x->grad)[i] == count_paths(in, n_nodes));
        }
        teardown(&f);
    }
}

/* A chain gives places back: its arena does not grow with its length when nothing trains. */
static void test_places_are_reused(void **state)
{
    size_t bytes[2];

    (void)state;
    for (int longer = 0; longer < 2; longer++) {
        fixture f;
        pkm_tensor *x;

        setup(&f);
        x = f.x;
        for (int i = 0; i < (longer ? 30 : 10); i++) {
            char name[16];

            snprintf(name, sizeof name, "n%d", i);
            x = node(&f, &sum_op, name, x, NULL, NULL);
        }
        check_ok(pkm_tape_measure(f.tape, MAX_ROWS, NULL, &bytes[longer]));
        teardown(&f);
    }
    assert_int_equal(bytes[0], bytes[1]);
}

static void test_residual_gradient_shares_a_place(void **state)
{
    fixture f;
    pkm_tensor *a, *b, *c, *loss;

    (void)state;
    setup(&f);
    a = node(&f, &sum_op, "a", f.x, NULL, parameter(&f, "p"));
    b = node(&f, &sum_op, "b", a, NULL, NULL);
    c = node(&f, &residual_op, "c", a, b, NULL);
    loss = node(&f, &total_op, "loss", c, NULL, NULL);
    check_ok(pkm_params_allocate(f.params, true));
    check_ok(pkm_tape_plan(f.tape, MAX_ROWS, loss));
    assert_ptr_equal(a->grad, c->grad);
    assert_ptr_not_equal(b->grad, c->grad);
    run_both(&f, 2, false);
    assert_true(((float *)a->grad)[0] == 2.0f);
    teardown(&f);
}

/* What no trained parameter is behind has no gradient, and does not run backward. */
static void test_stops(void **state)
{
    fixture f;
    pkm_tensor *a, *b, *c, *loss;
    pkm_param *p, *q;

    (void)state;
    setup(&f);
    p = parameter(&f, "p");
    q = parameter(&f, "q");
    a = node(&f, &sum_op, "a", f.x, NULL, p);
    b = node(&f, &sum_op, "b", a, NULL, NULL);
    pkm_tape_stop_grad(f.tape, b);
    c = node(&f, &sum_op, "c", b, NULL, q);
    loss = node(&f, &total_op, "loss", c, NULL, NULL);
    node(&f, &sum_op, "unused", c, NULL, p);
    check_ok(pkm_params_allocate(f.params, true));
    check_ok(pkm_tape_plan(f.tape, MAX_ROWS, loss));
    assert_false(f.x->has_grad || a->has_grad || b->has_grad);
    assert_true(c->has_grad && loss->has_grad);
    assert_false(pkm_tape_node(f.tape, 0)->runs_backward);
    assert_true(pkm_tape_node(f.tape, 2)->runs_backward);
    assert_false(pkm_tape_node(f.tape, 4)->runs_backward);
    p->grad[0] = 77;
    run_both(&f, 3, false);
    assert_true(p->grad[0] == 77.0f && q->grad[0] == 1.0f);
    teardown(&f);
}

/* A parameter two nodes share is written once and then added to; accumulating never writes. */
static void test_parameter_gradients_add(void **state)
{
    fixture f;
    pkm_param *p;
    pkm_tensor *loss;

    (void)state;
    setup(&f);
    p = parameter(&f, "p");
    loss = node(&f, &total_op, "loss",
                node(&f, &sum_op, "b", node(&f, &sum_op, "a", f.x, NULL, p), NULL, p), NULL, NULL);
    check_ok(pkm_params_allocate(f.params, true));
    check_ok(pkm_tape_plan(f.tape, MAX_ROWS, loss));
    p->grad[0] = NAN;
    run_both(&f, 3, false);
    assert_true(p->grad[0] == 2.0f);
    run_both(&f, 3, true);
    assert_true(p->grad[0] == 4.0f);
    teardown(&f);
}

/* A run under watch stops at the first tensor or gradient that is not finite. */
static void test_watch_names_the_first_bad_tensor(void **state)
{
    const float seed[2] = {1, INFINITY};
    pkm_run run = {.n_rows = 2, .loss_grad = seed, .watch = true};
    fixture f;
    pkm_tensor *a, *b, *loss;

    (void)state;
    setup(&f);
    a = node(&f, &sum_op, "a", f.x, NULL, parameter(&f, "p"));
    b = node(&f, &sum_op, "b", a, a, NULL);
    loss = node(&f, &total_op, "loss", node(&f, &sum_op, "c", b, NULL, NULL), NULL, NULL);
    check_ok(pkm_params_allocate(f.params, true));
    check_ok(pkm_tape_plan(f.tape, MAX_ROWS, loss));
    fill(f.x, 2);
    check_ok(pkm_tape_forward(f.tape, &run));
    check_fails(pkm_tape_backward(f.tape, &run), PKM_ERR_NUMERIC, "node 'loss'",
                "gradient of tensor 'c'", "element 3 of 6", NULL);
    ((float *)f.x->data)[4] = 3e38f; /* twice that is no float */
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_NUMERIC, "tensor 'b'", "element 4 of 6",
                NULL);
    ((float *)f.x->data)[0] = NAN;
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_NUMERIC, "tensor 'a'", "element 0", NULL);
    run.watch = false;
    check_ok(pkm_tape_forward(f.tape, &run));
    teardown(&f);
}

static void test_refuses(void **state)
{
    const int64_t other = TAPE_WIDTH + 1, none = 0;
    float seed = 1;
    pkm_run run = {.n_rows = 1, .loss_grad = &seed};
    fixture f, g;
    pkm_tensor *wide, *out, *last;
    pkm_node_spec spec = {.op = &sum_op, .name = "n"};

    (void)state;
    setup(&f);
    setup(&g);
    check_ok(pkm_tape_input(f.tape, &wide, "wide", PKM_F32, 1, &other));
    check_fails(pkm_tape_input(f.tape, &out, "x", PKM_F32, 0, NULL), PKM_ERR_ARG, "'x'", NULL);
    check_fails(pkm_tape_input(f.tape, &out, "empty", PKM_F32, 1, &none), PKM_ERR_SHAPE, "'empty'",
                NULL);
    spec.in[0] = f.x;
    spec.in[1] = wide;
    check_fails(pkm_tape_add(f.tape, &out, &spec), PKM_ERR_SHAPE, "node 'n'", "'wide'",
                "width 4, expected 3", NULL);
    assert_null(pkm_tape_find(f.tape, "n"));
    spec.in[1] = g.x;
    check_fails(pkm_tape_add(f.tape, &out, &spec), PKM_ERR_ARG, "another tape", NULL);
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_STATE, "not planned", NULL);
    last = node(&f, &forward_only_op, "last", f.x, NULL, parameter(&f, "p"));
    check_fails(pkm_tape_plan(f.tape, MAX_ROWS, last), PKM_ERR_SHAPE, "'last'", "no loss", NULL);
    check_fails(pkm_tape_plan(f.tape, 0, NULL), PKM_ERR_ARG, "0 rows", NULL);
    last = node(&f, &total_op, "loss", last, NULL, NULL);
    check_fails(pkm_tape_plan(f.tape, MAX_ROWS, last), PKM_ERR_UNSUPPORTED, "node 'last'",
                "not differentiable", NULL);
    check_fails(pkm_tape_plan(f.tape, INT64_MAX / 4, NULL), PKM_ERR_NOMEM, "too large", NULL);
    check_ok(pkm_tape_plan(f.tape, MAX_ROWS, NULL));
    check_fails(pkm_tape_plan(f.tape, MAX_ROWS, NULL), PKM_ERR_STATE, "planned already", NULL);
    run.n_rows = MAX_ROWS + 1;
    check_fails(pkm_tape_forward(f.tape, &run), PKM_ERR_ARG, "41 rows", NULL);
    run.n_rows = 1;
    check_fails(pkm_tape_backward(f.tape, &run), PKM_ERR_STATE, "without a loss", NULL);
    teardown(&f);
    teardown(&g);
}

typedef struct countdown {
    int until_failure;
} countdown;

static bool fails_at_zero(size_t bytes, void *user)
{
    countdown *count = user;

    (void)bytes;
    return count->until_failure-- == 0;
}

static pkm_status build_and_plan(void)
{
    const int64_t width = TAPE_WIDTH;
    pkm_tape *tape = NULL;
    pkm_tensor *x, *out;
    pkm_node_spec spec = {.op = &sum_op, .name = "a", .attr = &width, .attr_bytes = sizeof width};
    pkm_status status = pkm_tape_create(&tape, PKM_MODE_SCORE);

    if (status == PKM_OK)
        status = pkm_tape_input(tape, &x, "x", PKM_F32, 1, &width);
    if (status == PKM_OK) {
        spec.in[0] = x;
        status = pkm_tape_add(tape, &out, &spec);
    }
    if (status == PKM_OK)
        status = pkm_tape_plan(tape, MAX_ROWS, NULL);
    pkm_tape_destroy(tape);
    return status;
}

/* The n-th allocation fails, n = 0, 1, ... until the whole succeeds; leaks are the sanitizer's. */
static void test_allocation_failures(void **state)
{
    pkm_status status = PKM_ERR_NOMEM;

    (void)state;
    for (int n = 0; status != PKM_OK; n++) {
        countdown count = {n};

        pkm_alloc_set_hook(fails_at_zero, &count);
        status = build_and_plan();
        pkm_alloc_set_hook(NULL, NULL);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
        assert_true(n < 100);
    }
}

static void count_lines(const char *line, void *user)
{
    int *lines = user;

    if (*lines == 0) {
        assert_non_null(strstr(line, "n0"));
        assert_non_null(strstr(line, "sum"));
        assert_non_null(strstr(line, "[2, 3] f32"));
    }
    ++*lines;
}

static void test_prints_and_profiles(void **state)
{
    fixture f;
    int lines = 0;
    pkm_run run = {.n_rows = 2};

    (void)state;
    setup(&f);
    node(&f, &sum_op, "n0", f.x, NULL, NULL);
    check_ok(pkm_tape_plan(f.tape, MAX_ROWS, NULL));
    fill(f.x, 2);
    check_ok(pkm_tape_forward(f.tape, &run));
    assert_int_equal(pkm_tape_node(f.tape, 0)->runs, 1);
    pkm_tape_print(f.tape, 2, count_lines, &lines);
    assert_int_equal(lines, 2);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_places_are_reused),
        cmocka_unit_test(test_residual_gradient_shares_a_place),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_parameter_gradients_add),
        cmocka_unit_test(test_watch_names_the_first_bad_tensor),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_prints_and_profiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
