/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "support/check.h"

#include <string.h>

/* Known answers of Philox 4x32-10 (Random123, kat_vectors): counter and key all zero. */
static void test_known_answer(void **state)
{
    const uint32_t want[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
    pkm_rng rng = {0};
    uint32_t got[4];

    (void)state;
    pkm_rng_block(got, &rng, 0);
    assert_memory_equal(got, want, sizeof want);
}

static void test_permutation_is_one(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 17, 1000, 4096, 4097};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        static unsigned char seen[5000];
        pkm_rng rng = {.seed = 7, .step = (uint32_t)s};

        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < sizes[s]; i++) {
            uint64_t at = pkm_rng_permute(&rng, i, sizes[s]);

            assert_true(at < sizes[s]);
            assert_false(seen[at]);
            seen[at] = 1;
        }
    }
}

static void test_normal_moments(void **state)
{
    enum { COUNT = 100000 };
    static float values[COUNT];
    double sum = 0, squares = 0;

    (void)state;
    fill_normal(values, COUNT, 3);
    for (int i = 0; i < COUNT; i++) {
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    assert_true(sum / COUNT < 0.02 && sum / COUNT > -0.02);
    assert_true(squares / COUNT > 0.98 && squares / COUNT < 1.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answer),
        cmocka_unit_test(test_permutation_is_one),
        cmocka_unit_test(test_normal_moments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
