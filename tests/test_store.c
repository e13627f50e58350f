/* SPDX-License-Identifier: Apache-2.0 */
/* The value store against a plain implementation in double precision. */
#include "memory/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/threads.h"
#include "support/check.h"

enum { SLOTS = 5000, WIDTH = 20, ROWS = 40, MAX_HITS = 9, COUNT = SLOTS * WIDTH };

/* One bag: `hits` random slots per row, the first two of a row equal, few slots so that many rows
 * share them. */
typedef struct bag {
    int64_t hits;
    int32_t ids[ROWS * MAX_HITS];
    float weights[ROWS * MAX_HITS], upstream[ROWS * WIDTH];
} bag;

static void fill_bag(bag *out, int64_t hits, uint64_t seed)
{
    pkm_rng rng = {.seed = seed};

    out->hits = hits;
    for (int64_t i = 0; i < ROWS * hits; i++) {
        out->ids[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % 60) * 83;
        if (i % hits == 1)
            out->ids[i] = out->ids[i - 1];
    }
    fill_normal(out->weights, ROWS * hits, seed + 1);
    fill_normal(out->upstream, ROWS * WIDTH, seed + 2);
}

/* The twin: dense gradients, a loop over all rows, moments of those hit. */
typedef struct twin_store {
    double values[COUNT], m[COUNT], v[COUNT], gradient[COUNT];
    bool hit[SLOTS];
} twin_store;

static void twin_record(twin_store *t, const bag *b)
{
    for (int64_t i = 0; i < ROWS * b->hits; i++) {
        t->hit[b->ids[i]] = true;
        for (int d = 0; d < WIDTH; d++)
            t->gradient[b->ids[i] * WIDTH + d] +=
                (double)b->weights[i] * (double)b->upstream[i / b->hits * WIDTH + d];
    }
}

static void twin_step_row(twin_store *t, pkm_value_optimizer optimizer, int row, int step,
                          double lr, double scale)
{
    double *value = t->values + row * WIDTH, *m = t->m + row * WIDTH, *v = t->v + row * WIDTH;
    double *g = t->gradient + row * WIDTH, mean_square = 0;

    for (int d = 0; d < WIDTH; d++) {
        g[d] *= scale;
        mean_square += g[d] * g[d] / WIDTH;
    }
    if (optimizer == PKM_VALUES_ADAGRAD)
        v[0] += mean_square;
    else if (optimizer == PKM_VALUES_ADAM_ROW)
        v[0] += 0.001 * (mean_square - v[0]);
    for (int d = 0; d < WIDTH; d++) {
        if (optimizer == PKM_VALUES_ADAM) {
            m[d] = 0.9 * m[d] + 0.1 * g[d];
            v[d] = 0.999 * v[d] + 0.001 * g[d] * g[d];
            value[d] -=
                lr * sqrt(1 - pow(0.999, step)) / (1 - pow(0.9, step)) * m[d] / (sqrt(v[d]) + 1e-8);
        } else if (optimizer == PKM_VALUES_ADAM_ROW) {
            m[d] = 0.9 * m[d] + 0.1 * g[d];
            value[d] -=
                lr * sqrt(1 - pow(0.999, step)) / (1 - pow(0.9, step)) * m[d] / (sqrt(v[0]) + 1e-8);
        } else if (optimizer == PKM_VALUES_ADAGRAD) {
            value[d] -= lr * g[d] / (sqrt(v[0]) + 1e-10);
        } else {
            value[d] -= lr * g[d];
        }
        g[d] = 0;
    }
}

static void twin_step(twin_store *t, pkm_value_optimizer optimizer, int step, double lr,
                      double scale)
{
    for (int row = 0; row < SLOTS; row++)
        if (t->hit[row])
            twin_step_row(t, optimizer, row, step, lr, scale);
    memset(t->hit, 0, sizeof t->hit);
}

static pkm_store *make_store(pkm_value_optimizer optimizer, pkm_dtype dtype, const char *map_path)
{
    pkm_store_config config = {.slots = SLOTS,
                               .value_dim = WIDTH,
                               .dtype = dtype,
                               .optimizer = optimizer,
                               .train = true,
                               .map_path = map_path,
                               .seed = 9};
    pkm_store *store = NULL;

    check_ok(pkm_store_create(&store, &config));
    check_ok(pkm_store_reserve(store, 3 * ROWS, MAX_HITS));
    pkm_store_init(store, 3);
    return store;
}

static const void *values_of(pkm_store *store)
{
    const void *base;
    const int32_t *local;

    check_ok(pkm_store_prepare(store, &base, &local, NULL, 0));
    return base;
}

static void record(pkm_store *store, const bag *b)
{
    float dweights[ROWS * MAX_HITS];

    check_ok(pkm_store_backward(store, dweights, b->ids, b->weights, b->upstream, ROWS, b->hits));
}

/* Three steps of one to three bags of different widths (two layers, micro-batches). */
static void run_steps(pkm_store *store, twin_store *twin, pkm_value_optimizer optimizer)
{
    bag b;

    for (int step = 1; step <= 3; step++) {
        double want = 0, norm;
        float scale = step == 2 ? 0.25f : 1;

        for (int i = 0; i < step; i++) {
            fill_bag(&b, i % 2 == 0 ? MAX_HITS : 3, (uint64_t)(10 * step + 100 * i));
            record(store, &b);
            if (twin != NULL)
                twin_record(twin, &b);
        }
        if (twin != NULL) {
            for (int i = 0; i < COUNT; i++)
                want += twin->gradient[i] * twin->gradient[i];
            check_ok(pkm_store_grad_norm(store, &norm));
            assert_true(fabs(norm - sqrt(want)) <= 1e-5 * sqrt(want));
            twin_step(twin, optimizer, step, 0.1, (double)scale);
        }
        check_ok(pkm_store_step(store, step, 0.1f, scale));
    }
}

static void test_optimizers(void **state)
{
    twin_store *twin = malloc(sizeof *twin);
    float *want = malloc(COUNT * sizeof *want), *before = malloc(COUNT * sizeof *before);

    (void)state;
    for (int optimizer = PKM_VALUES_ADAM; optimizer <= PKM_VALUES_ADAM_ROW; optimizer++) {
        pkm_store *store = make_store((pkm_value_optimizer)optimizer, PKM_F32, NULL);
        /* Steps of up to 0.3, two of them by a mean rounded to bf16. */
        float tolerance = optimizer == PKM_VALUES_ADAM_ROW ? 4e-3f : 1e-5f;

        memset(twin, 0, sizeof *twin);
        memcpy(before, values_of(store), COUNT * sizeof *before);
        for (int i = 0; i < COUNT; i++)
            twin->values[i] = (double)before[i];
        run_steps(store, twin, (pkm_value_optimizer)optimizer);
        for (int i = 0; i < COUNT; i++)
            want[i] = (float)twin->values[i];
        check_close(values_of(store), want, COUNT, tolerance, 1e-5, "values");
        /* Hits are multiples of 83: all other rows keep their bits. */
        for (int row = 0; row < SLOTS; row++)
            if (row % 83 != 0)
                assert_memory_equal((const float *)values_of(store) + row * WIDTH,
                                    before + row * WIDTH, WIDTH * sizeof(float));
        pkm_store_destroy(store);
    }
    free(twin);
    free(want);
    free(before);
}

static void test_gate_dots(void **state)
{
    pkm_store *store = make_store(PKM_VALUES_SGD, PKM_F32, NULL);
    const float *values = values_of(store);
    float got[ROWS * MAX_HITS], want[ROWS * MAX_HITS];
    bag b;

    (void)state;
    fill_bag(&b, MAX_HITS, 1);
    for (int64_t i = 0; i < ROWS * b.hits; i++) {
        double dot = 0;

        for (int d = 0; d < WIDTH; d++)
            dot +=
                (double)values[b.ids[i] * WIDTH + d] * (double)b.upstream[i / b.hits * WIDTH + d];
        want[i] = (float)dot;
    }
    record(store, &b); /* the second bag's dots are those of its own rows */
    check_ok(pkm_store_backward(store, got, b.ids, b.weights, b.upstream, ROWS, b.hits));
    check_close(got, want, ROWS * b.hits, 1e-5, 1e-5, "gate dots");
    pkm_store_destroy(store);
}

static void check_same_bits(pkm_store *a, pkm_store *b, pkm_dtype dtype)
{
    pkm_store_moment left[2], right[2];
    int n = pkm_store_moments(a, left);

    assert_memory_equal(values_of(a), values_of(b), COUNT * pkm_dtype_bytes(dtype));
    assert_int_equal(pkm_store_moments(b, right), n);
    for (int i = 0; i < n; i++)
        assert_memory_equal(left[i].data, right[i].data,
                            SLOTS * (left[i].n_dims == 1 ? 1 : WIDTH) *
                                pkm_dtype_bytes(left[i].dtype));
}

static void test_any_threads(void **state)
{
    static const int threads[] = {2, 3, 7};

    (void)state;
    for (int dtype = PKM_F32; dtype <= PKM_BF16; dtype++)
        for (int optimizer = PKM_VALUES_ADAM; optimizer <= PKM_VALUES_ADAM_ROW; optimizer++) {
            pkm_store *one;

            check_ok(pkm_threads_set(1));
            one = make_store((pkm_value_optimizer)optimizer, (pkm_dtype)dtype, NULL);
            run_steps(one, NULL, (pkm_value_optimizer)optimizer);
            for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
                pkm_store *more;

                check_ok(pkm_threads_set(threads[t]));
                more = make_store((pkm_value_optimizer)optimizer, (pkm_dtype)dtype, NULL);
                run_steps(more, NULL, (pkm_value_optimizer)optimizer);
                check_same_bits(one, more, (pkm_dtype)dtype);
                pkm_store_destroy(more);
            }
            pkm_store_destroy(one);
        }
    check_ok(pkm_threads_set(0));
}

static void test_mapped(void **state)
{
    pkm_store *plain = make_store(PKM_VALUES_ADAM, PKM_F32, NULL), *mapped;
    pkm_store_config config = {.slots = SLOTS, .value_dim = WIDTH, .map_path = "/no/such/folder/x"};
    char *folder = temp_create(), *path = NULL;

    (void)state;
    check_ok(pkm_path_join(&path, folder, "values.scratch"));
    mapped = make_store(PKM_VALUES_ADAM, PKM_F32, path);
    assert_false(pkm_file_exists(path)); /* a scratch area, not a file to find */
    run_steps(plain, NULL, PKM_VALUES_ADAM);
    run_steps(mapped, NULL, PKM_VALUES_ADAM);
    check_same_bits(plain, mapped, PKM_F32);
    pkm_store_destroy(mapped);
    pkm_store_destroy(plain);
    check_fails(pkm_store_create(&plain, &config), PKM_ERR_IO, "/no/such/folder/x", NULL);
    check_ok(pkm_file_write(path, "mine", 4));
    config.map_path = path;
    check_fails(pkm_store_create(&plain, &config), PKM_ERR_IO, path, "exists", NULL);
    assert_true(pkm_file_exists(path));
    pkm_free(path);
    temp_remove(folder);
}

/* bf16 has steps of 1/128 below 1 and 1/64 above: a change of 1/1000 is lost by rounding to
 * nearest, and kept on average by stochastic rounding. */
static void test_stochastic_rounding(void **state)
{
    enum { STEPS = 10 };
    pkm_store_config config = {.slots = 1,
                               .value_dim = 8192,
                               .dtype = PKM_BF16,
                               .optimizer = PKM_VALUES_SGD,
                               .train = true};
    const int32_t id = 0;
    const float weight = 1;
    float *upstream = malloc(8192 * sizeof *upstream), dweight;
    pkm_store *store = NULL;
    uint16_t *values;
    double mean = 0;

    (void)state;
    check_ok(pkm_store_create(&store, &config));
    check_ok(pkm_store_reserve(store, 1, 1));
    values = (uint16_t *)values_of(store);
    for (int i = 0; i < 8192; i++) {
        values[i] = pkm_f32_to_bf16(1.5f);
        upstream[i] = 1;
    }
    for (int step = 1; step <= STEPS; step++) {
        check_ok(pkm_store_backward(store, &dweight, &id, &weight, upstream, 1, 1));
        check_ok(pkm_store_step(store, step, 1e-3f, 1));
    }
    for (int i = 0; i < 8192; i++)
        mean += (double)pkm_bf16_to_f32(values[i]) / 8192;
    assert_true(fabs(mean - (1.5 - STEPS * 1e-3)) < 5e-4);
    pkm_store_destroy(store);
    free(upstream);
}

static void test_initial_values(void **state)
{
    pkm_store *store = make_store(PKM_VALUES_SGD, PKM_F32, NULL);
    const float *values = values_of(store);
    double squares = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        squares += (double)values[i] * (double)values[i] / COUNT;
    assert_true(fabs(squares * WIDTH - 1) < 0.03);
    pkm_store_destroy(store);
}

/* The same row of values and moments differs in the middle bits of its address, however large the
 * table is. */
static void test_arrays_apart(void **state)
{
    enum { TABLE_BYTES = 1 << 20, PAGE = 4096 };
    pkm_store_config config = {.slots = 1024,
                               .value_dim = TABLE_BYTES / 1024 / sizeof(float),
                               .dtype = PKM_F32,
                               .optimizer = PKM_VALUES_ADAM,
                               .train = true};
    pkm_store_moment moments[2];
    pkm_store *store = NULL;

    (void)state;
    check_ok(pkm_store_create(&store, &config));
    assert_int_equal(pkm_store_moments(store, moments), 2);
    for (int i = 0; i < 2; i++) {
        const char *from = i == 0 ? values_of(store) : moments[0].data;
        size_t apart = (size_t)((const char *)moments[i].data - from);

        assert_int_equal(apart % PAGE, 0);
        assert_true(apart % TABLE_BYTES != 0);
    }
    pkm_store_destroy(store);
}

/* Each row hit once, or all hits on one row; a column of upstream is `size`. */
static void fill_large(bag *out, bool one_row, float size)
{
    *out = (bag){.hits = MAX_HITS};
    for (int i = 0; i < ROWS * MAX_HITS; i++) {
        out->ids[i] = one_row ? 7 : 13 * i;
        out->weights[i] = 1;
    }
    for (int row = 0; row < ROWS; row++)
        out->upstream[row * WIDTH + 3] = size;
}

/* A gradient that overflows, or whose square does, changes nothing; one that only seems to by its
 * bound is applied. */
static void test_overflow_changes_nothing(void **state)
{
    static float before[COUNT];
    bag b;

    (void)state;
    for (int optimizer = 0; optimizer <= PKM_VALUES_ADAM_ROW; optimizer++) {
        pkm_store *store = make_store((pkm_value_optimizer)optimizer, PKM_F32, NULL);
        pkm_store_moment moments[2];
        int n_moments = pkm_store_moments(store, moments);

        memcpy(before, values_of(store), sizeof before);
        fill_large(&b, true, 1e38f); /* the sum is no float */
        record(store, &b);
        check_fails(pkm_store_check(store, 1), PKM_ERR_NUMERIC, "'values' is not finite", NULL);
        check_fails(pkm_store_step(store, 1, 0.1f, 1), PKM_ERR_NUMERIC, "not finite", NULL);
        fill_large(&b, false, 1e19f); /* its square is none */
        record(store, &b);
        check_fails(pkm_store_step(store, 1, 0.1f, 1), PKM_ERR_NUMERIC, "exploded", NULL);
        assert_int_equal(pkm_store_touched(store), 0);
        assert_memory_equal(before, values_of(store), sizeof before);
        for (int m = 0; m < n_moments; m++)
            assert_true(((const float *)moments[m].data)[7] == 0);
        fill_large(&b, false, 3e16f); /* a bound of 1e19, a norm of 6e17 */
        record(store, &b);
        check_ok(pkm_store_step(store, 1, 0.1f, 1));
        assert_memory_not_equal(before, values_of(store), sizeof before);
        pkm_store_destroy(store);
    }
}

static void test_refusals(void **state)
{
    pkm_store *store = make_store(PKM_VALUES_ADAM, PKM_F32, NULL), *fixed = NULL;
    pkm_store_config config = {.slots = 4, .value_dim = 2};
    float dweights[ROWS * MAX_HITS];
    double norm;
    bag b;

    (void)state;
    fill_bag(&b, 3, 1);
    for (int i = 0; i < 3; i++)
        record(store, &b);
    check_fails(pkm_store_backward(store, dweights, b.ids, b.weights, b.upstream, 1, 3),
                PKM_ERR_STATE, "room for 120 rows of 9 hits", NULL);
    check_fails(pkm_store_reserve(store, 1000, 3), PKM_ERR_STATE, "wait for a step", NULL);
    pkm_store_discard(store);
    check_ok(pkm_store_grad_norm(store, &norm));
    assert_true(norm == 0);
    check_ok(pkm_store_reserve(store, 1000, 3));
    check_fails(pkm_store_backward(store, dweights, b.ids, b.weights, b.upstream, 1, 10),
                PKM_ERR_STATE, "10 hits", NULL);
    check_fails(pkm_store_step(store, 0, 0.1f, 1), PKM_ERR_ARG, "t is 0", NULL);
    check_fails(pkm_store_step(store, 1, -1, 1), PKM_ERR_ARG, "lr is -1", NULL);
    check_fails(pkm_store_step(store, 1, 1, NAN), PKM_ERR_ARG, "scale", NULL);
    b.upstream[WIDTH + 3] = NAN;
    check_fails(pkm_store_backward(store, dweights, b.ids, b.weights, b.upstream, ROWS, 3),
                PKM_ERR_NUMERIC, "values", NULL);
    check_ok(pkm_store_step(store, 1, 0.1f, 1)); /* nothing was recorded */
    pkm_store_destroy(store);

    check_ok(pkm_store_create(&fixed, &config));
    check_fails(pkm_store_reserve(fixed, 1, 1), PKM_ERR_STATE, "without training", NULL);
    check_fails(pkm_store_step(fixed, 1, 0.1f, 1), PKM_ERR_STATE, "without training", NULL);
    check_fails(pkm_store_grad_norm(fixed, &norm), PKM_ERR_STATE, "without training", NULL);
    pkm_store_destroy(fixed);
    config.slots = 0;
    check_fails(pkm_store_create(&fixed, &config), PKM_ERR_ARG, "slots is 0", NULL);
    config.slots = 4;
    config.value_dim = -1;
    check_fails(pkm_store_create(&fixed, &config), PKM_ERR_ARG, "value_dim is -1", NULL);
    config.value_dim = 2;
    config.dtype = PKM_U8;
    check_fails(pkm_store_create(&fixed, &config), PKM_ERR_ARG, "dtype is 4", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_gate_dots),
        cmocka_unit_test(test_any_threads),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_stochastic_rounding),
        cmocka_unit_test(test_initial_values),
        cmocka_unit_test(test_arrays_apart),
        cmocka_unit_test(test_overflow_changes_nothing),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
