/* SPDX-License-Identifier: Apache-2.0 */
/* Reviving in a layer that stands alone: what comes back, from what, and what stays bit for bit. */
#include "memory/revive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/threads.h"
#include "memory/layer_parts.h"
#include "memory/memory_parts.h"
#include "support/check.h"

enum {
    DIM = 20,
    TOKENS = 150,
    COUNT = DIM * TOKENS,
    HEADS = 2,
    N = 24,
    HALF = 5, /* d_k / 2: odd */
    KEYS = 2 * HEADS * N,
    SLOTS = N * N,
    FIRST_DEAD = 14 /* sub-keys from here on are far from every query */
};

static const double below = 0.05;

static const pkm_memory_config config = {
    .dim = DIM,
    .heads = HEADS,
    .n_keys = N,
    .key_dim = 2 * HALF,
    .topk = 7,
    .value_dim = 18,
    .query_norm = PKM_NORM_NONE,
};

static void train_step(pkm_memory *memory, uint64_t seed)
{
    float *x = malloc(COUNT * sizeof *x), *y = malloc(COUNT * sizeof *y);

    fill_normal(x, COUNT, seed);
    check_ok(pkm_memory_forward(memory, y, x, TOKENS, NULL, true));
    check_ok(pkm_memory_backward(memory, x, y));
    check_ok(pkm_memory_step(memory));
    free(x);
    free(y);
}

/* A layer whose queries lie around (3, 3, ...) and whose last sub-keys lie at (-5, -5, ...). */
static pkm_memory *make_with_dead_keys(const pkm_memory_options *options, pkm_store *store)
{
    pkm_memory *memory;
    pkm_memory_tensor tensor;
    float keys[KEYS * HALF], bias[2 * HEADS * HALF];

    check_ok(pkm_memory_create(&memory, &config, options, store));
    check_ok(pkm_memory_tensor_find(memory, &tensor, "keys"));
    memcpy(keys, tensor.data, sizeof keys);
    for (int key = 0; key < KEYS; key++)
        for (int i = 0; i < HALF && key % N >= FIRST_DEAD; i++)
            keys[key * HALF + i] = -5;
    for (int i = 0; i < 2 * HEADS * HALF; i++)
        bias[i] = 3;
    check_ok(pkm_memory_tensor_write(memory, "keys", keys, KEYS * HALF));
    check_ok(pkm_memory_tensor_write(memory, "query.bias", bias, 2 * HEADS * HALF));
    return memory;
}

static pkm_memory_options base_options(void)
{
    pkm_memory_options options;

    pkm_memory_options_init(&options);
    options.max_tokens = TOKENS;
    options.seed = 5;
    return options;
}

static double used(pkm_memory *memory)
{
    float *x = malloc(COUNT * sizeof *x), *y = malloc(COUNT * sizeof *y);
    pkm_usage usage;

    fill_normal(x, COUNT, 99);
    check_ok(pkm_memory_usage_start(memory));
    check_ok(pkm_memory_forward(memory, y, x, TOKENS, NULL, false));
    check_ok(pkm_memory_usage(memory, &usage, -1));
    pkm_memory_usage_stop(memory);
    free(x);
    free(y);
    return usage.used;
}

/* ---- what was there before: rows of keys and values with their moments ---- */

typedef struct snapshot_array {
    char *now, *before;
    size_t row_bytes;
} snapshot_array;

typedef struct snapshot {
    snapshot_array keys[3], rows[3]; /* themselves, then moments */
    int n_rows;
    float key_reads[KEYS], slot_reads[SLOTS];
} snapshot;

static snapshot_array keep(void *data, size_t rows, size_t row_bytes)
{
    snapshot_array array = {data, malloc(rows * row_bytes), row_bytes};

    memcpy(array.before, data, rows * row_bytes);
    return array;
}

static void snapshot_take(snapshot *out, pkm_memory *memory)
{
    const pkm_param *keys = memory->layer->keys;
    const pkm_store_config *table = pkm_store_config_of(memory->store);
    void *parts[3] = {keys->data, keys->moment1, keys->moment2};
    pkm_store_moment moments[2];
    int n_moments = pkm_store_moments(memory->store, moments);

    for (int i = 0; i < 3; i++)
        out->keys[i] = keep(parts[i], KEYS, HALF * sizeof(float));
    out->rows[0] = keep(pkm_store_values(memory->store), SLOTS,
                        (size_t)table->value_dim * pkm_dtype_bytes(table->dtype));
    for (int i = 0; i < n_moments; i++)
        out->rows[i + 1] = keep(moments[i].data, SLOTS,
                                (size_t)(moments[i].n_dims == 2 ? moments[i].dims[1] : 1) *
                                    pkm_dtype_bytes(moments[i].dtype));
    out->n_rows = n_moments + 1;
    memcpy(out->key_reads, pkm_memory_layer_reads(memory->layer)->window, sizeof out->key_reads);
    memcpy(out->slot_reads, pkm_store_reads(memory->store)->window, sizeof out->slot_reads);
}

static void snapshot_release(snapshot *was)
{
    for (int i = 0; i < 3; i++)
        free(was->keys[i].before);
    for (int i = 0; i < was->n_rows; i++)
        free(was->rows[i].before);
}

/* Row `row` of an array and its moments: new with moments of zero, or with the bits it had. */
static void check_row(const snapshot_array *arrays, int n_arrays, int64_t row, bool revived,
                      const char *what)
{
    for (int i = 0; i < n_arrays; i++) {
        size_t bytes = arrays[i].row_bytes, at = (size_t)row * bytes;
        bool same = memcmp(arrays[i].now + at, arrays[i].before + at, bytes) == 0;

        if (!revived && !same)
            fail_msg("array %d of %s %d has other bits", i, what, (int)row);
        if (revived && i == 0 && same)
            fail_msg("%s %d was not revived", what, (int)row);
        for (size_t b = 0; revived && i > 0 && b < bytes; b++)
            if (arrays[i].now[at + b] != 0)
                fail_msg("moment %d of %s %d is not zero", i, what, (int)row);
    }
}

static double least_reads(const float *reads, int64_t key)
{
    double total = 0;

    for (int64_t i = key / N * N; i < key / N * N + N; i++)
        total += (double)reads[i];
    return below * total / N;
}

/* |copy - original| / |original|, of f32 rows. */
static double distance(const snapshot_array *array, int64_t copy, int64_t original)
{
    size_t width = array->row_bytes / sizeof(float);
    const float *a = (const float *)(void *)array->now + (size_t)copy * width;
    const float *b = (const float *)(void *)array->before + (size_t)original * width;
    double off = 0, length = 0;

    for (size_t i = 0; i < width; i++) {
        off += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
        length += (double)b[i] * (double)b[i];
    }
    return sqrt(off / length);
}

static void check_keys(const snapshot *was, const pkm_memory *memory, const pkm_revived *revived)
{
    const int32_t *donors = memory->layer->reads.donors;
    int64_t count = 0;

    for (int64_t key = 0; key < KEYS; key++) {
        bool dead = (double)was->key_reads[key] < least_reads(was->key_reads, key);
        int64_t donor = key / N * N + donors[key];

        check_row(was->keys, 3, key, dead, "sub-key");
        assert_true(dead || key % N < FIRST_DEAD);
        count += dead;
        if (!dead)
            continue;
        assert_true((double)was->key_reads[donor] >= least_reads(was->key_reads, donor));
        assert_true(distance(&was->keys[0], key, donor) < 0.4);
    }
    assert_int_equal(count, revived->keys);
    assert_true(count >= 2 * HEADS * (N - FIRST_DEAD));
}

/* Whether a slot's sub-keys were revived in all heads, or in one and nobody read it. */
static bool is_free(const pkm_memory *memory, const snapshot *was, int64_t slot)
{
    const int32_t *donors = memory->layer->reads.donors;
    int heads = 0;

    for (int64_t head = 0; head < HEADS; head++)
        heads += donors[2 * head * N + slot / N] >= 0 || donors[(2 * head + 1) * N + slot % N] >= 0;
    return heads == HEADS || (heads > 0 && was->slot_reads[slot] == 0);
}

/* The row that a slot is to be copied from, by the sub-keys of the first head; -1: any. */
static int64_t donor_of(const pkm_memory *memory, const snapshot *was, int64_t slot)
{
    const int32_t *donors = memory->layer->reads.donors;
    int64_t part[2] = {slot / N, slot % N}, donor;

    for (int half = 0; half < 2; half++)
        for (int head = HEADS - 1, i = (int)part[half]; head >= 0; head--)
            if (donors[(2 * head + half) * N + i] >= 0)
                part[half] = donors[(2 * head + half) * N + i];
    donor = part[0] * N + part[1];
    return was->slot_reads[donor] > 0 && !is_free(memory, was, donor) ? donor : -1;
}

static void check_slots(const snapshot *was, const pkm_memory *memory, const pkm_revived *revived)
{
    int64_t count = 0, by_keys = 0, read = 0, unread = 0;

    for (int64_t slot = 0; slot < SLOTS; slot++) {
        bool dead = is_free(memory, was, slot);
        int64_t donor = donor_of(memory, was, slot);

        check_row(was->rows, was->n_rows, slot, dead, "slot");
        count += dead;
        by_keys += dead && donor >= 0;
        read += dead && was->slot_reads[slot] > 0;
        unread += !dead && was->slot_reads[slot] == 0;
        if (dead && donor >= 0 && memory->options.value_dtype == PKM_F32)
            assert_true(distance(&was->rows[0], slot, donor) < 0.25);
    }
    assert_int_equal(count, revived->slots);
    assert_true(by_keys > 50 && by_keys < count);
    assert_true(read > 0 && unread > 0);
}

static void test_dead_keys_come_back(void **state)
{
    (void)state;
    for (int optimizer = PKM_VALUES_ADAM; optimizer <= PKM_VALUES_ADAM_ROW; optimizer++) {
        pkm_memory_options options = base_options();
        pkm_memory *memory;
        pkm_revived revived;
        snapshot was;
        double before;

        options.value_optimizer = (pkm_value_optimizer)optimizer;
        options.value_dtype = optimizer == PKM_VALUES_ADAGRAD ? PKM_BF16 : PKM_F32;
        memory = make_with_dead_keys(&options, NULL);
        check_ok(pkm_memory_revive_start(memory));
        for (uint64_t step = 0; step < 4; step++)
            train_step(memory, step);
        before = used(memory);
        assert_true(before <= (double)(FIRST_DEAD * FIRST_DEAD) / SLOTS);
        snapshot_take(&was, memory);
        check_ok(pkm_memory_revive(memory, below, &revived));
        check_keys(&was, memory, &revived);
        check_slots(&was, memory, &revived);
        train_step(memory, 4);
        assert_true(used(memory) > 1.3 * before);
        snapshot_release(&was);
        pkm_memory_destroy(memory);
    }
}

/* What only counts is of steps that were taken since the window began. */
static void test_windows(void **state)
{
    pkm_memory_options options = base_options();
    pkm_memory *memory = make_with_dead_keys(&options, NULL);
    float x[COUNT], first[KEYS], *reads;
    double sum = 0;

    (void)state;
    check_ok(pkm_memory_revive_start(memory));
    reads = pkm_memory_layer_reads(memory->layer)->window;
    fill_normal(x, COUNT, 1);
    check_ok(pkm_memory_forward(memory, x, x, TOKENS, NULL, false));
    for (int i = 0; i < KEYS; i++)
        assert_true(reads[i] == 0);
    train_step(memory, 7);
    for (int i = 0; i < N; i++)
        sum += (double)reads[i];
    assert_true(fabs(sum - TOKENS) < 0.01); /* softmax: each read of a head weighs 1 */
    memcpy(first, reads, sizeof first);
    check_ok(pkm_memory_revive_start(memory));
    assert_true(reads[0] == 0 && pkm_store_reads(memory->store)->window[0] == 0);
    train_step(memory, 8);
    check_ok(pkm_memory_revive(memory, 0, NULL));
    for (int i = 0; i < KEYS; i++)
        assert_true(reads[i] == 0);
    pkm_memory_destroy(memory);
}

static void check_same_tensors(const pkm_memory *a, const pkm_memory *b)
{
    static const char *const names[] = {"keys", "values", "query.weight"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pkm_memory_tensor left, right;
        size_t bytes;

        check_ok(pkm_memory_tensor_find(a, &left, names[i]));
        check_ok(pkm_memory_tensor_find(b, &right, names[i]));
        bytes = pkm_dtype_bytes(left.dtype);
        for (int d = 0; d < left.n_dims; d++)
            bytes *= (size_t)left.dims[d];
        if (memcmp(left.data, right.data, bytes) != 0)
            fail_msg("tensor '%s' has other bits", names[i]);
    }
}

static pkm_memory *run(const pkm_memory_options *options, int threads)
{
    pkm_memory *memory;

    check_ok(pkm_threads_set(threads));
    memory = make_with_dead_keys(options, NULL);
    check_ok(pkm_memory_revive_start(memory));
    for (uint64_t step = 0; step < 6; step++) {
        train_step(memory, step);
        if (step % 2 == 1)
            check_ok(pkm_memory_revive(memory, 0.5, NULL));
    }
    return memory;
}

static void test_any_threads_any_place(void **state)
{
    char *folder = temp_create(), *path = NULL;
    pkm_memory_options options = base_options(), mapped = options;
    pkm_memory *one = run(&options, 1), *two = run(&options, 2), *seven;

    (void)state;
    check_ok(pkm_path_join(&path, folder, "values"));
    mapped.map_path = path;
    seven = run(&mapped, 7);
    check_same_tensors(one, two);
    check_same_tensors(one, seven);
    check_ok(pkm_threads_set(0));
    pkm_memory_destroy(one);
    pkm_memory_destroy(two);
    pkm_memory_destroy(seven);
    pkm_free(path);
    temp_remove(folder);
}

static void test_refusals(void **state)
{
    pkm_memory_options options = base_options();
    pkm_memory *memory = make_with_dead_keys(&options, NULL), *reader;
    float x[COUNT];

    (void)state;
    check_fails(pkm_memory_revive(memory, 0.1, NULL), PKM_ERR_STATE, "never started", NULL);
    check_ok(pkm_memory_revive_start(memory));
    check_fails(pkm_memory_revive(memory, 1.5, NULL), PKM_ERR_ARG, "below is 1.5", NULL);
    check_fails(pkm_memory_revive(memory, (double)NAN, NULL), PKM_ERR_ARG, "below", NULL);
    fill_normal(x, COUNT, 1);
    check_ok(pkm_memory_forward(memory, x, x, TOKENS, NULL, true));
    check_ok(pkm_memory_backward(memory, x, x));
    check_fails(pkm_memory_revive(memory, 0.1, NULL), PKM_ERR_STATE, "backward and step", NULL);
    check_ok(pkm_memory_step(memory));
    check_ok(pkm_memory_revive(memory, 0.1, NULL));
    options.train = false;
    check_ok(pkm_memory_create(&reader, &config, &options, NULL));
    check_fails(pkm_memory_revive_start(reader), PKM_ERR_STATE, "without train", NULL);
    pkm_memory_destroy(reader);
    pkm_memory_destroy(memory);
}

/* A borrowed table may be read by others: its rows are left alone. Without reads, all is. */
static void test_what_is_left_alone(void **state)
{
    const pkm_store_config table = {
        .slots = SLOTS, .value_dim = 18, .dtype = PKM_F32, .train = true};
    pkm_memory_options options = base_options();
    pkm_revived revived;
    pkm_memory *memory;
    pkm_store *store;
    float *before = malloc(SLOTS * 18 * sizeof *before);

    (void)state;
    check_ok(pkm_store_create(&store, &table));
    pkm_store_init(store, 3);
    memory = make_with_dead_keys(&options, store);
    check_ok(pkm_memory_revive_start(memory));
    check_ok(pkm_memory_revive(memory, 1, &revived));
    assert_true(revived.keys == 0 && revived.slots == 0);
    train_step(memory, 1);
    check_ok(pkm_store_step(store, 1, 1e-3F, 1));
    memcpy(before, pkm_store_values(store), SLOTS * 18 * sizeof *before);
    check_ok(pkm_memory_revive(memory, below, &revived));
    assert_true(revived.keys > 0 && revived.slots == 0);
    assert_memory_equal(before, pkm_store_values(store), SLOTS * 18 * sizeof *before);
    pkm_memory_destroy(memory);
    pkm_store_destroy(store);
    free(before);
}

/* Flat keys, one head: a slot that nobody reads gets key and row of one that is read. */
static void test_flat_keys_come_back(void **state)
{
    enum { FLAT_N = 12, FLAT = FLAT_N * FLAT_N, WIDTH = 2 * HALF, DEAD = 90 };
    pkm_memory_config flat = config;
    pkm_memory_options options = base_options();
    float numbers[FLAT * WIDTH], reads[FLAT];
    snapshot_array keys, rows;
    pkm_revived revived;
    pkm_memory *memory;
    int64_t count = 0;

    (void)state;
    flat.key_kind = PKM_KEYS_FLAT;
    flat.heads = 1;
    flat.n_keys = FLAT_N;
    check_ok(pkm_memory_create(&memory, &flat, &options, NULL));
    memcpy(numbers, memory->layer->keys->data, sizeof numbers);
    for (int i = DEAD * WIDTH; i < FLAT * WIDTH; i++)
        numbers[i] = -5;
    check_ok(pkm_memory_tensor_write(memory, "keys", numbers, FLAT * WIDTH));
    for (int i = 0; i < WIDTH; i++)
        numbers[i] = 3;
    check_ok(pkm_memory_tensor_write(memory, "query.bias", numbers, WIDTH));
    check_ok(pkm_memory_revive_start(memory));
    for (uint64_t step = 0; step < 4; step++)
        train_step(memory, step);
    keys = keep(memory->layer->keys->data, FLAT, WIDTH * sizeof(float));
    rows = keep(pkm_store_values(memory->store), FLAT, 18 * sizeof(float));
    memcpy(reads, pkm_store_reads(memory->store)->window, sizeof reads);
    check_ok(pkm_memory_revive(memory, below, &revived));
    for (int64_t slot = 0; slot < FLAT; slot++) {
        int64_t donor = memory->layer->reads.donors[slot];

        check_row(&keys, 1, slot, donor >= 0, "key");
        check_row(&rows, 1, slot, donor >= 0, "slot");
        count += donor >= 0;
        if (donor < 0)
            continue;
        assert_true(reads[donor] > 0);
        assert_true(distance(&keys, slot, donor) < 0.4 && distance(&rows, slot, donor) < 0.25);
    }
    assert_int_equal(count, revived.keys);
    assert_int_equal(count, revived.slots);
    assert_in_range(count, FLAT - DEAD, FLAT - 1);
    free(keys.before);
    free(rows.before);
    pkm_memory_destroy(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_keys_come_back),   cmocka_unit_test(test_windows),
        cmocka_unit_test(test_any_threads_any_place), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_is_left_alone),    cmocka_unit_test(test_flat_keys_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
