/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of the memory: every row of the table that this machine can run, against its
 * reference. */
#include "kernels/kernels.h"

#include <string.h>

#include "support/kernel_checks.h"

static const struct {
    size_t field;
    kernel_check_fn *check;
} checks[] = {
    {offsetof(pkm_kernels, f32_to_bf16), check_f32_to_bf16},
    {offsetof(pkm_kernels, bf16_to_f32), check_bf16_to_f32},
    {offsetof(pkm_kernels, half_scores[PKM_F32]), check_half_scores_f32},
    {offsetof(pkm_kernels, half_scores[PKM_BF16]), check_half_scores_bf16},
    {offsetof(pkm_kernels, select), check_select},
    {offsetof(pkm_kernels, above), check_above},
    {offsetof(pkm_kernels, bag[PKM_F32]), check_bag_f32},
    {offsetof(pkm_kernels, bag[PKM_BF16]), check_bag_bf16},
    {offsetof(pkm_kernels, bag[PKM_I8]), check_bag_i8},
    {offsetof(pkm_kernels, row_dots[PKM_F32]), check_row_dots_f32},
    {offsetof(pkm_kernels, row_dots[PKM_BF16]), check_row_dots_bf16},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_ADAM][PKM_F32]), check_row_adam_f32},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_ADAM][PKM_BF16]), check_row_adam_bf16},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_ADAGRAD][PKM_F32]), check_row_adagrad_f32},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_ADAGRAD][PKM_BF16]), check_row_adagrad_bf16},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_SGD][PKM_F32]), check_row_sgd_f32},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_SGD][PKM_BF16]), check_row_sgd_bf16},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_ADAM_ROW][PKM_F32]), check_row_adam_row_f32},
    {offsetof(pkm_kernels, row_step[PKM_VALUES_ADAM_ROW][PKM_BF16]), check_row_adam_row_bf16},
};

static kernel_check_fn *check_of(const pkm_kernel_row *row)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (checks[i].field == row->field)
            return checks[i].check;
    return NULL; /* a family of tests/test_dense_kernels.c */
}

static void test_against_reference(void **state)
{
    int n_rows;
    const pkm_kernel_row *rows = pkm_kernel_rows(&n_rows);
    pkm_kernels reference;

    (void)state;
    pkm_kernels_fill(&reference, PKM_ISA_REF);
    for (int i = 0; i < n_rows; i++) {
        kernel_check_fn *check = check_of(&rows[i]);
        pkm_kernel_fn want;
        char label[128];

        if (check == NULL || rows[i].isa > pkm_isa_detected())
            continue;
        memcpy(&want, (const char *)&reference + rows[i].field, sizeof want);
        snprintf(label, sizeof label, "%s, %s", rows[i].family, pkm_isa_name(rows[i].isa));
        check(rows[i].fn, want, label);
    }
}

/* Every family has a reference, and levels only rise. */
static void test_table(void **state)
{
    int n_rows;
    const pkm_kernel_row *rows = pkm_kernel_rows(&n_rows);
    pkm_kernels kernels;

    (void)state;
    memset(&kernels, 0, sizeof kernels);
    pkm_kernels_fill(&kernels, PKM_ISA_REF);
    for (size_t i = 0; i < sizeof kernels / sizeof(pkm_kernel_fn); i++) {
        pkm_kernel_fn fn;

        memcpy(&fn, (const char *)&kernels + i * sizeof fn, sizeof fn);
        assert_true(fn != NULL);
    }
    for (int i = 0; i < n_rows; i++)
        for (int j = 0; j < i; j++)
            assert_false(rows[j].field == rows[i].field && rows[j].isa >= rows[i].isa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_against_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
