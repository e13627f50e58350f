/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW against torch.optim.AdamW's formulas in double, and the gradient norm. */
#include "params/adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "support/check.h"

enum { COUNT = 40001, STEPS = 5 };

static const pkm_adamw_config config = {
    .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .weight_decay = 0.1f};

typedef struct twin {
    double p[COUNT], m[COUNT], v[COUNT];
} twin;

/* torch.optim.AdamW, single tensor: decay, moments, bias corrections, division. */
static void twin_step(twin *t, const float *grad, int64_t step, double lr, double scale,
                      double decay)
{
    double beta1 = (double)config.beta1, beta2 = (double)config.beta2;
    double correction1 = 1.0 - pow(beta1, (double)step);
    double correction2 = 1.0 - pow(beta2, (double)step);

    for (int i = 0; i < COUNT; i++) {
        double g = scale * (double)grad[i];

        t->p[i] *= 1.0 - lr * decay;
        t->m[i] = beta1 * t->m[i] + (1.0 - beta1) * g;
        t->v[i] = beta2 * t->v[i] + (1.0 - beta2) * g * g;
        t->p[i] -= lr / correction1 * t->m[i] /
                   (sqrt(t->v[i]) / sqrt(correction2) + (double)config.epsilon);
    }
}

/* An entry that decays, or one of the search, which has the other learning rate. */
static pkm_param *add(pkm_params *params, const char *name, int64_t count, bool decay)
{
    pkm_param *param;
    pkm_param_spec spec = {.n_dims = 1,
                           .dims = {count},
                           .init = {PKM_INIT_NORMAL, 1.0f},
                           .role = PKM_PARAM_DENSE,
                           .decay = decay,
                           .search = !decay};

    snprintf(spec.name, sizeof spec.name, "%s", name);
    check_ok(pkm_params_add(params, &param, &spec));
    return param;
}

/* STEPS steps of a table with one decaying entry and one of the search. */
static pkm_params *trained(int threads, twin *decayed, twin *plain)
{
    pkm_params *params;
    pkm_param *with, *without;

    check_ok(pkm_threads_set(threads));
    check_ok(pkm_params_create(&params));
    with = add(params, "with", COUNT, true);
    without = add(params, "without", COUNT, false);
    check_ok(pkm_params_allocate(params, true));
    pkm_params_init(params, 1);
    for (int i = 0; decayed != NULL && i < COUNT; i++) {
        decayed->p[i] = (double)((float *)with->data)[i];
        plain->p[i] = (double)((float *)without->data)[i];
    }
    for (int64_t step = 1; step <= STEPS; step++) {
        uint64_t version = with->version;

        fill_normal(with->grad, COUNT, (uint64_t)step);
        fill_normal(without->grad, COUNT, (uint64_t)step + 100);
        check_ok(pkm_adamw_step(params, &config, step, (pkm_adamw_rates){1e-3f, 5e-4f}, 0.5f));
        assert_true(with->version > version);
        if (decayed == NULL)
            continue;
        twin_step(decayed, with->grad, step, 1e-3, 0.5, 0.1);
        twin_step(plain, without->grad, step, 5e-4, 0.5, 0.0);
    }
    check_ok(pkm_threads_set(0));
    return params;
}

static void check_twin(const twin *t, const pkm_param *param)
{
    for (int i = 0; i < COUNT; i++) {
        float got = ((float *)param->data)[i];

        /* each step rounds p once and its change (at most about lr) a few times */
        assert_true(fabs((double)got - t->p[i]) <= STEPS * (0x1p-23 * fabs(t->p[i]) + 1e-3 * 1e-5));
        assert_true(fabs((double)param->moment1[i] - t->m[i]) <= 1e-6);
        assert_true(fabs((double)param->moment2[i] - t->v[i]) <= 1e-6 * fabs(t->v[i]) + 1e-12);
    }
}

static void test_against_double(void **state)
{
    twin *decayed = calloc(1, sizeof *decayed), *plain = calloc(1, sizeof *plain);
    pkm_params *params = trained(2, decayed, plain);

    (void)state;
    check_twin(decayed, pkm_params_find(params, "with"));
    check_twin(plain, pkm_params_find(params, "without"));
    pkm_params_destroy(params);
    free(decayed);
    free(plain);
}

static void test_threads_do_not_change_bits(void **state)
{
    pkm_params *one = trained(1, NULL, NULL);
    double norm;

    (void)state;
    check_ok(pkm_params_grad_norm(one, &norm));
    for (int threads = 2; threads <= 7; threads += 5) {
        pkm_params *many = trained(threads, NULL, NULL);
        double norm_many;

        check_ok(pkm_params_grad_norm(many, &norm_many));
        assert_true(norm == norm_many);
        assert_memory_equal(pkm_params_at(one, 0)->data, pkm_params_at(many, 0)->data,
                            COUNT * sizeof(float));
        pkm_params_destroy(many);
    }
    pkm_params_destroy(one);
}

static void test_grad_norm(void **state)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    pkm_params *params;
    pkm_param *a, *b;
    double norm = -1;

    (void)state;
    check_ok(pkm_params_create(&params));
    a = add(params, "a", 3, true);
    b = add(params, "b", COUNT, true);
    check_ok(pkm_params_allocate(params, true));
    a->grad[2] = 3.0f;
    b->grad[COUNT - 1] = -4.0f;
    check_ok(pkm_params_grad_norm(params, &norm));
    assert_true(norm == 5.0);
    a->grad[0] = 3e38f; /* its square is no float */
    check_ok(pkm_params_grad_norm(params, &norm));
    assert_true(fabs(norm / (double)3e38f - 1.0) < 1e-12);
    for (int i = 0; i < 3; i++) {
        b->grad[7] = bad[i];
        check_fails(pkm_params_grad_norm(params, &norm), PKM_ERR_NUMERIC, "'b'", NULL);
    }
    a->grad[1] = NAN;
    check_fails(pkm_params_grad_norm(params, &norm), PKM_ERR_NUMERIC, "'a'", NULL);
    pkm_params_destroy(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_double),
        cmocka_unit_test(test_threads_do_not_change_bits),
        cmocka_unit_test(test_grad_norm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
