/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact search alone, checked against scoring every slot: 3 queries, the 4 best of 64 x 64 =
 * 4096 slots each, at the cost of 128 dot products instead of 4096.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pkm/memory.h"

enum { N_KEYS = 64, KEY_DIM = 16, HALF = KEY_DIM / 2, TOPK = 4, QUERIES = 3 };

static void check(pkm_status status)
{
    if (status == PKM_OK)
        return;
    fprintf(stderr, "%s\n", pkm_last_error());
    exit(1);
}

static float uniform(void)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-23f - 1.0f;
}

/* Slot id = i * N_KEYS + j pairs key i of the first half with key j of the second. */
static float score(const float *query, const float keys[2][N_KEYS][HALF], int id)
{
    float sum = 0;

    for (int d = 0; d < HALF; d++)
        sum += query[d] * keys[0][id / N_KEYS][d] + query[HALF + d] * keys[1][id % N_KEYS][d];
    return sum;
}

int main(void)
{
    static float keys[2][N_KEYS][HALF], queries[QUERIES][KEY_DIM];
    int32_t ids[QUERIES][TOPK];
    float scores[QUERIES][TOPK];
    const pkm_search_config config = {
        .heads = 1, .n_keys = N_KEYS, .key_dim = KEY_DIM, .topk = TOPK, .compute = PKM_F32};
    pkm_search *search = NULL;
    void *workspace;
    int mistakes = 0;

    for (int i = 0; i < 2 * N_KEYS * HALF; i++)
        (&keys[0][0][0])[i] = uniform();
    for (int i = 0; i < QUERIES * KEY_DIM; i++)
        (&queries[0][0])[i] = uniform();

    check(pkm_search_create(&search, &config));
    pkm_search_pack(search, &keys[0][0][0]);
    workspace = aligned_alloc(64, (pkm_search_workspace(search) + 63) / 64 * 64);
    if (workspace == NULL)
        return 1;
    check(pkm_search_run(search, &ids[0][0], &scores[0][0], &queries[0][0], QUERIES, workspace));

    for (int q = 0; q < QUERIES; q++) {
        int best = 0;

        for (int id = 1; id < N_KEYS * N_KEYS; id++)
            if (score(queries[q], keys, id) > score(queries[q], keys, best))
                best = id;
        mistakes += ids[q][0] != best;
        printf("query %d:", q);
        for (int k = 0; k < TOPK; k++)
            printf("  slot %4d %.3f", (int)ids[q][k], (double)scores[q][k]);
        printf("   (best of all by brute force: %d)\n", best);
    }
    free(workspace);
    pkm_search_destroy(search);
    return mistakes == 0 ? 0 : 1;
}
