/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/threads.h"
#include "support/check.h"

enum { MAX_HITS = 60000 };

typedef struct hits {
    int32_t ids[MAX_HITS], sources[MAX_HITS];
    float weights[MAX_HITS];
} hits;

static void fill(hits *out, int64_t n_hits, int64_t slots)
{
    pkm_rng rng = {.seed = 4};

    for (int64_t i = 0; i < n_hits; i++) {
        out->ids[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % (uint32_t)slots);
        out->sources[i] = (int32_t)(i / 3);
        out->weights[i] = (float)i;
    }
}

static void *make(pkm_grouping *out, int64_t max_hits, int64_t slots)
{
    pkm_arena arena = {0};

    pkm_grouping_carve(out, &arena, max_hits, slots);
    check_ok(pkm_alloc((void **)&arena.base, arena.used, "a grouping"));
    arena.used = 0;
    pkm_grouping_carve(out, &arena, max_hits, slots);
    return arena.base;
}

/* Every hit once; rows ascending; within a row in order; sources and weights those of the hit. */
static void check_grouping(const pkm_grouping *g, const hits *h, int64_t n_hits)
{
    unsigned char *seen = calloc((size_t)n_hits + 1, 1);

    assert_int_equal(g->starts[0], 0);
    assert_int_equal(g->starts[g->n_groups], n_hits);
    for (int64_t group = 0; group < g->n_groups; group++) {
        assert_true(group == 0 || g->rows[group] > g->rows[group - 1]);
        assert_true(g->starts[group + 1] > g->starts[group]);
        for (int64_t i = g->starts[group]; i < g->starts[group + 1]; i++) {
            int32_t hit = g->order[i];

            assert_true(hit >= 0 && hit < n_hits && !seen[hit]);
            seen[hit] = 1;
            assert_true(i == g->starts[group] || g->order[i - 1] < hit);
            assert_int_equal(h->ids[hit], g->rows[group]);
            assert_int_equal(h->sources[hit], g->sources[i]);
            assert_true(h->weights[hit] == g->weights[i]);
        }
    }
    free(seen);
}

static void test_groups(void **state)
{
    static const int64_t slots[] = {1, 2, 3, 2048, 2049, 262144, INT32_MAX};
    static const int64_t counts[] = {0, 1, 2, 1000, MAX_HITS};
    hits *h = malloc(sizeof *h);

    (void)state;
    for (size_t s = 0; s < sizeof slots / sizeof slots[0]; s++)
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            pkm_grouping grouping;
            void *memory = make(&grouping, counts[c], slots[s]);

            fill(h, counts[c], slots[s]);
            if (counts[c] > 1)
                h->ids[1] = (int32_t)(slots[s] - 1);
            pkm_grouping_run(&grouping, h->ids, h->sources, h->weights, counts[c], slots[s]);
            check_grouping(&grouping, h, counts[c]);
            /* Fewer hits than it was made for, in the same memory. */
            pkm_grouping_run(&grouping, h->ids, h->sources, h->weights, counts[c] / 3, slots[s]);
            check_grouping(&grouping, h, counts[c] / 3);
            pkm_free(memory);
        }
    free(h);
}

static void test_any_threads(void **state)
{
    static const int threads[] = {1, 2, 3, 7};
    hits *h = malloc(sizeof *h);
    pkm_grouping first, other;
    void *memory = make(&first, MAX_HITS, 5000), *more = make(&other, MAX_HITS, 5000);

    (void)state;
    fill(h, MAX_HITS, 5000);
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        pkm_grouping *g = t == 0 ? &first : &other;

        check_ok(pkm_threads_set(threads[t]));
        pkm_grouping_run(g, h->ids, h->sources, h->weights, MAX_HITS, 5000);
        assert_int_equal(g->n_groups, first.n_groups);
        assert_memory_equal(g->order, first.order, MAX_HITS * sizeof(int32_t));
        assert_memory_equal(g->starts, first.starts,
                            ((size_t)first.n_groups + 1) * sizeof(int64_t));
    }
    check_ok(pkm_threads_set(0));
    pkm_free(memory);
    pkm_free(more);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_any_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
