/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels under dense maps and parameters, at every level of this machine, against their
 * references at edge sizes. Blocks end at an unmapped page.
 */
#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "kernels/kernels.h"
#include "support/kernel_checks.h"

static const int64_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130, 300};

enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

typedef void compare_fn(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size);

static void each_level_and_size(compare_fn *compare)
{
    pkm_kernels reference;

    pkm_kernels_fill(&reference, PKM_ISA_REF);
    for (int level = PKM_ISA_REF; level <= (int)pkm_isa_detected(); level++) {
        pkm_kernels kernels;

        pkm_kernels_fill(&kernels, (pkm_isa)level);
        for (int i = 0; i < N_SIZES; i++)
            compare(&kernels, &reference, sizes[i]);
    }
}

static float *normals(int64_t count, uint64_t seed)
{
    float *out = guard_alloc((size_t)count * sizeof(float));

    fill_normal(out, count, seed);
    return out;
}

static void drop(void *block, int64_t count, size_t element_bytes)
{
    guard_free(block, (size_t)count * element_bytes);
}

/* Normal numbers in the dtype. */
static void *elements(int64_t count, pkm_dtype dtype, uint64_t seed)
{
    float *from;
    uint16_t *out;

    if (dtype == PKM_I8)
        return guarded_i8(count, CHECK_NORMAL, seed);
    from = normals(count, seed);
    if (dtype == PKM_F32)
        return from;
    out = guard_alloc((size_t)count * 2);
    for (int64_t i = 0; i < count; i++)
        out[i] = pkm_f32_to_bf16(from[i]);
    drop(from, count, sizeof(float));
    return out;
}

static bool adamw_run(const pkm_kernels *kernels, float *state[3], const float *grad, int64_t size)
{
    const pkm_adamw_factors factors = {.grad_scale = 0.7f,
                                       .keep = 0.999f,
                                       .rate = 0.01f,
                                       .root_scale = 1.3f,
                                       .epsilon = 1e-8f,
                                       .beta1 = 0.9f,
                                       .one_minus_beta1 = 0.1f,
                                       .beta2 = 0.95f,
                                       .one_minus_beta2 = 0.05f};

    bool finite = true;

    for (int step = 0; step < 3; step++)
        finite &= kernels->adamw_update(state[0], state[1], state[2], grad, size, &factors);
    return finite;
}

static void compare_adamw(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    float *got[3], *want[3], *grad = normals(size, 9);

    if (size > 7) {
        grad[3] = NAN;
        grad[5] = INFINITY;
        grad[6] = 0.0f;
    }
    for (int i = 0; i < 3; i++) {
        got[i] = normals(size, 1);
        want[i] = normals(size, 1);
        for (int64_t j = 0; i == 2 && j < size; j++) /* v is a square */
            got[i][j] = want[i][j] = fabsf(got[i][j]);
    }
    assert_int_equal(adamw_run(kernels, got, grad, size), size <= 7);
    assert_int_equal(adamw_run(reference, want, grad, size), size <= 7);
    for (int i = 0; i < 3; i++) {
        for (int64_t j = 0; j < size; j++)
            assert_true(isnan(want[i][j]) ? isnan(got[i][j])
                                          : memcmp(&got[i][j], &want[i][j], sizeof(float)) == 0);
        drop(got[i], size, sizeof(float));
        drop(want[i], size, sizeof(float));
    }
    drop(grad, size, sizeof(float));
}

/* One bad number, first in the weight or last in a moment, is reported. */
static void check_adamw_reports(const pkm_kernels *kernels, const pkm_kernels *reference,
                                int64_t size)
{
    (void)reference;
    for (int i = 0; i < 6 && size > 0; i++) {
        float *state[3], *grad = normals(size, 9);

        for (int s = 0; s < 3; s++) {
            state[s] = normals(size, 1);
            for (int64_t j = 0; s == 2 && j < size; j++)
                state[s][j] = fabsf(state[s][j]);
        }
        assert_true(adamw_run(kernels, state, grad, size));
        state[i % 3][i < 3 ? 0 : size - 1] = i % 2 ? NAN : INFINITY;
        assert_false(adamw_run(kernels, state, grad, size));
        for (int s = 0; s < 3; s++)
            drop(state[s], size, sizeof(float));
        drop(grad, size, sizeof(float));
    }
}

static void compare_sum_squares(const pkm_kernels *kernels, const pkm_kernels *reference,
                                int64_t size)
{
    float *x = normals(size, 2);

    assert_true(kernels->sum_squares(x, size) == reference->sum_squares(x, size));
    if (size > 0) {
        x[size - 1] = NAN;
        assert_true(isnan(kernels->sum_squares(x, size)));
        x[size - 1] = -INFINITY;
        assert_true(isinf(kernels->sum_squares(x, size)));
    }
    drop(x, size, sizeof(float));
}

/* Rows next to each other, and with a gap between them. */
static void compare_matvec(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    static const pkm_dtype dtypes[] = {PKM_F32, PKM_BF16, PKM_I8};
    enum { ROWS = 3, OUT = 5, GAP = 3 };
    float got[ROWS * OUT], want[ROWS * OUT], alone[OUT];

    for (int d = 0; d < 3; d++) {
        for (int gap = 0; gap <= GAP; gap += GAP) {
            pkm_dtype dtype = dtypes[d];
            int64_t stride = size + gap, count = (OUT - 1) * stride + size;
            float *x = normals(ROWS * size, 3);
            void *w = elements(count, dtype, 4);

            kernels->matvec[dtype](got, x, w, stride, ROWS, OUT, size);
            reference->matvec[dtype](want, x, w, stride, ROWS, OUT, size);
            check_close(got, want, ROWS * OUT, 1e-5, 1e-5, "matvec");
            kernels->matvec[dtype](alone, x, w, stride, 1, OUT, size);
            assert_memory_equal(alone, got, sizeof alone);
            drop(x, ROWS * size, sizeof *x);
            drop(w, count, pkm_dtype_bytes(dtype));
        }
    }
}

static void compare_transpose(const pkm_kernels *kernels, const pkm_kernels *reference,
                              int64_t size)
{
    for (int i = 0; i < N_SIZES; i++) {
        for (pkm_dtype dtype = PKM_F32; dtype <= PKM_BF16; dtype++) {
            int64_t count = size * sizes[i];
            void *in = elements(count, dtype, 5), *got = elements(count, dtype, 6);
            void *want = elements(count, dtype, 7);

            kernels->transpose[dtype](got, size, in, sizes[i], size, sizes[i]);
            reference->transpose[dtype](want, size, in, sizes[i], size, sizes[i]);
            assert_memory_equal(got, want, (size_t)count * pkm_dtype_bytes(dtype));
            drop(in, count, pkm_dtype_bytes(dtype));
            drop(got, count, pkm_dtype_bytes(dtype));
            drop(want, count, pkm_dtype_bytes(dtype));
        }
    }
}

static void compare_column_sums(const pkm_kernels *kernels, const pkm_kernels *reference,
                                int64_t size)
{
    enum { ROWS = 5 };

    for (pkm_dtype dtype = PKM_F32; dtype <= PKM_BF16; dtype++) {
        void *in = elements(ROWS * size, dtype, 8);
        float *got = normals(size, 1), *want = normals(size, 2);

        kernels->column_sums[dtype](got, in, size, ROWS, size);
        reference->column_sums[dtype](want, in, size, ROWS, size);
        assert_memory_equal(got, want, (size_t)size * sizeof *got);
        drop(in, ROWS * size, pkm_dtype_bytes(dtype));
        drop(got, size, sizeof *got);
        drop(want, size, sizeof *want);
    }
}

static void compare_interleave(const pkm_kernels *kernels, const pkm_kernels *reference,
                               int64_t size)
{
    void *even = elements(size, PKM_BF16, 1), *odd = elements(size, PKM_BF16, 2);
    void *got = elements(2 * size, PKM_BF16, 3), *want = elements(2 * size, PKM_BF16, 4);

    kernels->interleave(got, even, odd, size);
    reference->interleave(want, even, odd, size);
    assert_memory_equal(got, want, (size_t)size * 4);
    drop(even, size, 2);
    drop(odd, size, 2);
    drop(got, 2 * size, 2);
    drop(want, 2 * size, 2);
}

static void test_adamw(void **state)
{
    (void)state;
    each_level_and_size(compare_adamw);
    each_level_and_size(check_adamw_reports);
}

static void test_sum_squares(void **state)
{
    (void)state;
    each_level_and_size(compare_sum_squares);
}

static void test_matvec(void **state)
{
    (void)state;
    each_level_and_size(compare_matvec);
}

static void test_transpose(void **state)
{
    (void)state;
    each_level_and_size(compare_transpose);
}

static void test_column_sums(void **state)
{
    (void)state;
    each_level_and_size(compare_column_sums);
}

static void test_interleave(void **state)
{
    (void)state;
    each_level_and_size(compare_interleave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw),       cmocka_unit_test(test_sum_squares),
        cmocka_unit_test(test_matvec),      cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_column_sums), cmocka_unit_test(test_interleave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
