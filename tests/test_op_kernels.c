/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels under operations, at every level of this machine, against their references at edge
 * sizes. Blocks end at an unmapped page.
 */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "support/check.h"

/* Relative to |want| + 1: elementwise, and sums of up to a few hundred terms. */
static const double elementwise = 4e-7, reduction = 4e-6;

static const int64_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 257};

typedef void compare_fn(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size);

static void each_level_and_size(compare_fn *compare)
{
    pkm_kernels reference;

    pkm_kernels_fill(&reference, PKM_ISA_REF);
    for (int level = PKM_ISA_REF; level <= (int)pkm_isa_detected(); level++) {
        pkm_kernels kernels;

        pkm_kernels_fill(&kernels, (pkm_isa)level);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            compare(&kernels, &reference, sizes[i]);
    }
}

static float *normals(int64_t count, uint64_t seed)
{
    float *out = guard_alloc((size_t)count * sizeof(float));

    fill_normal(out, count, seed);
    return out;
}

static void drop(float *block, int64_t count)
{
    guard_free(block, (size_t)count * sizeof(float));
}

static void compare_exact(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    float *a = normals(size, 1), *b = normals(size, 2);
    float *got = normals(size, 3), *want = normals(size, 3);
    size_t bytes = (size_t)size * sizeof(float);

    kernels->vector_add(got, got, a, size); /* in place */
    reference->vector_add(want, want, a, size);
    assert_memory_equal(got, want, bytes);
    kernels->vector_mul(got, a, b, size);
    reference->vector_mul(want, a, b, size);
    assert_memory_equal(got, want, bytes);
    kernels->vector_scale(got, a, 0.3f, size);
    reference->vector_scale(want, a, 0.3f, size);
    assert_memory_equal(got, want, bytes);
    assert_true(kernels->row_max(a, size) == reference->row_max(a, size));
    drop(a, size);
    drop(b, size);
    drop(got, size);
    drop(want, size);
}

static void test_exact(void **state)
{
    (void)state;
    each_level_and_size(compare_exact);
}

static void compare_gelu(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    float *x = normals(size, 1), *dy = normals(size, 2);
    float *got = normals(size, 3), *want = normals(size, 3);

    for (int64_t i = 0; i < size; i++)
        x[i] *= 4;
    if (size > 7) {
        x[1] = 1e30f;
        x[2] = -1e30f;
        x[3] = -12;
        x[4] = 1e-40f;
    }
    kernels->gelu_backward(got, dy, x, size);
    reference->gelu_backward(want, dy, x, size);
    check_close(got, want, size, elementwise, 4 * elementwise, "gelu_backward");
    kernels->gelu(got, x, size);
    reference->gelu(want, x, size);
    check_close(got, want, size, elementwise, elementwise, "gelu");
    drop(x, size);
    drop(dy, size);
    drop(got, size);
    drop(want, size);
}

static void test_gelu(void **state)
{
    (void)state;
    each_level_and_size(compare_gelu);
}

static void compare_softmax(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    float *x = normals(size, 1), *dp = normals(size, 2);
    float *got = normals(size, 3), *want = normals(size, 3), sum, want_sum;

    for (int64_t i = 0; i < size; i++)
        x[i] *= 20;
    if (size > 8) {
        x[1] = -INFINITY;
        x[8] = 85;
    }
    sum = kernels->exp_shift(got, x, 2, size);
    want_sum = reference->exp_shift(want, x, 2, size);
    check_close(got, want, size, 0, elementwise, "exp_shift");
    check_close(&sum, &want_sum, 1, 0, reduction, "sum of exp_shift");
    if (size > 1)
        assert_true(size <= 8 || got[1] == 0.0f);
    kernels->exp_shift(got, x, 100, size);
    kernels->softmax_backward(got, got, dp, size);
    reference->exp_shift(want, x, 100, size);
    reference->softmax_backward(want, want, dp, size);
    check_close(got, want, size, reduction, reduction, "softmax_backward");
    drop(x, size);
    drop(dp, size);
    drop(got, size);
    drop(want, size);
}

static void test_softmax(void **state)
{
    (void)state;
    each_level_and_size(compare_softmax);
}

/* A NaN is not lost: it is skipped by the maximum and comes out of the exponential and its sum. */
static void compare_nan(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    float *x = normals(size, 1), *out = normals(size, 2);

    for (int64_t at = 0; at < size; at += 5) {
        x[at] = NAN;
        assert_true(kernels->row_max(x, size) == reference->row_max(x, size));
        assert_true(isnan(kernels->exp_shift(out, x, 1, size)));
        assert_true(isnan(out[at]));
        kernels->gelu(out, x, size);
        assert_true(isnan(out[at]));
        x[at] = 0;
    }
    drop(x, size);
    drop(out, size);
}

static void test_nan(void **state)
{
    (void)state;
    each_level_and_size(compare_nan);
}

static void norm_run(const pkm_kernels *kernels, float *out[4], const float *x, const float *gamma,
                     int64_t size)
{
    pkm_norm_stats stats = kernels->norm_moments(x, size, 1e-5f);

    kernels->norm_forward(out[0], x, gamma, gamma, stats, size);
    for (int add = 0; add < 2; add++)
        kernels->norm_backward(out[1], out[2], out[3], out[0], x, gamma, stats, size, add != 0);
}

static void compare_norm(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    float *x = normals(size, 1), *gamma = normals(size, 2), *got[4], *want[4];

    for (int i = 0; i < 4; i++) {
        got[i] = normals(size, 3);
        want[i] = normals(size, 3);
    }
    if (size > 0) {
        norm_run(kernels, got, x, gamma, size);
        norm_run(reference, want, x, gamma, size);
    }
    for (int i = 0; i < 4; i++) {
        check_close(got[i], want[i], size, reduction, reduction, "norm");
        drop(got[i], size);
        drop(want[i], size);
    }
    drop(x, size);
    drop(gamma, size);
}

static void test_norm(void **state)
{
    (void)state;
    each_level_and_size(compare_norm);
}

/* C [m, n] from small whole numbers, whose sums are exact: bits are compared. */
static void compare_product(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t n)
{
    static const int64_t others[] = {0, 1, 3, 4, 5, 9};

    for (int i = 0; i < 36; i++) {
        int64_t m = others[i % 6], k = others[i / 6];
        int64_t a_count = m * k, b_count = k * n, c_count = m * n;
        float *a = normals(a_count, 1), *b = normals(b_count, 2);
        float *got = normals(c_count, 3), *want = normals(c_count, 3);

        fill_integers(a, a_count, 4, -4, 4);
        fill_integers(b, b_count, 5, -4, 4);
        fill_integers(got, c_count, 6, -4, 4);
        memcpy(want, got, (size_t)c_count * sizeof *want);
        for (int form = 0; form < 4; form++) {
            bool turned = form & 1;
            pkm_block_product product = {.m = m, .n = n, .k = k, .c_row = n, .a = a, .b = b};

            product.a_row = turned ? 1 : k;
            product.a_step = turned ? m : 1;
            product.b_row = n;
            product.add = form & 2;
            product.c = got;
            kernels->block_product(&product);
            product.c = want;
            reference->block_product(&product);
            assert_memory_equal(got, want, (size_t)c_count * sizeof *want);
        }
        drop(a, a_count);
        drop(b, b_count);
        drop(got, c_count);
        drop(want, c_count);
    }
}

static void test_block_product(void **state)
{
    (void)state;
    each_level_and_size(compare_product);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),   cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_softmax), cmocka_unit_test(test_nan),
        cmocka_unit_test(test_norm),    cmocka_unit_test(test_block_product),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
