/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense maps against double precision: every layout, precision, number of rows around block edges,
 * result type and accumulation; and the same bits for any number of threads.
 */
#include "dense/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "support/check.h"

enum { MAX_ROWS = 300, FEW = 5 };

/* Operands of one map in the caller's form, and results; everything ends at an unmapped page. */
typedef struct fixture {
    pkm_dense_config config;
    pkm_dense *dense;
    int64_t n_rows;
    float *weight, *bias, *x, *dy; /* f32; x and dy hold values of the compute dtype */
    void *x_in, *dy_in;            /* the same in the compute dtype */
} fixture;

static float *new_floats(int64_t count)
{
    return guard_alloc((size_t)count * sizeof(float));
}

static void free_floats(float *floats, int64_t count)
{
    guard_free(floats, (size_t)count * sizeof(float));
}

static void *in_dtype(float *values, int64_t count, pkm_dtype dtype)
{
    uint16_t *out;

    if (dtype == PKM_F32) {
        float *copy = new_floats(count);

        memcpy(copy, values, (size_t)count * sizeof(float));
        return copy;
    }
    out = guard_alloc((size_t)count * 2);
    for (int64_t i = 0; i < count; i++) {
        out[i] = pkm_f32_to_bf16(values[i]);
        values[i] = pkm_bf16_to_f32(out[i]);
    }
    return out;
}

static void to_floats(float *out, const void *in, int64_t count, pkm_dtype dtype)
{
    for (int64_t i = 0; i < count; i++)
        out[i] =
            dtype == PKM_F32 ? ((const float *)in)[i] : pkm_bf16_to_f32(((const uint16_t *)in)[i]);
}

static void setup(fixture *f, pkm_dense_config config, int64_t n_rows, bool integers)
{
    int64_t weights = config.n_in * config.n_out;
    const int64_t counts[] = {weights, config.n_out, n_rows * config.n_in, n_rows * config.n_out};
    float **arrays[] = {&f->weight, &f->bias, &f->x, &f->dy};

    *f = (fixture){.config = config, .n_rows = n_rows};
    for (int i = 0; i < 4; i++) {
        *arrays[i] = new_floats(counts[i]);
        if (integers)
            fill_integers(*arrays[i], counts[i], (uint64_t)i + 1, -4, 4);
        else
            fill_normal(*arrays[i], counts[i], (uint64_t)i + 1);
    }
    f->x_in = in_dtype(f->x, n_rows * config.n_in, config.compute);
    f->dy_in = in_dtype(f->dy, n_rows * config.n_out, config.compute);
    check_ok(pkm_dense_create(&f->dense, &config));
    pkm_dense_pack(f->dense, f->weight);
}

static void teardown(fixture *f)
{
    size_t bytes = pkm_dtype_bytes(f->config.compute);

    pkm_dense_destroy(f->dense);
    free_floats(f->weight, f->config.n_in * f->config.n_out);
    free_floats(f->bias, f->config.n_out);
    free_floats(f->x, f->n_rows * f->config.n_in);
    free_floats(f->dy, f->n_rows * f->config.n_out);
    guard_free(f->x_in, (size_t)(f->n_rows * f->config.n_in) * bytes);
    guard_free(f->dy_in, (size_t)(f->n_rows * f->config.n_out) * bytes);
}

/* Weight (in, out) as the products see it. */
static double weight_at(const fixture *f, int64_t in, int64_t out)
{
    int64_t at = f->config.layout == PKM_WEIGHT_IN_OUT ? in * f->config.n_out + out
                                                       : out * f->config.n_in + in;
    float value = f->weight[at];

    return (double)(f->config.compute == PKM_BF16 ? pkm_bf16_to_f32(pkm_f32_to_bf16(value))
                                                  : value);
}

typedef enum product_kind { FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT } product_kind;

static int64_t result_count(const fixture *f, product_kind kind)
{
    return kind == FORWARD          ? f->n_rows * f->config.n_out
           : kind == BACKWARD_INPUT ? f->n_rows * f->config.n_in
                                    : f->config.n_in * f->config.n_out;
}

/* want += the product in double; norm += the sum of |terms|, the scale of rounding errors. */
static void twin(const fixture *f, product_kind kind, double *want, double *norm)
{
    int64_t n_in = f->config.n_in, n_out = f->config.n_out;

    for (int64_t r = 0; r < f->n_rows; r++) {
        for (int64_t i = 0; i < n_in; i++) {
            for (int64_t o = 0; o < n_out; o++) {
                double x = (double)f->x[r * n_in + i], dy = (double)f->dy[r * n_out + o];
                double a = kind == BACKWARD_INPUT ? dy : x;
                double b = kind == BACKWARD_WEIGHT ? dy : weight_at(f, i, o);
                int64_t weight_index =
                    f->config.layout == PKM_WEIGHT_IN_OUT ? i * n_out + o : o * n_in + i;
                int64_t at = kind == FORWARD          ? r * n_out + o
                             : kind == BACKWARD_INPUT ? r * n_in + i
                                                      : weight_index;

                want[at] += a * b;
                norm[at] += fabs(a * b);
            }
        }
    }
}

/* The library's result, on top of `start` if accumulating; as floats. */
static void run(const fixture *f, product_kind kind, pkm_dtype dtype, bool accumulate,
                const float *start, float *out)
{
    int64_t count = result_count(f, kind);
    size_t bytes = (size_t)count * pkm_dtype_bytes(dtype);
    void *result = guard_alloc(bytes);

    for (int64_t i = 0; i < count; i++)
        if (dtype == PKM_F32)
            ((float *)result)[i] = start[i];
        else
            ((uint16_t *)result)[i] = pkm_f32_to_bf16(start[i]);
    if (kind == FORWARD)
        check_ok(pkm_dense_forward(f->dense, result, dtype, f->x_in,
                                   &(pkm_dense_finish){.bias = f->bias}, f->n_rows));
    else if (kind == BACKWARD_INPUT)
        check_ok(
            pkm_dense_backward_input(f->dense, result, dtype, f->dy_in, f->n_rows, accumulate));
    else
        check_ok(pkm_dense_backward_weight(
            f->dense, &(pkm_dense_grads){.weight = result, .add_weight = accumulate}, f->x_in,
            f->dy_in, f->n_rows));
    to_floats(out, result, count, dtype);
    guard_free(result, bytes);
}

/* Rounding of a sum of terms in fp32 in any order: a few units of the sum of |terms|; of the result
 * when stored in bf16: half a unit of 2^-8. Integers are exact. */
static void compare(const fixture *f, product_kind kind, pkm_dtype dtype, bool accumulate,
                    bool integers)
{
    int64_t count = result_count(f, kind);
    float *start = new_floats(count), *got = new_floats(count);
    double *want = calloc((size_t)count + 1, sizeof *want);
    double *norm = calloc((size_t)count + 1, sizeof *norm);

    fill_integers(start, count, 5, -4, 4);
    for (int64_t i = 0; i < count; i++) {
        want[i] = accumulate ? (double)start[i] : 0.0;
        if (kind == FORWARD)
            want[i] += (double)f->bias[i % f->config.n_out];
        norm[i] = fabs(want[i]);
    }
    twin(f, kind, want, norm);
    run(f, kind, dtype, accumulate, start, got);
    for (int64_t i = 0; i < count; i++) {
        double bound = integers ? 0.0 : norm[i] * 0x1p-21;

        if (dtype == PKM_BF16)
            bound += fabs(want[i]) * 0x1p-8;
        if (!(fabs((double)got[i] - want[i]) <= bound))
            fail_msg("product %d, [%lld, %lld], %lld rows, compute %d, result %d, layout %d, "
                     "accumulate %d: element %lld is %.9g, expected %.9g",
                     kind, (long long)f->config.n_in, (long long)f->config.n_out,
                     (long long)f->n_rows, f->config.compute, dtype, f->config.layout, accumulate,
                     (long long)i, (double)got[i], want[i]);
    }
    free_floats(start, count);
    free_floats(got, count);
    free(want);
    free(norm);
}

static void check_products(pkm_dense_config config, int64_t n_rows, bool integers)
{
    fixture f;

    setup(&f, config, n_rows, integers);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        for (pkm_dtype dtype = PKM_F32; dtype <= config.compute; dtype++) {
            if (!accumulate)
                compare(&f, FORWARD, dtype, false, integers);
            compare(&f, BACKWARD_INPUT, dtype, accumulate, integers);
        }
        compare(&f, BACKWARD_WEIGHT, PKM_F32, accumulate, integers);
    }
    teardown(&f);
}

static void test_products(void **state)
{
    static const int64_t rows[] = {0, 1, 2, 3, 4, 5, 63, 64, 65, 300};
    static const int64_t sides[][2] = {{32, 48}, {1, 1}, {7, 3}, {65, 33}};

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (size_t s = 0; s < sizeof sides / sizeof sides[0]; s++)
            for (int variant = 0; variant < 8; variant++)
                check_products((pkm_dense_config){.n_in = sides[s][0],
                                                  .n_out = sides[s][1],
                                                  .layout = variant & 1,
                                                  .compute = variant & 2 ? PKM_BF16 : PKM_F32,
                                                  .backward = true,
                                                  .max_rows = MAX_ROWS},
                               rows[r], variant & 4);
}

/* dbias: column sums of dy, written and added to, whatever is done with dweight. */
static void test_bias_gradient(void **state)
{
    fixture f;
    pkm_dense_config config = {.n_in = 8,
                               .n_out = 33,
                               .layout = PKM_WEIGHT_IN_OUT,
                               .compute = PKM_BF16,
                               .backward = true,
                               .max_rows = MAX_ROWS};
    float dweight[8 * 33], dbias[33], want[33] = {0};
    pkm_dense_grads grads = {.weight = dweight, .bias = dbias};

    (void)state;
    setup(&f, config, MAX_ROWS, true);
    for (int64_t r = 0; r < MAX_ROWS; r++)
        for (int64_t o = 0; o < 33; o++)
            want[o] += f.dy[r * 33 + o];
    memset(dweight, 0, sizeof dweight);
    for (int pass = 0; pass < 4; pass++) {
        grads.add_weight = pass % 2 == 0;
        grads.add_bias = pass % 3 > 0; /* all four pairs; what is not added to starts afresh */
        check_ok(pkm_dense_backward_weight(f.dense, &grads, f.x_in, f.dy_in, MAX_ROWS));
        for (int64_t o = 0; o < 33; o++)
            assert_true(dbias[o] == (float)(pass % 3 + 1) * want[o]);
    }
    teardown(&f);
}

/* Results of all products, one after the other, for `threads` threads. */
static void run_all(fixture *f, int threads, float *out)
{
    int64_t weights = f->config.n_in * f->config.n_out;
    float *dx = out + f->n_rows * f->config.n_out, *dweight = dx + f->n_rows * f->config.n_in;
    pkm_dense_grads grads = {.weight = dweight, .bias = dweight + weights};

    check_ok(pkm_threads_set(threads));
    check_ok(pkm_dense_forward(f->dense, out, PKM_F32, f->x_in,
                               &(pkm_dense_finish){.bias = f->bias}, f->n_rows));
    check_ok(pkm_dense_backward_input(f->dense, dx, PKM_F32, f->dy_in, f->n_rows, false));
    check_ok(pkm_dense_backward_weight(f->dense, &grads, f->x_in, f->dy_in, f->n_rows));
    check_ok(pkm_threads_set(0));
}

static void test_threads_do_not_change_bits(void **state)
{
    static const int threads[] = {2, 3, 4, 7};
    static const int64_t rows[] = {3, 1000};

    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        fixture f;
        pkm_dense_config config = {.n_in = 96,
                                   .n_out = 160,
                                   .layout = variant & 1,
                                   .compute = variant & 2 ? PKM_BF16 : PKM_F32,
                                   .backward = true,
                                   .max_rows = 1000};
        int64_t n_rows = rows[variant / 4];
        size_t count = (size_t)(n_rows * (96 + 160) + 96 * 160 + 160);
        float *one = calloc(count, sizeof *one), *many = calloc(count, sizeof *many);

        setup(&f, config, n_rows, false);
        run_all(&f, 1, one);
        for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
            run_all(&f, threads[t], many);
            assert_memory_equal(many, one, count * sizeof *one);
        }
        teardown(&f);
        free(one);
        free(many);
    }
}

/* Rows in one call, and in two cut at a multiple of PKM_DENSE_BLOCK_ROWS: the same bits. */
static void test_cut_rows(void **state)
{
    enum { IN = 96, OUT = 64, CUT = PKM_DENSE_BLOCK_ROWS };

    (void)state;
    for (int64_t rest = 1; rest <= 20; rest++) {
        fixture f;
        pkm_dense_config config = {
            .n_in = IN, .n_out = OUT, .compute = PKM_BF16, .backward = true, .max_rows = CUT + 20};
        float whole[(CUT + 20) * OUT], cut[(CUT + 20) * OUT];
        const uint16_t *x;
        pkm_dense_finish finish = {0};

        setup(&f, config, CUT + rest, false);
        x = f.x_in;
        finish.bias = f.bias;
        check_ok(pkm_dense_forward(f.dense, whole, PKM_F32, x, &finish, CUT + rest));
        check_ok(pkm_dense_forward(f.dense, cut, PKM_F32, x, &finish, CUT));
        check_ok(pkm_dense_forward(f.dense, cut + CUT * OUT, PKM_F32, x + CUT * IN, &finish, rest));
        assert_memory_equal(whole, cut, (size_t)((CUT + rest) * OUT) * sizeof(float));
        teardown(&f);
    }
}

/* A finished product is a plain one, and then the residual added, the same bits, and gelu taken,
 * which the reference does in double. */
static void check_finish(pkm_dense_config config, int64_t n_rows, pkm_dtype y_dtype)
{
    fixture f;
    int64_t count = n_rows * config.n_out, bytes = count * (int64_t)pkm_dtype_bytes(y_dtype);
    float *residual = new_floats(count), *want = new_floats(count), *got = new_floats(count);
    void *y = guard_alloc(bytes), *plain = guard_alloc(bytes), *gelu = guard_alloc(bytes);
    pkm_dense_finish finish = {.gelu = gelu};

    setup(&f, config, n_rows, true);
    fill_integers(residual, count, 6, -4, 4);
    finish.bias = f.bias;
    finish.residual = y_dtype == PKM_F32 ? residual : NULL;
    check_ok(pkm_dense_forward(f.dense, y, y_dtype, f.x_in, &finish, n_rows));
    check_ok(pkm_dense_forward(f.dense, plain, y_dtype, f.x_in, &(pkm_dense_finish){.bias = f.bias},
                               n_rows));
    to_floats(want, plain, count, y_dtype);
    to_floats(got, y, count, y_dtype);
    for (int64_t i = 0; i < count; i++)
        assert_true(got[i] == want[i] + (finish.residual == NULL ? 0 : residual[i]));
    pkm_kernels_get()->gelu(want, got, count);
    to_floats(got, gelu, count, y_dtype);
    for (int64_t i = 0; i < count; i++)
        assert_true(fabsf(got[i] - want[i]) <=
                    (y_dtype == PKM_F32 ? 1e-6f : 0x1p-8f) * (1 + fabsf(want[i])));
    teardown(&f);
    free_floats(residual, count);
    free_floats(want, count);
    free_floats(got, count);
    guard_free(y, (size_t)bytes);
    guard_free(gelu, (size_t)bytes);
}

static void test_finish(void **state)
{
    static const int64_t rows[] = {3, 130, 300};

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (pkm_dtype compute = PKM_F32; compute <= PKM_BF16; compute++)
            for (pkm_dtype y_dtype = PKM_F32; y_dtype <= compute; y_dtype++)
                check_finish(
                    (pkm_dense_config){
                        .n_in = 33, .n_out = 70, .compute = compute, .max_rows = MAX_ROWS},
                    rows[r], y_dtype);
}

static void test_errors(void **state)
{
    pkm_dense_config config = {.n_in = 4, .n_out = 4, .compute = PKM_F32, .max_rows = FEW};
    pkm_dense *dense = NULL;
    float y[4 * (FEW + 1)], x[4 * (FEW + 1)] = {0}, weight[16] = {0};

    (void)state;
    check_ok(pkm_dense_create(&dense, &config));
    pkm_dense_pack(dense, weight);
    check_fails(pkm_dense_forward(dense, y, PKM_F32, x, NULL, FEW + 1), PKM_ERR_SHAPE, "6 rows",
                "at most 5", NULL);
    check_fails(pkm_dense_forward(dense, y, PKM_BF16, x, NULL, 1), PKM_ERR_ARG, "result", NULL);
    pkm_dense_destroy(dense);
    dense = NULL;
    config.n_out = 0;
    check_fails(pkm_dense_create(&dense, &config), PKM_ERR_SHAPE, "[4, 0]", NULL);
    config.n_in = config.n_out = (int64_t)1 << 31;
    check_fails(pkm_dense_create(&dense, &config), PKM_ERR_SHAPE, "too large", NULL);
    config.n_in = config.n_out = 4;
    config.compute = PKM_U8;
    check_fails(pkm_dense_create(&dense, &config), PKM_ERR_ARG, "dtype 4", NULL);
    assert_null(dense);
    pkm_dense_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_bias_gradient),
        cmocka_unit_test(test_threads_do_not_change_bits),
        cmocka_unit_test(test_cut_rows),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
