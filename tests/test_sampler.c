/* SPDX-License-Identifier: Apache-2.0 */
#include "infer/sampler.h"
#include "support/check.h"

#include <math.h>
#include <string.h>

enum { N = 6, DRAWS = 20000 };

/* Probabilities 0.4, 0.3, 0.2, 0.05, 0.05, 0, in another order. */
static const double probability[N] = {0.05, 0.3, 0.0, 0.4, 0.05, 0.2};
static float logits[N];

static int fill_logits(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++)
        logits[i] = probability[i] > 0 ? (float)log(probability[i]) + 3 : -INFINITY;
    return 0;
}

static int32_t pick(const pkm_generate_config *config, uint64_t index)
{
    pkm_sampler sampler;
    int32_t id = -1;

    check_ok(pkm_sampler_init(&sampler, config, N));
    check_ok(pkm_sampler_pick(&sampler, &id, logits, index));
    pkm_sampler_release(&sampler);
    return id;
}

/* Shares of DRAWS draws, against `want` scaled to 1. */
static void check_shares(const pkm_generate_config *config, const double *want)
{
    double total = 0;
    int counts[N] = {0};
    pkm_sampler sampler;

    for (int i = 0; i < N; i++)
        total += want[i];
    check_ok(pkm_sampler_init(&sampler, config, N));
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        int32_t id = -1;

        check_ok(pkm_sampler_pick(&sampler, &id, logits, draw));
        counts[id]++;
    }
    pkm_sampler_release(&sampler);
    for (int i = 0; i < N; i++) {
        double share = (double)counts[i] / DRAWS;

        if (fabs(share - want[i] / total) > 0.015 || (want[i] == 0 && counts[i] > 0))
            fail_msg("token %d: share %g, expected %g", i, share, want[i] / total);
    }
}

static void test_shares(void **state)
{
    const double best3[N] = {0, 0.3, 0, 0.4, 0, 0.2}, best2[N] = {0, 0.3, 0, 0.4, 0, 0};
    const double best1[N] = {0, 0, 0, 1, 0, 0};
    double squared[N];

    (void)state;
    for (int i = 0; i < N; i++)
        squared[i] = probability[i] * probability[i];
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 1, .seed = 4}, probability);
    check_shares(&(pkm_generate_config){.temperature = 0.5, .top_p = 1, .seed = 4}, squared);
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 1, .top_k = 3}, best3);
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 1, .top_k = 99}, probability);
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 0.89}, best3);
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 0.69}, best2);
    /* of the best three 0.4 is more than 0.44 of the mass: top_p counts after top_k */
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 0.44, .top_k = 3}, best1);
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 0}, best1);
    check_shares(&(pkm_generate_config){.temperature = 1, .top_p = 1, .top_k = 1}, best1);
}

/* Of equals the lowest id, at temperature 0 and among the best k. */
static void test_ties(void **state)
{
    (void)state;
    logits[1] = logits[3] = logits[5] = 9;
    assert_int_equal(pick(&(pkm_generate_config){.temperature = 0, .top_p = 1}, 0), 1);
    for (uint64_t i = 0; i < 50; i++)
        assert_true(pick(&(pkm_generate_config){.temperature = 1, .top_p = 1, .top_k = 2}, i) < 4);
    for (int i = 0; i < N; i++)
        logits[i] = -INFINITY;
    assert_int_equal(pick(&(pkm_generate_config){.temperature = 1, .top_p = 1}, 0), 0);
}

static void test_seeds(void **state)
{
    int same = 0;

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        const pkm_generate_config a = {.temperature = 1, .top_p = 1, .seed = 1};
        const pkm_generate_config b = {.temperature = 1, .top_p = 1, .seed = 2};

        assert_int_equal(pick(&a, i), pick(&a, i));
        same += pick(&a, i) == pick(&b, i);
    }
    assert_true(same > 10 && same < 60);
}

static void test_refusals(void **state)
{
    static const struct {
        pkm_generate_config config;
        const char *option;
    } cases[] = {
        {{.temperature = -1, .top_p = 1}, "temperature is -1"},
        {{.temperature = NAN, .top_p = 1}, "temperature"},
        {{.temperature = 1, .top_p = 1.5}, "top_p is 1.5"},
        {{.temperature = 1, .top_p = -0.1}, "top_p"},
        {{.temperature = 1, .top_p = 1, .top_k = -3}, "top_k is -3"},
    };
    pkm_sampler sampler;
    int32_t id;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_fails(pkm_sampler_init(&sampler, &cases[i].config, N), PKM_ERR_ARG, cases[i].option,
                    NULL);
    check_ok(pkm_sampler_init(&sampler, &(pkm_generate_config){.top_p = 1}, N));
    logits[4] = NAN;
    check_fails(pkm_sampler_pick(&sampler, &id, logits, 0), PKM_ERR_NUMERIC, "token 4", NULL);
    logits[4] = INFINITY;
    check_fails(pkm_sampler_pick(&sampler, &id, logits, 0), PKM_ERR_NUMERIC, "token 4", NULL);
    pkm_sampler_release(&sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_shares, fill_logits),
        cmocka_unit_test_setup(test_ties, fill_logits),
        cmocka_unit_test_setup(test_seeds, fill_logits),
        cmocka_unit_test_setup(test_refusals, fill_logits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
