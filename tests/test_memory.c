/* SPDX-License-Identifier: Apache-2.0 */
/* The layer that stands alone: errors, failing allocations, threads, shared stores, files. Its
 * mathematics: test_memory_layer.c. */
#include "pkm/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/threads.h"
#include "memory/store.h"
#include "support/check.h"

enum { DIM = 20, TOKENS = 150, COUNT = DIM * TOKENS };

static const pkm_memory_config base_config = {
    .dim = DIM,
    .heads = 3,
    .n_keys = 24,
    .key_dim = 10,
    .topk = 7,
    .value_dim = 18,
    .query_norm = PKM_NORM_BATCH,
    .gate = PKM_GATE_SOFTMAX,
    .output_gate = PKM_OUTPUT_GATE_SWILU,
};

static pkm_memory_options base_options(void)
{
    pkm_memory_options options;

    pkm_memory_options_init(&options);
    options.max_tokens = TOKENS;
    options.seed = 5;
    return options;
}

static pkm_memory *make(const pkm_memory_config *config, const pkm_memory_options *options,
                        pkm_store *store)
{
    pkm_memory *memory = NULL;

    check_ok(pkm_memory_create(&memory, config, options, store));
    return memory;
}

/* One training step towards 0 on inputs of this seed; every fourth token is padding. */
static void train_step(pkm_memory *memory, uint64_t seed)
{
    float *x = malloc(COUNT * sizeof *x), *y = malloc(COUNT * sizeof *y);
    unsigned char mask[TOKENS];

    for (int i = 0; i < TOKENS; i++)
        mask[i] = i % 4 != 3;
    fill_normal(x, COUNT, seed);
    check_ok(pkm_memory_forward(memory, y, x, TOKENS, mask, true));
    check_ok(pkm_memory_backward(memory, x, y));
    check_ok(pkm_memory_step(memory));
    free(x);
    free(y);
}

static size_t tensor_bytes(const pkm_memory_tensor *tensor)
{
    size_t bytes = pkm_dtype_bytes(tensor->dtype);

    for (int d = 0; d < tensor->n_dims; d++)
        bytes *= (size_t)tensor->dims[d];
    return bytes;
}

static void check_same_tensors(const pkm_memory *a, const pkm_memory *b)
{
    assert_int_equal(pkm_memory_tensor_count(a), pkm_memory_tensor_count(b));
    for (int i = 0; i < pkm_memory_tensor_count(a); i++) {
        pkm_memory_tensor left, right;

        check_ok(pkm_memory_tensor_at(a, &left, i));
        check_ok(pkm_memory_tensor_at(b, &right, i));
        assert_string_equal(left.name, right.name);
        if (memcmp(left.data, right.data, tensor_bytes(&left)) != 0)
            fail_msg("tensor '%s' has other bits", left.name);
    }
}

/* Keys and what makes queries go by key_lr, projections by lr: with one of them 0, its side stays.
 */
static void test_learning_rates(void **state)
{
    (void)state;
    for (int keys_stay = 0; keys_stay < 2; keys_stay++) {
        pkm_memory_options options = base_options();
        pkm_memory *fresh = make(&base_config, &options, NULL), *trained;

        *(keys_stay ? &options.key_lr : &options.lr) = 0;
        trained = make(&base_config, &options, NULL);
        train_step(trained, 1);
        for (int i = 0; i < pkm_memory_tensor_count(fresh); i++) {
            pkm_memory_tensor was, is;
            bool search, same;

            check_ok(pkm_memory_tensor_at(fresh, &was, i));
            check_ok(pkm_memory_tensor_at(trained, &is, i));
            if (strcmp(was.name, "values") == 0 || strstr(was.name, "running") != NULL)
                continue;
            search = strcmp(was.name, "keys") == 0 || strncmp(was.name, "query", 5) == 0;
            same = memcmp(was.data, is.data, tensor_bytes(&was)) == 0;
            if (same != (search == (keys_stay == 1)))
                fail_msg("tensor '%s' %s", was.name, same ? "stays" : "changes");
        }
        pkm_memory_destroy(fresh);
        pkm_memory_destroy(trained);
    }
}

static void test_any_threads(void **state)
{
    static const int threads[] = {2, 3, 4, 7};

    (void)state;
    for (int precision = PKM_F32; precision <= PKM_BF16; precision++) {
        pkm_memory_options options = base_options();
        pkm_memory *one;

        options.precision = options.value_dtype = (pkm_dtype)precision;
        options.value_clip = options.clip = 0.5;
        check_ok(pkm_threads_set(1));
        one = make(&base_config, &options, NULL);
        for (uint64_t step = 0; step < 3; step++)
            train_step(one, step);
        for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
            pkm_memory *more = make(&base_config, &options, NULL);

            check_ok(pkm_threads_set(threads[t])); /* more than it was made with */
            for (uint64_t step = 0; step < 3; step++)
                train_step(more, step);
            check_same_tensors(one, more);
            pkm_memory_destroy(more);
            check_ok(pkm_threads_set(1));
        }
        pkm_memory_destroy(one);
    }
    check_ok(pkm_threads_set(0));
}

/* 2 steps, save, load elsewhere, 2 steps: the bits of 4 steps. */
static void test_save_and_load(void **state)
{
    char *folder = temp_create(), *path = NULL;

    (void)state;
    check_ok(pkm_path_join(&path, folder, "layer.safetensors"));
    for (int optimizer = PKM_VALUES_ADAM; optimizer <= PKM_VALUES_ADAM_ROW; optimizer++) {
        pkm_memory_options options = base_options();
        pkm_memory *whole, *first, *second;

        options.value_optimizer = (pkm_value_optimizer)optimizer;
        options.value_dtype = optimizer == PKM_VALUES_ADAM ? PKM_BF16 : PKM_F32;
        whole = make(&base_config, &options, NULL);
        first = make(&base_config, &options, NULL);
        for (uint64_t step = 0; step < 4; step++)
            train_step(whole, step);
        for (uint64_t step = 0; step < 2; step++)
            train_step(first, step);
        check_ok(pkm_memory_save(first, path));
        second = make(&base_config, &options, NULL);
        train_step(second, 77);
        check_ok(pkm_memory_load(second, path));
        for (uint64_t step = 2; step < 4; step++)
            train_step(second, step);
        check_same_tensors(whole, second);
        pkm_memory_destroy(whole);
        pkm_memory_destroy(first);
        pkm_memory_destroy(second);
    }
    pkm_free(path);
    temp_remove(folder);
}

static void test_load_refuses(void **state)
{
    char *folder = temp_create(), *path = NULL;
    pkm_memory_options options = base_options();
    pkm_memory_config config = base_config;
    pkm_memory *memory, *other;

    (void)state;
    options.train = false;
    memory = make(&base_config, &options, NULL);
    check_ok(pkm_path_join(&path, folder, "layer.safetensors"));
    check_fails(pkm_memory_load(memory, path), PKM_ERR_IO, path, NULL);
    check_ok(pkm_memory_save(memory, path));
    check_ok(pkm_memory_load(memory, path));
    config.topk = 8;
    other = make(&config, &options, NULL);
    check_fails(pkm_memory_load(other, path), PKM_ERR_FORMAT, path, "topk 7", "topk 8", NULL);
    pkm_memory_destroy(other);
    options.train = true; /* the file holds no moments */
    other = make(&base_config, &options, NULL);
    check_fails(pkm_memory_load(other, path), PKM_ERR_FORMAT, path, "exp_avg", NULL);
    pkm_memory_destroy(other);
    pkm_memory_destroy(memory);
    pkm_free(path);
    temp_remove(folder);
}

/* Two layers of different heads and topk over one store: its gradient is the sum of theirs. */
static void test_shared_store(void **state)
{
    pkm_store_config table = {
        .slots = 24 * 24, .value_dim = DIM, .optimizer = PKM_VALUES_SGD, .train = true};
    pkm_memory_config config[2] = {base_config, base_config};
    pkm_memory_options options = base_options();
    float *x = malloc(COUNT * sizeof *x), *dy = malloc(COUNT * sizeof *dy);
    float *y = malloc(COUNT * sizeof *y), *want = calloc(24 * 24 * DIM, sizeof *want);
    float *got = malloc(24 * 24 * DIM * sizeof *got);
    pkm_store *store = NULL;
    pkm_memory *layers[2];

    (void)state;
    options.value_optimizer = PKM_VALUES_SGD;
    options.value_lr = 1;
    fill_normal(x, COUNT, 1);
    fill_normal(dy, COUNT, 2);
    for (int i = 0; i < 2; i++) {
        config[i].output_gate = PKM_OUTPUT_GATE_NONE;
        config[i].value_dim = 0;
    }
    config[1].heads = 1;
    config[1].topk = 24;
    config[1].query_norm = PKM_NORM_LAYER;
    for (int i = 0; i < 2; i++) { /* alone: each its own copy of the same initial values */
        pkm_memory *alone = make(&config[i], &options, NULL);
        pkm_memory_tensor values;

        check_ok(pkm_memory_tensor_find(alone, &values, "values"));
        for (int k = 0; k < 24 * 24 * DIM; k++)
            want[k] += ((const float *)values.data)[k];
        check_ok(pkm_memory_forward(alone, y, x, TOKENS, NULL, true));
        check_ok(pkm_memory_backward(alone, NULL, dy));
        check_ok(pkm_memory_step(alone));
        for (int k = 0; k < 24 * 24 * DIM; k++)
            want[k] -= ((const float *)values.data)[k];
        pkm_memory_destroy(alone);
    }
    check_ok(pkm_store_create(&store, &table));
    for (int i = 0; i < 2; i++)
        layers[i] = make(&config[i], &options, store);
    pkm_store_init(store, options.seed);
    for (int i = 0; i < 2; i++)
        check_ok(pkm_memory_forward(layers[i], y, x, TOKENS, NULL, true));
    for (int i = 1; i >= 0; i--) {
        pkm_memory_tensor values;

        check_ok(pkm_memory_backward(layers[i], NULL, dy));
        check_ok(pkm_memory_step(layers[i])); /* leaves the store alone */
        check_ok(pkm_memory_tensor_find(layers[i], &values, "values"));
        memcpy(got, values.data, 24 * 24 * DIM * sizeof *got);
    }
    check_ok(pkm_store_step(store, 1, 1, 1));
    for (int k = 0; k < 24 * 24 * DIM; k++) {
        pkm_memory_tensor values;

        check_ok(pkm_memory_tensor_find(layers[0], &values, "values"));
        got[k] -= ((const float *)values.data)[k];
    }
    check_close(got, want, 24 * 24 * DIM, 1e-4, 1e-4, "shared gradient");
    for (int i = 0; i < 2; i++)
        pkm_memory_destroy(layers[i]);
    pkm_store_destroy(store);
    free(x);
    free(y);
    free(dy);
    free(got);
    free(want);
}

static void test_store_must_fit(void **state)
{
    pkm_store_config table = {.slots = 24 * 24, .value_dim = 18, .train = false};
    pkm_memory_options options = base_options();
    pkm_memory_config config = base_config;
    pkm_memory *memory = NULL;
    pkm_store *store = NULL;

    (void)state;
    check_ok(pkm_store_create(&store, &table));
    check_fails(pkm_memory_create(&memory, &config, &options, store), PKM_ERR_SHAPE, "train", NULL);
    options.train = false;
    config.value_dim = 17;
    check_fails(pkm_memory_create(&memory, &config, &options, store), PKM_ERR_SHAPE,
                "value_dim is 18: expected 17", NULL);
    config = base_config;
    config.n_keys = 23;
    check_fails(pkm_memory_create(&memory, &config, &options, store), PKM_ERR_SHAPE, "576 slots",
                "529", NULL);
    assert_null(memory);
    pkm_store_destroy(store);
}

typedef struct mistake {
    pkm_memory_config config;
    const char *field;
} mistake;

static void test_config_mistakes(void **state)
{
    const mistake mistakes[] = {
        {{0, 1, 4, 4, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "dim is 0"},
        {{-3, 1, 4, 4, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "dim is -3"},
        {{8, 0, 4, 4, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "heads is 0"},
        {{8, 1, 0, 4, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "n_keys is 0"},
        {{8, 1, 46341, 4, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE,
          PKM_KEYS_PRODUCT},
         "n_keys is 46341"},
        {{8, 1, 4, 0, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "key_dim is 0"},
        {{8, 1, 4, 5, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "key_dim is 5: expected an even number"},
        {{8, 1, 4, 4, 0, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "topk is 0"},
        {{8, 1, 4, 4, 5, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "topk is 5: expected 1 to 4"},
        {{8, 1, 4, 4, 2, -1, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "value_dim is -1"},
        {{8, 1 << 20, 4, 1 << 20, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE,
          PKM_KEYS_PRODUCT},
         "heads * key_dim"},
        {{8, 1, 4, 4, 2, 0, (pkm_query_norm)7, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE,
          PKM_KEYS_PRODUCT},
         "query_norm is 7"},
        {{8, 1, 4, 4, 2, 0, PKM_NORM_NONE, (pkm_gate)3, PKM_OUTPUT_GATE_NONE, PKM_KEYS_PRODUCT},
         "gate is 3"},
        {{8, 1, 4, 4, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, (pkm_output_gate)2, PKM_KEYS_PRODUCT},
         "output_gate is 2"},
        {{8, 1, 4, 4, 2, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, (pkm_key_kind)2},
         "key_kind is 2"},
        {{8, 1, 4, 4, 17, 0, PKM_NORM_NONE, PKM_GATE_RAW, PKM_OUTPUT_GATE_NONE, PKM_KEYS_FLAT},
         "topk is 17: expected 1 to 16"},
    };
    pkm_memory_options options = base_options();
    pkm_memory *memory = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++)
        check_fails(pkm_memory_create(&memory, &mistakes[i].config, &options, NULL), PKM_ERR_ARG,
                    mistakes[i].field, NULL);
    assert_null(memory);
}

static void refuse(pkm_memory_options options, const char *field)
{
    pkm_memory *memory = NULL;

    check_fails(pkm_memory_create(&memory, &base_config, &options, NULL), PKM_ERR_ARG, field, NULL);
}

static void test_option_mistakes(void **state)
{
    pkm_memory_options options = base_options();

    (void)state;
    options.max_tokens = 0;
    refuse(options, "max_tokens is 0");
    options = base_options();
    options.grad_accum = -2;
    refuse(options, "grad_accum is -2");
    options = base_options();
    options.precision = PKM_I32;
    refuse(options, "precision is 3");
    options = base_options();
    options.key_lr = -1;
    refuse(options, "key_lr is -1");
    options.key_lr = 0;
    options.lr = NAN;
    refuse(options, "lr is nan");
    options = base_options();
    options.value_lr = -0.5;
    refuse(options, "value_lr is -0.5");
    options = base_options();
    options.clip = INFINITY;
    refuse(options, "clip is inf");
    options = base_options();
    options.value_dtype = PKM_U8;
    refuse(options, "value_dtype is 4");
    options = base_options();
    options.value_optimizer = (pkm_value_optimizer)5;
    refuse(options, "value_optimizer is 5");
}

static void test_call_mistakes(void **state)
{
    pkm_memory_options options = base_options();
    pkm_memory *memory = make(&base_config, &options, NULL), *fixed;
    float x[DIM] = {0}, y[DIM];
    pkm_memory_tensor tensor;
    pkm_usage usage;

    (void)state;
    check_fails(pkm_memory_forward(memory, y, x, TOKENS + 1, NULL, true), PKM_ERR_ARG,
                "n_tokens is 151", NULL);
    check_fails(pkm_memory_forward(memory, y, x, -1, NULL, true), PKM_ERR_ARG, "n_tokens", NULL);
    check_fails(pkm_memory_backward(memory, x, y), PKM_ERR_STATE, "forward", NULL);
    check_ok(pkm_memory_forward(memory, y, x, 1, NULL, false));
    check_fails(pkm_memory_backward(memory, x, y), PKM_ERR_STATE, "training forward", NULL);
    check_fails(pkm_memory_step(memory), PKM_ERR_STATE, "backward", NULL);
    check_fails(pkm_memory_tensor_find(memory, &tensor, "kees"), PKM_ERR_ARG, "'kees'", NULL);
    check_fails(pkm_memory_tensor_at(memory, &tensor, 99), PKM_ERR_ARG, "99", NULL);
    check_fails(pkm_memory_tensor_write(memory, "query.bias", x, 3), PKM_ERR_SHAPE, "query.bias",
                "30", NULL);
    check_fails(pkm_memory_usage(memory, &usage, -1), PKM_ERR_STATE, "usage", NULL);
    pkm_memory_destroy(memory);
    options.train = false;
    fixed = make(&base_config, &options, NULL);
    check_fails(pkm_memory_forward(fixed, y, x, 1, NULL, true), PKM_ERR_STATE, "train", NULL);
    check_ok(pkm_memory_forward(fixed, y, x, 1, NULL, false));
    pkm_memory_destroy(fixed);
    pkm_memory_destroy(NULL);
}

/* Usage counts real rows while it runs, and only then. */
static void test_usage(void **state)
{
    pkm_memory_options options = base_options();
    pkm_memory *memory = make(&base_config, &options, NULL);
    const unsigned char mask[2] = {1, 0};
    float x[2 * DIM], y[2 * DIM];
    pkm_usage usage;

    (void)state;
    fill_normal(x, 2 * DIM, 3);
    check_ok(pkm_memory_usage_start(memory));
    check_ok(pkm_memory_forward(memory, y, x, 2, mask, false));
    pkm_memory_usage_stop(memory);
    check_ok(pkm_memory_forward(memory, y, x, 2, NULL, false));
    check_ok(pkm_memory_usage(memory, &usage, 1));
    assert_true(fabs(usage.used - 7.0 / 576) < 1e-12);
    assert_true(fabs(usage.top1_used - 1.0 / 576) < 1e-12);
    check_ok(pkm_memory_usage_start(memory));
    check_ok(pkm_memory_usage(memory, &usage, -1));
    assert_true(usage.used == 0);
    pkm_memory_destroy(memory);
}

static bool fail_at(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int *)user == 0;
}

/* The n-th allocation fails, n = 1, 2, ... until none does. */
static void test_failing_allocations(void **state)
{
    pkm_memory_options options = base_options();
    pkm_status status = PKM_ERR_NOMEM;
    pkm_memory *memory = NULL;
    int n = 0;

    (void)state;
    while (status != PKM_OK) {
        int left = ++n;

        pkm_alloc_set_hook(fail_at, &left);
        status = pkm_memory_create(&memory, &base_config, &options, NULL);
        pkm_alloc_set_hook(NULL, NULL);
        if (status != PKM_OK)
            check_fails(status, PKM_ERR_NOMEM, "out of memory", NULL);
        assert_true(status == PKM_OK || memory == NULL);
        assert_true(n < 1000);
    }
    assert_true(n > 10);
    train_step(memory, 1);
    pkm_memory_destroy(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learning_rates),      cmocka_unit_test(test_any_threads),
        cmocka_unit_test(test_save_and_load),       cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_shared_store),        cmocka_unit_test(test_store_must_fit),
        cmocka_unit_test(test_config_mistakes),     cmocka_unit_test(test_option_mistakes),
        cmocka_unit_test(test_call_mistakes),       cmocka_unit_test(test_usage),
        cmocka_unit_test(test_failing_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
