/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels under operations, at every level of this machine, against their references at edge
 * sizes. Blocks end at an unmapped page.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
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

/* Small whole numbers: `count` floats, or twice as many bf16 in their place. */
static float *integers(int64_t count, pkm_dtype dtype, uint64_t seed)
{
    float *out = normals(count, seed);

    fill_integers(out, count, seed, -4, 4);
    for (int64_t i = 0; i < count && dtype == PKM_BF16; i++) {
        uint16_t pair[2] = {pkm_f32_to_bf16(out[i]), pkm_f32_to_bf16(1 - out[i])};

        memcpy(&out[i], pair, sizeof pair);
    }
    return out;
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

static void compare_dropout(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    const pkm_rng rng = {.seed = 3, .stream = 4, .step = 5};
    float *in = normals(size, 1), *got = normals(size, 2), *want = normals(size, 3);

    for (uint64_t first = 0xfffffffeu * 4ull; first < 0xfffffffeu * 4ull + 9; first += 3) {
        const pkm_dropout_draws draws = {&rng, first, 1u << 22, 4.0f / 3};

        reference->dropout(want, in, size, &draws);
        memcpy(got, in, (size_t)size * sizeof *got);
        kernels->dropout(got, got, size, &draws);
        assert_memory_equal(got, want, (size_t)size * sizeof *got);
    }
    drop(in, size);
    drop(got, size);
    drop(want, size);
}

static void test_dropout(void **state)
{
    (void)state;
    each_level_and_size(compare_dropout);
}

static void compare_gelu_bf16(const pkm_kernels *kernels, const pkm_kernels *reference,
                              const float *dy, const float *x, int64_t size)
{
    uint16_t half[4][260];
    float got[260], want[260];

    reference->f32_to_bf16(half[0], dy, size);
    reference->f32_to_bf16(half[1], x, size);
    kernels->gelu_backward[PKM_BF16](half[2], half[0], half[1], size);
    reference->gelu_backward[PKM_BF16](half[3], half[0], half[1], size);
    reference->bf16_to_f32(got, half[2], size);
    reference->bf16_to_f32(want, half[3], size);
    check_close(got, want, size, 1e-6, 0x1p-7, "gelu_backward in bf16");
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
    kernels->gelu_backward[PKM_F32](got, dy, x, size);
    reference->gelu_backward[PKM_F32](want, dy, x, size);
    check_close(got, want, size, elementwise, 4 * elementwise, "gelu_backward");
    compare_gelu_bf16(kernels, reference, dy, x, size);
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

/* Element (i, j) of strips of rows, or of pairs of rows. */
static int64_t strip_place(int64_t i, int64_t j, int64_t strip_step, int64_t group)
{
    return j / 16 * strip_step + i / group * group * 16 + j % 16 * group + i % group;
}

static void compare_exp_columns(const pkm_kernels *kernels, const pkm_kernels *reference,
                                int64_t size)
{
    enum { M = 5, STEP = 300, STRIP_STEP = (M + 1) * 16 };
    int64_t n = (size + 15) / 16 * 16;
    float *shift = normals(n, 1), *sum = normals(n, 2), *want_sum = normals(n, 3);
    float x[M * STEP], got[2][M * STEP] = {{0}}, want[2][M * STEP] = {{0}};
    float strips[2][(M + 1) * STEP];
    const uint16_t *got_bf16 = (uint16_t *)got[PKM_BF16], *want_bf16 = (uint16_t *)want[PKM_BF16];

    fill_normal(x, M * STEP, 4);
    x[0] = 200; /* taken to 88, and to -87 */
    x[STEP] = -200;
    for (int dtype = PKM_F32; dtype <= PKM_BF16; dtype++)
        for (int64_t m = 0; m <= M; m++) {
            pkm_exp_columns block = {m,   n,           x,    STEP,          shift,
                                     sum, want[dtype], STEP, strips[dtype], STRIP_STEP};

            reference->exp_columns[dtype](&block);
            block.sum = want_sum;
            block.power = got[dtype];
            kernels->exp_columns[dtype](&block);
            check_close(want_sum, sum, n, reduction, reduction, "sums of exp_columns");
            block.power = NULL;
            kernels->exp_columns[dtype](&block);
            check_close(want_sum, sum, n, reduction, reduction, "sums alone of exp_columns");
        }
    check_close(got[PKM_F32], want[PKM_F32], M * STEP, 0, elementwise, "exp_columns");
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < M; i++) {
            int64_t at = i * STEP + j;

            assert_true(strips[PKM_F32][strip_place(i, j, STRIP_STEP, 1)] == got[PKM_F32][at]);
            assert_int_equal(((uint16_t *)strips[PKM_BF16])[strip_place(i, j, STRIP_STEP, 2)],
                             got_bf16[at]);
            assert_true(abs((int)got_bf16[at] - (int)want_bf16[at]) <= 1); /* rounding of a tie */
        }
        assert_int_equal(((uint16_t *)strips[PKM_BF16])[strip_place(M, j, STRIP_STEP, 2)], 0);
    }
    drop(shift, n);
    drop(sum, n);
    drop(want_sum, n);
}

static void test_exp_columns(void **state)
{
    (void)state;
    each_level_and_size(compare_exp_columns);
}

/* A NaN is not lost: it comes out of the exponential and its sum, and of GELU. */
static void compare_nan(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t size)
{
    float *x = normals(size, 1), *out = normals(size, 2), sum[512], copy[512], shift[512] = {0};
    pkm_exp_columns block = {1, size / 16 * 16, x, size, shift, sum, out, size, copy, 16};

    (void)reference;
    for (int64_t at = 0; at < size; at += 5) {
        x[at] = NAN;
        kernels->exp_columns[PKM_F32](&block);
        assert_true(at >= block.n || (isnan(out[at]) && isnan(sum[at])));
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
static void compare_product(const pkm_kernels *kernels, const pkm_kernels *reference,
                            const int64_t shape[3], pkm_dtype dtype)
{
    int64_t m = shape[0], n = shape[1], k = shape[2], per = dtype == PKM_BF16 ? 2 : 1;
    int64_t a_count = m * k / per, b_count = k * n / per, c_count = m * n;
    float *a = integers(a_count, dtype, 1), *b = integers(b_count, dtype, 2);
    float *got = integers(c_count, PKM_F32, 3), *want = integers(c_count, PKM_F32, 3);

    for (int add = 0; add < 2; add++) {
        pkm_block_product product = {.m = m, .n = n, .k = k, .a = a, .b = b, .add = add != 0};

        product.a_row = k;
        product.b_row = n * per;
        product.c_row = n;
        product.c = got;
        kernels->block_product[dtype](&product);
        product.c = want;
        reference->block_product[dtype](&product);
        assert_memory_equal(got, want, (size_t)c_count * sizeof *want);
    }
    drop(a, a_count);
    drop(b, b_count);
    drop(got, c_count);
    drop(want, c_count);
}

/* All sizes as columns, with a few rows and steps; k is even. */
static void compare_products(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t n)
{
    static const int64_t rows[] = {0, 1, 4, 5, 32, 67}, steps[] = {0, 2, 6, 32, 70};

    for (int i = 0; i < 30; i++)
        for (pkm_dtype dtype = PKM_F32; dtype <= PKM_BF16; dtype++)
            compare_product(kernels, reference, (int64_t[]){rows[i % 6], n, steps[i / 6]}, dtype);
}

static void test_block_product(void **state)
{
    (void)state;
    each_level_and_size(compare_products);
}

/* Rows of `count` elements of a result in `dtype`, as floats, against the reference's. */
static void compare_rows(const void *got, const void *want, pkm_dtype dtype, int64_t count,
                         const char *what)
{
    double tolerance = dtype == PKM_BF16 ? 0x1p-7 : 4e-6;

    for (int64_t i = 0; i < count; i++) {
        float a = dtype == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)got)[i])
                                    : ((const float *)got)[i];
        float b = dtype == PKM_BF16 ? pkm_bf16_to_f32(((const uint16_t *)want)[i])
                                    : ((const float *)want)[i];

        check_close(&a, &b, 1, tolerance / 64, tolerance, what);
        assert_int_equal(b == 0.0f, a == 0.0f); /* what is not seen */
    }
}

/* A block of scores meets sums begun before it; the scores that are not seen are NaN. */
static void compare_attend_softmax(const pkm_kernels *kernels, const pkm_kernels *reference,
                                   int64_t n_keys, pkm_dtype dtype, int64_t seen)
{
    enum { QUERIES = 5 };
    int64_t row = (n_keys + 15) / 16 * 16, count = QUERIES * row;
    float *scores = normals(count, 1), *mask = normals(count, 2);
    float *p[2] = {normals(count, 3), normals(count, 4)}, state[2][3][QUERIES];

    for (int64_t i = 0; i < count; i++)
        if (i % row >= seen + i / row || i % row >= n_keys)
            scores[i] = NAN;
    for (int with_mask = 0; with_mask < 2; with_mask++) {
        for (int which = 0; which < 2; which++) {
            pkm_attend_softmax block = {
                QUERIES,         n_keys,          seen,           0.7f, scores, NULL, row, p[which],
                state[which][0], state[which][1], state[which][2]};

            block.mask = with_mask ? mask : NULL;
            for (int i = 0; i < QUERIES; i++) {
                block.top[i] = i == 0 && seen > 0 && n_keys > 0 ? -INFINITY : 0.1f * (float)i;
                block.sum[i] = i == 0 ? 0 : 1.5f;
            }
            (which == 0 ? kernels : reference)->attend_softmax[dtype](&block);
        }
        compare_rows(p[0], p[1], dtype, count, "p");
        for (int i = 0; i < 3; i++)
            check_close(state[0][i], state[1][i], QUERIES, reduction, reduction, "running sums");
    }
    drop(scores, count);
    drop(mask, count);
    drop(p[0], count);
    drop(p[1], count);
}

static void compare_attend_slopes(const pkm_kernels *kernels, const pkm_kernels *reference,
                                  int64_t n_keys, pkm_dtype dtype, int64_t seen)
{
    enum { QUERIES = 19, ROW = 32 };
    int64_t count = (n_keys + 1) / 2 * 2 * ROW;
    float *in[3] = {normals(count, 1), normals(count, 2), normals(count, 3)};
    float *lse = normals(QUERIES, 4), *delta = normals(QUERIES, 5), *out[2][3];

    for (int which = 0; which < 2; which++)
        for (int i = 0; i < 3; i++)
            out[which][i] = normals(count, 6);
    for (int with_mask = 0; with_mask < 2; with_mask++) {
        for (int which = 0; which < 2; which++) {
            const pkm_attend_slopes block = {
                .n_queries = QUERIES,
                .n_keys = n_keys,
                .seen = seen,
                .factor = 0.7f,
                .scores = in[0],
                .d_p = in[1],
                .mask = with_mask ? in[2] : NULL,
                .row = ROW,
                .lse = lse,
                .delta = delta,
                .p = out[which][0],
                .ds = out[which][1],
                .pairs = (uint16_t *)out[which][2],
            };

            (which == 0 ? kernels : reference)->attend_slopes[dtype](&block);
        }
        compare_rows(out[0][0], out[1][0], dtype, count, "P");
        compare_rows(out[0][1], out[1][1], dtype, count, "dS");
        if (dtype == PKM_BF16)
            compare_rows(out[0][2], out[1][2], dtype, count, "pairs of dS");
    }
    for (int i = 0; i < 3; i++) {
        drop(in[i], count);
        drop(out[0][i], count);
        drop(out[1][i], count);
    }
    drop(lse, QUERIES);
    drop(delta, QUERIES);
}

static void compare_attend(const pkm_kernels *kernels, const pkm_kernels *reference, int64_t n_keys)
{
    static const int64_t seen[] = {-30, -3, 0, 1, 9, 40, 300};

    for (pkm_dtype dtype = PKM_F32; dtype <= PKM_BF16; dtype++)
        for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
            compare_attend_softmax(kernels, reference, n_keys, dtype, seen[i]);
            compare_attend_slopes(kernels, reference, n_keys, dtype, seen[i]);
        }
}

static void test_attend(void **state)
{
    (void)state;
    each_level_and_size(compare_attend);
}

static void compare_store_rows(const pkm_kernels *kernels, const pkm_kernels *reference,
                               int64_t n_columns)
{
    enum { ROWS = 3 };
    int64_t count = ROWS * n_columns;
    float *in = normals(count, 1), *factor = normals(ROWS, 2);
    float *got = normals(count, 3), *want = normals(count, 3);

    for (int i = 0; i < 8; i++) {
        pkm_dtype dtype = i % 2 == 0 ? PKM_F32 : PKM_BF16;
        pkm_store_rows job = {ROWS,      n_columns, got,         in, i & 2 ? factor : NULL,
                              n_columns, n_columns, (i & 4) != 0};

        kernels->store_rows[dtype](&job);
        job.out = want;
        reference->store_rows[dtype](&job);
        assert_memory_equal(got, want, (size_t)count * pkm_dtype_bytes(dtype));
    }
    drop(in, count);
    drop(factor, ROWS);
    drop(got, count);
    drop(want, count);
}

static void test_store_rows(void **state)
{
    (void)state;
    each_level_and_size(compare_store_rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),       cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_gelu),        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_norm),        cmocka_unit_test(test_block_product),
        cmocka_unit_test(test_attend),      cmocka_unit_test(test_store_rows),
        cmocka_unit_test(test_exp_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
