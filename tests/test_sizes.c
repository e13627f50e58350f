/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that do not fit are refused wherever the library takes one, and nothing wraps before. */
#include "base/size.h"

#include <stdio.h>

#include "base/arena.h"
#include "pkm/memory.h"
#include "support/check.h"

static const int64_t absurd[] = {INT64_MIN, -1, INT64_MAX, INT64_MAX / 2 + 1, (int64_t)1 << 32};
enum { N_ABSURD = sizeof absurd / sizeof absurd[0] };

static void test_saturating(void **state)
{
    const size_t half = SIZE_MAX / 2 + 1;

    (void)state;
    assert_true(pkm_size_product(3, 5) == 15);
    assert_true(pkm_size_product(0, SIZE_MAX) == 0);
    assert_true(pkm_size_product(half, 2) == SIZE_MAX);
    assert_true(pkm_size_sum(3, 5) == 8);
    assert_true(pkm_size_sum(half, half) == SIZE_MAX);
    assert_true(pkm_size_sum(SIZE_MAX, 1) == SIZE_MAX);
    assert_true(pkm_round_up(0, 64) == 0);
    assert_true(pkm_round_up(64, 64) == 64);
    assert_true(pkm_round_up(65, 64) == 128);
    assert_true(pkm_round_up(SIZE_MAX - 3, 64) == SIZE_MAX);
    assert_int_equal(pkm_size_int(7), 7);
    assert_int_equal(pkm_size_int((size_t)INT_MAX + 1), INT_MAX);
}

/* Too much in one piece, too many pieces: whatever follows, the layout cannot be had. */
static void test_arena(void **state)
{
    void *pages = NULL;

    (void)state;
    for (int large = 0; large < 3; large++) {
        pkm_arena arena = {0};

        for (int piece = 0; piece < 3; piece++)
            (void)pkm_arena_take(&arena, piece == large ? SIZE_MAX / 8 : 100, 16);
        assert_true(arena.used == SIZE_MAX);
        check_fails(pkm_pages_alloc(&pages, arena.used, "a layout"), PKM_ERR_NOMEM, "a layout",
                    NULL);
    }
    check_fails(pkm_alloc(&pages, SIZE_MAX, "a block"), PKM_ERR_NOMEM, "a block", NULL);
    check_fails(pkm_alloc_array(&pages, SIZE_MAX / 4, 8, "a list"), PKM_ERR_NOMEM, "a list", NULL);
    check_fails(pkm_alloc_grow(&pages, 0, SIZE_MAX / 4, 8, "a list"), PKM_ERR_NOMEM, "a list",
                NULL);
    assert_null(pages);
}

/* Pages of address space of this process. */
static long mapped_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &pages), 1);
    (void)fclose(file);
    return pages;
}

/* Blocks begin where a huge page can, are zero and writable to the last byte, and leave nothing. */
static void test_pages(void **state)
{
    enum { MIB = 1 << 20, ROUNDS = 100 };
    static const size_t sizes[] = {0,           1,       4096,    4097,
                                   MIB - 1,     MIB,     2 * MIB, 2 * MIB + 1,
                                   3 * MIB - 1, 3 * MIB, 7 * MIB, 8 * MIB + 5};
    long before = mapped_pages();

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            void *pages;
            char *bytes;

            check_ok(pkm_pages_alloc(&pages, sizes[i], "pages"));
            assert_int_equal((uintptr_t)pages % ((size_t)2 * MIB), 0);
            bytes = pages;
            for (size_t at = 0; round == 0 && at < sizes[i]; at++) {
                assert_int_equal(bytes[at], 0);
                bytes[at] = 1;
            }
            pkm_pages_free(pages, sizes[i]);
        }
    }
    assert_in_range(mapped_pages(), 0, before + ROUNDS);
}

static const pkm_memory_config small_layer = {
    .dim = 8, .heads = 1, .n_keys = 4, .key_dim = 4, .topk = 2, .query_norm = PKM_NORM_NONE};

/* The sizes of a config by number. */
static int64_t *layer_size(pkm_memory_config *config, int i)
{
    int64_t *sizes[] = {&config->dim,     &config->heads, &config->n_keys,
                        &config->key_dim, &config->topk,  &config->value_dim};

    return i < (int)(sizeof sizes / sizeof sizes[0]) ? sizes[i] : NULL;
}

static void test_layers(void **state)
{
    pkm_memory_config config = small_layer;
    pkm_memory_options options;
    pkm_memory *memory = NULL;

    (void)state;
    pkm_memory_options_init(&options);
    for (int field = 0; layer_size(&config, field) != NULL; field++)
        for (int i = 0; i < N_ABSURD; i++) {
            config = small_layer;
            *layer_size(&config, field) = absurd[i];
            check_fails(pkm_memory_create(&memory, &config, &options, NULL), PKM_ERR_ARG, " is ",
                        NULL);
        }
    for (int i = 0; i < N_ABSURD; i++) {
        options.max_tokens = absurd[i];
        check_fails(pkm_memory_create(&memory, &small_layer, &options, NULL), PKM_ERR_ARG,
                    "max_tokens", NULL);
        options.max_tokens = 1;
        options.grad_accum = absurd[i];
        check_fails(pkm_memory_create(&memory, &small_layer, &options, NULL), PKM_ERR_ARG,
                    "grad_accum", NULL);
        options.grad_accum = 1;
    }
    options.max_tokens = options.grad_accum = 1 << 20;
    check_fails(pkm_memory_create(&memory, &small_layer, &options, NULL), PKM_ERR_ARG,
                "recorded in a step", NULL);
    assert_null(memory);
}

/* Each size in its range, all of them together beyond this machine. */
static void test_tables_that_do_not_fit(void **state)
{
    pkm_memory_config config = small_layer;
    pkm_store_config table = {.slots = (int64_t)46340 * 46340, .value_dim = 1 << 24};
    pkm_memory_options options;
    pkm_memory *memory = NULL;
    pkm_store *store = NULL;

    (void)state;
    pkm_memory_options_init(&options);
    config.n_keys = 46340;
    config.value_dim = 64;
    check_fails(pkm_memory_create(&memory, &config, &options, NULL), PKM_ERR_NOMEM, "value table",
                NULL);
    for (int train = 0; train < 2; train++) {
        table.train = train;
        check_fails(pkm_store_create(&store, &table), PKM_ERR_NOMEM, "a value table", NULL);
    }
    assert_null(memory);
    assert_null(store);
}

static void test_stores(void **state)
{
    pkm_store *store = NULL;

    (void)state;
    for (int i = 0; i < N_ABSURD; i++) {
        pkm_store_config wide = {.slots = 4, .value_dim = absurd[i]};
        pkm_store_config tall = {.slots = absurd[i], .value_dim = 4};

        check_fails(pkm_store_create(&store, &wide), PKM_ERR_ARG, "value_dim is", NULL);
        check_fails(pkm_store_create(&store, &tall), PKM_ERR_ARG, "slots is", NULL);
    }
    assert_null(store);
}

static void test_pure_functions(void **state)
{
    const pkm_search_config config = {1, 4, 4, 2, PKM_F32, PKM_KEYS_PRODUCT};
    const float one = 1;
    int32_t id = 0;
    float out = 0;
    pkm_rows rows = {.values = &out, .slots = 1, .value_dim = 1, .optimizer = PKM_VALUES_SGD};
    pkm_search *search;

    (void)state;
    check_ok(pkm_search_create(&search, &config));
    for (int i = 0; i < N_ABSURD; i++) {
        for (int field = 0; field < 4; field++) {
            pkm_bag bag = {&one, PKM_F32, 1, 1, &id, &one, 1, 1};
            int64_t *sizes[] = {&bag.slots, &bag.value_dim, &bag.n_rows, &bag.hits};
            pkm_bag_grad grad = {0};

            *sizes[field] = absurd[i];
            assert_true(pkm_bag_workspace(&bag) == SIZE_MAX);
            check_fails(pkm_bag_forward(&out, &bag), PKM_ERR_ARG, " is ", NULL);
            check_fails(pkm_bag_backward(&grad, &one, &bag, NULL), PKM_ERR_ARG, " is ", NULL);
        }
        check_fails(pkm_search_run(search, &id, &out, &one, absurd[i], NULL), PKM_ERR_ARG,
                    "n_rows is", NULL);
        check_fails(pkm_rows_update(&rows, &id, &one, absurd[i], 1, 1, 1), PKM_ERR_ARG,
                    "n_touched is", NULL);
    }
    pkm_search_destroy(search);
}

static void test_calls(void **state)
{
    pkm_memory_options options;
    pkm_memory *memory;
    float x[8] = {0}, y[8];

    (void)state;
    pkm_memory_options_init(&options);
    options.max_tokens = 1;
    check_ok(pkm_memory_create(&memory, &small_layer, &options, NULL));
    for (int i = 0; i < N_ABSURD; i++) {
        check_fails(pkm_memory_forward(memory, y, x, absurd[i], NULL, true), PKM_ERR_ARG,
                    "n_tokens is", NULL);
        check_fails(pkm_memory_tensor_write(memory, "keys", x, absurd[i]), PKM_ERR_SHAPE, "keys",
                    NULL);
    }
    pkm_memory_destroy(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saturating), cmocka_unit_test(test_arena),
        cmocka_unit_test(test_layers),     cmocka_unit_test(test_tables_that_do_not_fit),
        cmocka_unit_test(test_stores),     cmocka_unit_test(test_pure_functions),
        cmocka_unit_test(test_calls),      cmocka_unit_test(test_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
