/* SPDX-License-Identifier: Apache-2.0 */
#include "base/choice.h"

#include <string.h>

#include "support/check.h"

static void test_index(void **state)
{
    static const struct {
        const char *name;
        int index;
    } cases[] = {{"batch", 0},  {"layer", 1}, {"none", 2},        {"non", -1},
                 {"nonee", -1}, {"", -1},     {"batch|layer", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(pkm_choice_index("batch|layer|none", cases[i].name), cases[i].index);
    assert_int_equal(pkm_choice_index("one", "one"), 0);
}

static void test_word(void **state)
{
    size_t length;

    (void)state;
    assert_memory_equal(pkm_choice_word("batch|layer|none", 1, &length), "layer", 5);
    assert_int_equal(length, 5);
    assert_memory_equal(pkm_choice_word("batch|layer|none", 2, &length), "none", 4);
    assert_int_equal(length, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_index), cmocka_unit_test(test_word)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
