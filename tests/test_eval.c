/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation through the public API: the same figures again, and nothing left behind by one that
 * was cancelled. */
#include "base/alloc.h"
#include "memory/layer_parts.h"
#include "models/model.h"
#include "support/check.h"
#include "support/run.h"

#include <math.h>

static small_world world;
static pkm_model *model;
static pkm_data *data;

static int make_model(void **state)
{
    char *dir;

    (void)state;
    small_world_create(&world);
    check_ok(small_train(&world, "run", false, 0, NULL));
    dir = small_world_run(&world, "run");
    check_ok(pkm_model_load(&model, dir, NULL));
    pkm_free(dir);
    check_ok(pkm_data_open(&data, world.data, PKM_SPLIT_VAL));
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    pkm_data_close(data);
    pkm_model_destroy(model);
    small_world_destroy(&world);
    return 0;
}

static void test_the_same_figures_again(void **state)
{
    pkm_eval_result first, second;

    (void)state;
    check_ok(pkm_model_eval_data(model, &first, data, 500, NULL, NULL));
    check_ok(pkm_model_eval_data(model, &second, data, 500, NULL, NULL));
    assert_int_equal(first.tokens, 500);
    assert_true(first.loss > 0 && first.loss == second.loss);
    assert_true(first.perplexity == exp(first.loss));
    assert_int_equal(first.n_usage, 1 + 2); /* both heads together, and each */
    for (int i = 0; i < first.n_usage; i++)
        assert_true(first.usage[i].used > 0 && first.usage[i].used == second.usage[i].used);
    pkm_eval_result_release(&first);
    pkm_eval_result_release(&second);
}

static int cancel(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)what, (void)done, (void)total, (void)user;
    return 1;
}

static void test_a_cancelled_evaluation_stops_counting(void **state)
{
    pkm_eval_result result;

    (void)state;
    check_fails(pkm_model_eval_data(model, &result, data, 0, cancel, NULL), PKM_ERR_CANCELLED,
                "cancelled", NULL);
    assert_false(model->gpt->memories[0]->counting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_figures_again),
        cmocka_unit_test(test_a_cancelled_evaluation_stops_counting),
    };

    return cmocka_run_group_tests(tests, make_model, remove_model);
}
