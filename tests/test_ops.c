/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation of the table, in each of its cases, against its twin of tests/support/twins.c. */
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/threads.h"
#include "support/check.h"
#include "support/twin.h"

enum { SAMPLES = 24 }; /* elements of a tensor whose gradient is checked */

/* Relative to the largest element of the tensor: rounding of the output and of what is inside. */
static double tolerance(const twin *t)
{
    return t->compute == PKM_BF16 ? 2e-2 : 2e-5;
}

typedef void (*case_check)(const twin_row *row, const pkm_op *op, const pkm_op_case *shape,
                           pkm_dtype compute);

static const twin_row *twin_of(const pkm_op *op)
{
    for (int i = 0; i < n_twin_rows; i++)
        if (strcmp(twin_rows[i].op, op->name) == 0)
            return &twin_rows[i];
    fail_msg("operation '%s' has no twin in tests/support/twins.c", op->name);
    return NULL;
}

static void for_all_cases(case_check check)
{
    int n_ops;
    const pkm_op *const *ops = pkm_ops_table(&n_ops);

    for (int i = 0; i < n_ops; i++) {
        if (ops[i]->n_cases == 0)
            fail_msg("operation '%s' has no case", ops[i]->name);
        for (int c = 0; c < ops[i]->n_cases; c++) {
            check(twin_of(ops[i]), ops[i], &ops[i]->cases[c], PKM_F32);
            check(twin_of(ops[i]), ops[i], &ops[i]->cases[c], PKM_BF16);
        }
    }
}

static double get(const void *data, pkm_dtype dtype, int64_t at)
{
    return dtype == PKM_BF16 ? (double)pkm_bf16_to_f32(((const uint16_t *)data)[at])
                             : (double)((const float *)data)[at];
}

static void check_near(const twin *t, double got, double want, double scale, const char *what,
                       int64_t at)
{
    if (!(fabs(got - want) <= tolerance(t) * (scale + 1e-3)))
        fail_msg("%s %s, %lld rows, %s[%lld]: %.9g, expected %.9g (scale %.3g)", t->op->name,
                 t->compute == PKM_BF16 ? "bf16" : "f32", (long long)t->n_rows, what, (long long)at,
                 got, want, scale);
}

static void check_output(twin *t)
{
    int64_t count = t->n_rows * twin_out_width(t);
    double *want = malloc((size_t)(count + 1) * sizeof *want);
    double scale = 0;

    assert_non_null(want);
    t->row->forward(t, want);
    for (int64_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(want[i]));
    for (int64_t i = 0; i < count; i++)
        check_near(t, get(t->out->data, t->out->dtype, i), want[i], scale, "out", i);
    free(want);
}

/* d loss / d *value by central differences of the twin. */
static double difference(twin *t, double *value)
{
    const double step = 1e-4;
    double old = *value, above, below;

    *value = old + step;
    above = twin_loss(t);
    *value = old - step;
    below = twin_loss(t);
    *value = old;
    return (above - below) / (2 * step);
}

/* Compares `factor` times the differences with a gradient, at SAMPLES elements spread over it. */
static void check_gradient(twin *t, const void *grad, pkm_dtype dtype, double *value, int64_t count,
                           double factor, const char *what)
{
    int64_t step = count / SAMPLES + 1;
    double scale = 0;

    for (int64_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(get(grad, dtype, i)));
    for (int64_t i = 0; i < count; i++)
        assert_true(isfinite(get(grad, dtype, i)));
    for (int64_t i = 0; i < count; i += step)
        check_near(t, get(grad, dtype, i), factor * difference(t, &value[i]), scale, what, i);
}

static void check_gradients(twin *t, double param_factor)
{
    for (int i = 0; i < t->n_in; i++)
        if (t->in_value[i] != NULL)
            check_gradient(t, t->in[i]->grad, t->in[i]->dtype, t->in_value[i],
                           t->n_rows * pkm_tensor_width(t->in[i]), 1, t->in[i]->name);
    for (int i = 0; i < t->n_param; i++)
        if (t->param[i]->grad != NULL)
            check_gradient(t, t->param[i]->grad, PKM_F32, t->param_value[i], t->param[i]->count,
                           param_factor, t->param[i]->spec.name);
}

static void check_case(const twin_row *row, const pkm_op *op, const pkm_op_case *shape,
                       pkm_dtype compute)
{
    bool has_values[PKM_NODE_INPUTS] = {false};

    for (int reads = -1; reads < PKM_NODE_INPUTS; reads++) {
        twin t;

        if (reads >= 0 && !has_values[reads])
            continue;
        twin_create(&t, row, op, shape, compute, reads);
        for (int i = 0; i < t.n_in; i++)
            has_values[i] = t.in_value[i] != NULL;
        twin_run_forward(&t, shape->n_rows);
        check_output(&t);
        twin_run_backward(&t, false);
        check_gradients(&t, 1);
        twin_run_forward(&t, shape->n_rows);
        twin_run_backward(&t, true);
        check_gradients(&t, 2);
        twin_destroy(&t);
    }
}

static void test_against_twins(void **state)
{
    (void)state;
    for_all_cases(check_case);
}

static void check_few_rows(const twin_row *row, const pkm_op *op, const pkm_op_case *shape,
                           pkm_dtype compute)
{
    twin t;

    twin_create(&t, row, op, shape, compute, -1);
    for (int64_t n_rows = 1; n_rows >= 0; n_rows--) {
        twin_run_forward(&t, n_rows);
        check_output(&t);
        twin_run_backward(&t, false);
        check_gradients(&t, 1); /* without rows: all zero */
    }
    twin_destroy(&t);
}

static void test_few_rows(void **state)
{
    (void)state;
    for_all_cases(check_few_rows);
}

/* Bytes of the output and of all gradients, as one string. */
static size_t copy_results(char *to, const twin *t)
{
    size_t used = 0;

    for (int i = -1; i < t->n_in + t->n_param; i++) {
        const void *from = i < 0 ? t->out->data : NULL;
        size_t bytes = 0;

        if (i < 0) {
            bytes = (size_t)(t->n_rows * twin_out_width(t)) * pkm_dtype_bytes(t->out->dtype);
        } else if (i < t->n_in && t->in_value[i] != NULL) {
            from = t->in[i]->grad;
            bytes =
                (size_t)(t->n_rows * pkm_tensor_width(t->in[i])) * pkm_dtype_bytes(t->in[i]->dtype);
        } else if (i >= t->n_in && t->param[i - t->n_in]->grad != NULL) {
            from = t->param[i - t->n_in]->grad;
            bytes = (size_t)t->param[i - t->n_in]->count * sizeof(float);
        }
        if (to != NULL && bytes > 0)
            memcpy(to + used, from, bytes);
        used += bytes;
    }
    return used;
}

static void check_threads(const twin_row *row, const pkm_op *op, const pkm_op_case *shape,
                          pkm_dtype compute)
{
    static const int threads[] = {7, 1, 2, 3};
    char *want = NULL, *got;
    size_t bytes = 0;
    twin t;

    check_ok(pkm_threads_set(7)); /* the most of any run: scratch is planned for them */
    twin_create(&t, row, op, shape, compute, -1);
    for (int i = 0; i < 4; i++) {
        check_ok(pkm_threads_set(threads[i]));
        twin_run_forward(&t, shape->n_rows);
        twin_run_backward(&t, false);
        bytes = copy_results(NULL, &t);
        got = malloc(bytes);
        assert_non_null(got);
        copy_results(got, &t);
        if (want != NULL && memcmp(got, want, bytes) != 0)
            fail_msg("%s: other bits with %d threads than with 7", op->name, threads[i]);
        if (want != NULL)
            free(got);
        else
            want = got;
    }
    free(want);
    twin_destroy(&t);
    check_ok(pkm_threads_set(0));
}

static void test_same_bits_for_any_threads(void **state)
{
    (void)state;
    for_all_cases(check_threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_twins),
        cmocka_unit_test(test_few_rows),
        cmocka_unit_test(test_same_bits_for_any_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
