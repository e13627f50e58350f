/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search against brute force over all n^2 slots, for every instruction set of this machine.
 * Scores of keys are exact here: keys of one number under queries of +-1, or small integers.
 */
#include "memory/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/rng.h"
#include "base/threads.h"
#include "support/check.h"

/* ---- Brute force ---- */

typedef struct slot {
    float sum;
    int32_t rank1, rank2, id;
} slot;

static int slot_order(const void *left, const void *right)
{
    const slot *a = left, *b = right;

    if (a->sum != b->sum)
        return a->sum > b->sum ? -1 : 1;
    if (a->rank1 != b->rank1)
        return a->rank1 < b->rank1 ? -1 : 1;
    return (a->rank2 > b->rank2) - (a->rank2 < b->rank2);
}

/* A sub-key is a slot of one half, a flat key a slot: ordered by score, then index. */
static slot *rank_keys(const float *scores, int64_t n)
{
    slot *half = calloc((size_t)n, sizeof *half);

    for (int64_t i = 0; i < n; i++)
        half[i] = (slot){.sum = scores[i], .rank1 = (int32_t)i, .id = (int32_t)i};
    qsort(half, (size_t)n, sizeof *half, slot_order);
    return half;
}

/* All slots, best first; the caller frees them. */
static slot *brute_force(const float *s1, const float *s2, int64_t n)
{
    slot *half1 = rank_keys(s1, n), *half2 = rank_keys(s2, n);
    slot *all = calloc((size_t)(n * n), sizeof *all);

    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < n; b++)
            all[a * n + b] = (slot){.sum = half1[a].sum + half2[b].sum,
                                    .rank1 = (int32_t)a,
                                    .rank2 = (int32_t)b,
                                    .id = (int32_t)(half1[a].id * n + half2[b].id)};
    qsort(all, (size_t)(n * n), sizeof *all, slot_order);
    free(half1);
    free(half2);
    return all;
}

/* ---- Score patterns ---- */

typedef void pattern_fn(float *out, int64_t n, uint64_t seed, int half);

static void fill_normal_scores(float *out, int64_t n, uint64_t seed, int half)
{
    (void)half;
    fill_normal(out, n, seed);
}

static void fill_few_values(float *out, int64_t n, uint64_t seed, int half)
{
    (void)half;
    fill_integers(out, n, seed, -2, 2);
}

static void fill_equal(float *out, int64_t n, uint64_t seed, int half)
{
    (void)seed;
    for (int64_t i = 0; i < n; i++)
        out[i] = half == 0 ? 0.5f : -3.0f;
}

static void fill_zeros_of_both_signs(float *out, int64_t n, uint64_t seed, int half)
{
    (void)half;
    fill_integers(out, n, seed, 0, 1);
    for (int64_t i = 0; i < n; i++)
        out[i] = out[i] != 0 ? -0.0f : 0.0f;
}

/* Sums round to few distinct numbers, so that their order is that of the ranks. */
static void fill_rounded_sums(float *out, int64_t n, uint64_t seed, int half)
{
    fill_normal(out, n, seed);
    for (int64_t i = 0; i < n; i++)
        out[i] = half == 0 ? out[i] * 1e-4f : 100.0f + out[i];
}

static void fill_ascending(float *out, int64_t n, uint64_t seed, int half)
{
    (void)seed;
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(half == 0 ? i : i * i);
}

static void fill_descending(float *out, int64_t n, uint64_t seed, int half)
{
    (void)seed;
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(n - i) * (half == 0 ? 1.0f : 0.25f);
}

/* One sub-key far above, a plateau, and the rest far below. */
static void fill_outlier(float *out, int64_t n, uint64_t seed, int half)
{
    pkm_rng rng = {.seed = seed};

    for (int64_t i = 0; i < n; i++)
        out[i] = i % 3 == 0 ? 1.0f : -1e30f;
    out[pkm_rng_u32(&rng, (uint64_t)half) % (uint64_t)n] = 1e30f;
}

/* Sums overflow to infinity of both signs. */
static void fill_huge(float *out, int64_t n, uint64_t seed, int half)
{
    (void)half;
    fill_integers(out, n, seed, -1, 1);
    for (int64_t i = 0; i < n; i++)
        out[i] *= 3e38f;
}

static const struct {
    const char *name;
    pattern_fn *fill;
} patterns[] = {
    {"normal", fill_normal_scores},
    {"few values", fill_few_values},
    {"equal", fill_equal},
    {"zeros of both signs", fill_zeros_of_both_signs},
    {"rounded sums", fill_rounded_sums},
    {"ascending", fill_ascending},
    {"descending", fill_descending},
    {"outlier", fill_outlier},
    {"huge", fill_huge},
};

/* ---- Runs ---- */

/* Runs a search of one level on its own objects; ids, scores [n_rows, H, k]. */
static pkm_status run_search(const pkm_search_config *config, pkm_isa level, const float *keys,
                             const float *queries, int64_t n_rows, int32_t *ids, float *scores)
{
    pkm_kernels kernels;
    pkm_search *search;
    void *workspace;
    pkm_status status;

    pkm_kernels_fill(&kernels, level);
    check_ok(pkm_search_create_with(&search, config, &kernels));
    pkm_search_pack(search, keys);
    workspace = aligned_alloc(64, pkm_search_workspace(search));
    status = pkm_search_run(search, ids, scores, queries, n_rows, workspace);
    free(workspace);
    pkm_search_destroy(search);
    return status;
}

static void check_slots(const int32_t *ids, const float *scores, const slot *want, int64_t topk,
                        const char *what, pkm_isa level, const pkm_search_config *config)
{
    for (int64_t j = 0; j < topk; j++)
        if (ids[j] != want[j].id || scores[j] != want[j].sum)
            fail_msg("%s, %s, n %lld, k %lld: slot %lld is %d (%g), expected %d (%g)", what,
                     pkm_isa_name(level), (long long)config->n_keys, (long long)topk, (long long)j,
                     ids[j], (double)scores[j], want[j].id, (double)want[j].sum);
}

/* keys [2, n] become the half scores of three rows: as they are, and with either half negated. */
static void check_pattern(int pattern, int64_t n, int64_t topk, pkm_dtype compute)
{
    static const float queries[3][2] = {{1, 1}, {-1, 1}, {1, -1}};
    pkm_search_config config = {1, n, 2, topk, compute, PKM_KEYS_PRODUCT};
    float *keys = calloc((size_t)(2 * n), sizeof *keys);
    float *halves = calloc((size_t)(2 * n), sizeof *halves);
    int32_t *ids = guard_alloc((size_t)(3 * topk) * sizeof *ids);
    float *scores = guard_alloc((size_t)(3 * topk) * sizeof *scores);
    slot *want[3];

    for (int half = 0; half < 2; half++)
        patterns[pattern].fill(keys + half * n, n, (uint64_t)(n * 2 + half), half);
    for (int r = 0; r < 3; r++) {
        for (int64_t i = 0; i < 2 * n; i++) {
            float key = compute == PKM_BF16 ? pkm_bf16_to_f32(pkm_f32_to_bf16(keys[i])) : keys[i];

            halves[i] = key * queries[r][i / n];
        }
        want[r] = brute_force(halves, halves + n, n);
    }
    for (int level = 0; level <= (int)pkm_isa_detected(); level++) {
        check_ok(run_search(&config, (pkm_isa)level, keys, queries[0], 3, ids, scores));
        for (int r = 0; r < 3; r++)
            check_slots(ids + r * topk, scores + r * topk, want[r], topk, patterns[pattern].name,
                        (pkm_isa)level, &config);
    }
    for (int r = 0; r < 3; r++)
        free(want[r]);
    guard_free(ids, (size_t)(3 * topk) * sizeof *ids);
    guard_free(scores, (size_t)(3 * topk) * sizeof *scores);
    free(keys);
    free(halves);
}

static void test_brute_force(void **state)
{
    static const int64_t sizes[][2] = {{1, 1},    {2, 1},    {2, 2},     {7, 7},     {16, 5},
                                       {33, 32},  {63, 8},   {64, 32},   {64, 64},   {65, 33},
                                       {130, 16}, {130, 65}, {100, 100}, {200, 128}, {300, 32}};

    (void)state;
    for (int p = 0; p < (int)(sizeof patterns / sizeof patterns[0]); p++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int compute = PKM_F32; compute <= PKM_BF16; compute++)
                check_pattern(p, sizes[s][0], sizes[s][1], (pkm_dtype)compute);
}

static void test_size_of_the_paper(void **state)
{
    (void)state;
    check_pattern(0, 512, 32, PKM_F32);
    check_pattern(0, 512, 512, PKM_F32);
    check_pattern(4, 512, 32, PKM_F32);
}

/* Ids differ from ties by slot id: {1 - 2^-24, 1} + {4, 0} both round to 5 (design, section 1). */
static void test_rounded_tie(void **state)
{
    static const float keys[4] = {1 - 0x1p-24f, 1, 4, 0}, query[2] = {1, 1};
    pkm_search_config config = {1, 2, 2, 1, PKM_F32, PKM_KEYS_PRODUCT};
    int32_t id;
    float score;

    (void)state;
    for (int level = 0; level <= (int)pkm_isa_detected(); level++) {
        check_ok(run_search(&config, (pkm_isa)level, keys, query, 1, &id, &score));
        assert_int_equal(id, 2);
        assert_true(score == 5.0f);
    }
}

/* Several heads, rows beyond a block, an odd half width: small integers, so scores are exact. */
static void check_heads_and_rows(int64_t width)
{
    enum { HEADS = 3, N = 70, TOPK = 9, ROWS = 53, WIDEST = 69 };
    static float keys[HEADS * 2 * N * WIDEST], queries[ROWS * HEADS * 2 * WIDEST];
    static float scores[ROWS * HEADS * TOPK], halves[2][N];
    static int32_t ids[ROWS * HEADS * TOPK];
    pkm_search_config config = {HEADS, N, 2 * width, TOPK, PKM_F32, PKM_KEYS_PRODUCT};

    fill_integers(keys, HEADS * 2 * N * width, 5, -9, 9);
    fill_integers(queries, ROWS * HEADS * 2 * width, 6, -9, 9);
    for (int run = 0; run < 2 * ((int)pkm_isa_detected() + 1); run++) {
        config.compute = run % 2 ? PKM_BF16 : PKM_F32;
        check_ok(run_search(&config, (pkm_isa)(run / 2), keys, queries, ROWS, ids, scores));
        for (int r = 0; r < ROWS * HEADS; r += 1 + r % 5) {
            for (int i = 0; i < 2 * N; i++) {
                const float *key = keys + (r % HEADS * 2 * N + i) * width;
                const float *query = queries + (r * 2 + i / N) * width;

                halves[i / N][i % N] = 0;
                for (int64_t d = 0; d < width; d++)
                    halves[i / N][i % N] += key[d] * query[d];
            }
            slot *want = brute_force(halves[0], halves[1], N);
            check_slots(ids + r * TOPK, scores + r * TOPK, want, TOPK, "heads and rows",
                        (pkm_isa)(run / 2), &config);
            free(want);
        }
    }
}

/* 69: keys are packed in more than one piece. */
static void test_heads_and_rows(void **state)
{
    (void)state;
    check_heads_and_rows(5);
    check_heads_and_rows(69);
}

static void test_threads(void **state)
{
    enum { HEADS = 2, N = 30, WIDTH = 32, TOPK = 30, ROWS = 401, OUT = ROWS * HEADS * TOPK };
    static const int threads[] = {1, 2, 3, 7};
    static float keys[HEADS * N * N * WIDTH], queries[ROWS * HEADS * WIDTH], scores[2][OUT];
    static int32_t ids[2][OUT];

    (void)state;
    fill_normal(keys, HEADS * N * N * WIDTH, 7);
    fill_normal(queries, ROWS * HEADS * WIDTH, 8);
    for (int run = 0; run < 4; run++) {
        pkm_search_config config = {
            HEADS, N, WIDTH, TOPK, (pkm_dtype)(run % 2), (pkm_key_kind)(run / 2)};

        for (int t = 0; t < 4; t++) {
            check_ok(pkm_threads_set(threads[t]));
            check_ok(run_search(&config, pkm_isa_detected(), keys, queries, ROWS, ids[t > 0],
                                scores[t > 0]));
            assert_memory_equal(ids[t > 0], ids[0], sizeof ids[0]);
            assert_memory_equal(scores[t > 0], scores[0], sizeof scores[0]);
        }
    }
    check_ok(pkm_threads_set(0));
}

/* Scores that are not finite are reported, wherever they are, and no id leaves the table. */
static void check_not_finite(const pkm_search_config *config, int64_t n_numbers)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    static const float query[2] = {1, 1};
    float *keys = calloc((size_t)n_numbers, sizeof *keys);
    float *scores = calloc((size_t)config->topk, sizeof *scores);
    int32_t *ids = calloc((size_t)config->topk, sizeof *ids);

    for (int level = 0; level <= (int)pkm_isa_detected(); level++) {
        for (int b = 0; b < 4; b++) {
            for (int64_t count = 1; count <= n_numbers; count = count == 1 ? 70 : 2 * count) {
                fill_normal(keys, n_numbers, 9);
                for (int64_t i = 0; i < count; i++)
                    keys[(i + 33 + b) % n_numbers] = bad[b];
                check_fails(run_search(config, (pkm_isa)level, keys, query, 1, ids, scores),
                            PKM_ERR_NUMERIC, "not finite", NULL);
                for (int64_t j = 0; j < config->topk; j++)
                    assert_in_range(ids[j], 0, config->n_keys * config->n_keys - 1);
            }
        }
    }
    free(keys);
    free(scores);
    free(ids);
}

static void test_not_finite(void **state)
{
    (void)state;
    check_not_finite(&(pkm_search_config){1, 70, 2, 32, PKM_F32, PKM_KEYS_PRODUCT}, 2 * 70);
    check_not_finite(&(pkm_search_config){1, 20, 2, 32, PKM_F32, PKM_KEYS_FLAT}, 2 * 400);
}

/* ---- Flat keys ---- */

/* Keys of one number and a zero are the scores of two rows: as they are, and negated. */
static void check_flat_pattern(int pattern, int64_t n, int64_t topk, pkm_dtype compute)
{
    static const float queries[2][2] = {{1, 0}, {-1, 0}};
    const pkm_search_config config = {1, n, 2, topk, compute, PKM_KEYS_FLAT};
    int64_t slots = n * n;
    float *numbers = calloc((size_t)slots, sizeof *numbers);
    float *keys = calloc((size_t)(2 * slots), sizeof *keys);
    int32_t *ids = guard_alloc((size_t)(2 * topk) * sizeof *ids);
    float *scores = guard_alloc((size_t)(2 * topk) * sizeof *scores);

    patterns[pattern].fill(numbers, slots, (uint64_t)n, 0);
    for (int64_t i = 0; i < slots; i++) {
        keys[2 * i] = numbers[i];
        if (compute == PKM_BF16)
            numbers[i] = pkm_bf16_to_f32(pkm_f32_to_bf16(numbers[i]));
    }
    for (int level = 0; level <= (int)pkm_isa_detected(); level++) {
        check_ok(run_search(&config, (pkm_isa)level, keys, queries[0], 2, ids, scores));
        for (int r = 0; r < 2; r++) {
            slot *want;

            for (int64_t i = 0; i < slots && r + level > 0; i++)
                numbers[i] = -numbers[i];
            want = rank_keys(numbers, slots);
            check_slots(ids + r * topk, scores + r * topk, want, topk, patterns[pattern].name,
                        (pkm_isa)level, &config);
            free(want);
        }
    }
    guard_free(ids, (size_t)(2 * topk) * sizeof *ids);
    guard_free(scores, (size_t)(2 * topk) * sizeof *scores);
    free(numbers);
    free(keys);
}

/* One panel and less, whole panels, more than a block of keys; topk up to all slots. */
static void test_flat_brute_force(void **state)
{
    static const int64_t sizes[][2] = {{1, 1},   {2, 1},    {2, 4},   {7, 49},   {8, 5},
                                       {8, 64},  {9, 10},   {16, 32}, {16, 256}, {17, 32},
                                       {33, 32}, {33, 130}, {40, 40}, {40, 1600}};

    (void)state;
    for (int p = 0; p < (int)(sizeof patterns / sizeof patterns[0]); p++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int compute = PKM_F32; compute <= PKM_BF16; compute++)
                check_flat_pattern(p, sizes[s][0], sizes[s][1], (pkm_dtype)compute);
}

/* Several heads, rows beyond a block, keys beyond one; small integers: many ties. */
static void check_flat_heads_and_rows(int64_t width)
{
    enum { HEADS = 3, N = 19, SLOTS = N * N, TOPK = 9, ROWS = 197, WIDEST = 138 };
    static float keys[HEADS * SLOTS * WIDEST], queries[ROWS * HEADS * WIDEST];
    static float scores[ROWS * HEADS * TOPK], all[SLOTS];
    static int32_t ids[ROWS * HEADS * TOPK];
    pkm_search_config config = {HEADS, N, width, TOPK, PKM_F32, PKM_KEYS_FLAT};

    fill_integers(keys, HEADS * SLOTS * width, 5, -2, 2);
    fill_integers(queries, ROWS * HEADS * width, 6, -2, 2);
    for (int run = 0; run < 2 * ((int)pkm_isa_detected() + 1); run++) {
        config.compute = run % 2 ? PKM_BF16 : PKM_F32;
        check_ok(run_search(&config, (pkm_isa)(run / 2), keys, queries, ROWS, ids, scores));
        for (int r = 0; r < ROWS * HEADS; r += 1 + r % 5) {
            slot *want;

            for (int i = 0; i < SLOTS; i++) {
                const float *key = keys + (r % HEADS * SLOTS + i) * width;

                all[i] = 0;
                for (int64_t d = 0; d < width; d++)
                    all[i] += key[d] * queries[r * width + d];
            }
            want = rank_keys(all, SLOTS);
            check_slots(ids + r * TOPK, scores + r * TOPK, want, TOPK, "flat heads and rows",
                        (pkm_isa)(run / 2), &config);
            free(want);
        }
    }
}

static void test_flat_heads_and_rows(void **state)
{
    (void)state;
    check_flat_heads_and_rows(6);
    check_flat_heads_and_rows(138);
}

static void test_bad_config(void **state)
{
    static const struct {
        pkm_search_config config;
        const char *message;
    } mistakes[] = {
        {{0, 4, 2, 1, PKM_F32, PKM_KEYS_PRODUCT}, "heads is 0"},
        {{1, 46341, 2, 1, PKM_F32, PKM_KEYS_PRODUCT}, "n_keys is 46341"},
        {{1, 4, 3, 1, PKM_F32, PKM_KEYS_PRODUCT}, "key_dim is 3"},
        {{1, 4, 2, 5, PKM_F32, PKM_KEYS_PRODUCT}, "topk is 5: expected 1 to 4"},
        {{1, 4, 2, 1, PKM_I32, PKM_KEYS_PRODUCT}, "compute is"},
        {{1, 4, 2, 17, PKM_F32, PKM_KEYS_FLAT}, "topk is 17: expected 1 to 16"},
        {{2, 46340, 2, 1, PKM_F32, PKM_KEYS_FLAT}, "heads * n_keys^2 of flat keys is 4294791200"},
        {{1, 4, 2, 1, PKM_F32, (pkm_key_kind)2}, "key_kind is 2: expected 0 to 1"},
    };
    pkm_search *search = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++)
        check_fails(pkm_search_create(&search, &mistakes[i].config), PKM_ERR_ARG,
                    mistakes[i].message, NULL);
    assert_null(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brute_force),      cmocka_unit_test(test_size_of_the_paper),
        cmocka_unit_test(test_rounded_tie),      cmocka_unit_test(test_heads_and_rows),
        cmocka_unit_test(test_threads),          cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_flat_brute_force), cmocka_unit_test(test_flat_heads_and_rows),
        cmocka_unit_test(test_bad_config),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
