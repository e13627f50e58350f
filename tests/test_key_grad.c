/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key and query gradients against the sums that define them, over more rows than a block has. Small
 * integers: every sum is exact in any order.
 */
#include "memory/key_grad.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "support/check.h"

enum { ROWS = 2500, HEADS = 2, N = 20, HALF = 3, TOPK = 4 };
enum { HITS = ROWS * HEADS * TOPK, QUERIES = ROWS * HEADS * 2 * HALF };
enum { KEYS = HEADS * N * N * 2 * HALF }; /* flat; of product keys the first tenth */

static int32_t ids[HITS];
static float dscores[HITS], q[QUERIES], keys[KEYS], dq[2][QUERIES], dkeys[2][KEYS];

static void fill(void)
{
    static float slots[HITS];

    fill_integers(slots, HITS, 1, 0, N * N - 1);
    for (int i = 0; i < HITS; i++)
        ids[i] = (int32_t)slots[i];
    fill_integers(dscores, HITS, 2, -3, 3);
    fill_integers(q, QUERIES, 3, -5, 5);
    fill_integers(keys, KEYS, 4, -5, 5);
}

/* The first number of the key of a hit in one half; of a flat key, its half. */
static int64_t key_of(pkm_key_kind kind, int64_t hit, int half)
{
    int64_t head = hit / TOPK % HEADS;

    if (kind == PKM_KEYS_FLAT)
        return ((head * N * N + ids[hit]) * 2 + half) * HALF;
    return ((head * 2 + half) * N + (half == 0 ? ids[hit] / N : ids[hit] % N)) * HALF;
}

/* dq, dkeys [1]; dkeys starts at `base` in the first n_keys numbers, at 7 behind them. */
static void expect(pkm_key_kind kind, int64_t n_rows, float base)
{
    int n_keys = kind == PKM_KEYS_FLAT ? KEYS : HEADS * 2 * N * HALF;

    memset(dq[1], 0, sizeof dq[1]);
    for (int i = 0; i < KEYS; i++)
        dkeys[1][i] = i < n_keys ? base : 7;
    for (int64_t hit = 0; hit < n_rows * HEADS * TOPK; hit++)
        for (int half = 0; half < 2; half++) {
            int64_t query = (hit / TOPK * 2 + half) * HALF;

            for (int c = 0; c < HALF; c++) {
                int64_t at = key_of(kind, hit, half) + c;

                dq[1][query + c] += dscores[hit] * keys[at];
                dkeys[1][at] += dscores[hit] * q[query + c];
            }
        }
}

static void check_run(pkm_key_kind kind, int64_t n_rows, bool accumulate)
{
    pkm_key_grad grad = {.key_kind = kind,
                         .n_rows = n_rows,
                         .heads = HEADS,
                         .n_keys = N,
                         .key_dim = 2 * HALF,
                         .topk = TOPK,
                         .ids = ids,
                         .dscores = dscores,
                         .q = q,
                         .keys = keys,
                         .dq = dq[0],
                         .dkeys = dkeys[0],
                         .accumulate = accumulate};
    void *workspace = aligned_alloc(64, pkm_key_grad_workspace(&grad));

    expect(kind, n_rows, accumulate ? 7 : 0);
    for (int i = 0; i < KEYS; i++)
        dkeys[0][i] = 7;
    memset(dq[0], 0, sizeof dq[0]);
    pkm_key_grad_run(&grad, workspace);
    assert_memory_equal(dq[0], dq[1], sizeof dq[0]);
    assert_memory_equal(dkeys[0], dkeys[1], sizeof dkeys[0]);
    free(workspace);
}

static void test_sums(void **state)
{
    static const int64_t rows[] = {0, 1, 1023, 1024, 1025, ROWS};

    (void)state;
    fill();
    for (int threads = 1; threads <= 7; threads += 3) {
        check_ok(pkm_threads_set(threads));
        for (int r = 0; r < (int)(sizeof rows / sizeof rows[0]); r++)
            for (int kind = PKM_KEYS_PRODUCT; kind <= PKM_KEYS_FLAT; kind++) {
                check_run((pkm_key_kind)kind, rows[r], false);
                check_run((pkm_key_kind)kind, rows[r], true);
            }
    }
    check_ok(pkm_threads_set(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
