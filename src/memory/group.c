/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/group.h"

#include <string.h>

#include "base/size.h"
#include "base/threads.h"

/*
 * A pass sorts by one digit of the row, lowest digit first. Hits are cut into blocks, a number that
 * depends on how many hits there are and on nothing else; each block counts its digits, and a
 * prefix sum over (digit, block) tells where each block puts them.
 */
enum { DIGIT_BITS = 11, BLOCK_HITS = 8192, MAX_BLOCKS = 64 };

typedef struct sort_plan {
    int passes;
    int digit_bits;
    int64_t n_blocks, block_hits;
} sort_plan;

static sort_plan plan_sort(int64_t n_hits, int64_t slots)
{
    sort_plan plan = {.passes = 0};
    int bits = 0;

    while (((int64_t)1 << bits) < slots)
        bits++;
    plan.passes = (bits + DIGIT_BITS - 1) / DIGIT_BITS;
    if (plan.passes > 0)
        plan.digit_bits = (bits + plan.passes - 1) / plan.passes;
    plan.block_hits = pkm_max_i64(BLOCK_HITS, pkm_ceil_div(n_hits, MAX_BLOCKS));
    plan.n_blocks = pkm_ceil_div(n_hits, plan.block_hits);
    return plan;
}

void pkm_grouping_carve(pkm_grouping *grouping, pkm_arena *arena, int64_t max_hits, int64_t slots)
{
    size_t hits = (size_t)max_hits, groups = (size_t)pkm_min_i64(max_hits, slots);
    size_t digits = (size_t)1 << plan_sort(max_hits, slots).digit_bits;

    grouping->n_groups = 0;
    grouping->rows = pkm_arena_take(arena, groups, sizeof(int32_t));
    grouping->starts = pkm_arena_take(arena, pkm_size_sum(groups, 1), sizeof(int64_t));
    grouping->order = pkm_arena_take(arena, hits, sizeof(int32_t));
    grouping->sources = pkm_arena_take(arena, hits, sizeof(int32_t));
    grouping->weights = pkm_arena_take(arena, hits, sizeof(float));
    grouping->pairs[0] = pkm_arena_take(arena, hits, sizeof(uint64_t));
    grouping->dots = (float *)grouping->pairs[0];
    grouping->pairs[1] = pkm_arena_take(arena, hits, sizeof(uint64_t));
    grouping->counts =
        pkm_arena_take(arena, pkm_size_product(MAX_BLOCKS, digits), sizeof(uint32_t));
}

typedef struct sort_pass {
    const int32_t *ids, *sources;
    const float *weights;
    pkm_grouping *grouping;
    const uint64_t *from;
    uint64_t *to;
    uint32_t *counts; /* [n_blocks][digits] */
    sort_plan plan;
    int64_t n_hits;
    int shift;
    uint32_t digits;
} sort_pass;

static uint32_t digit_of(const sort_pass *pass, uint64_t pair)
{
    return (uint32_t)(pair >> pass->shift) & (pass->digits - 1);
}

static int64_t block_end(const sort_pass *pass, int64_t block)
{
    return pkm_min_i64((block + 1) * pass->plan.block_hits, pass->n_hits);
}

static void pair_block(int64_t block, int thread, void *user)
{
    const sort_pass *pass = user;

    (void)thread;
    for (int64_t i = block * pass->plan.block_hits; i < block_end(pass, block); i++)
        pass->to[i] = (uint64_t)(uint32_t)pass->ids[i] << 32 | (uint64_t)i;
}

static void count_block(int64_t block, int thread, void *user)
{
    const sort_pass *pass = user;
    uint32_t *counts = pass->counts + block * pass->digits;

    (void)thread;
    memset(counts, 0, pass->digits * sizeof *counts);
    for (int64_t i = block * pass->plan.block_hits; i < block_end(pass, block); i++)
        counts[digit_of(pass, pass->from[i])]++;
}

static void scatter_block(int64_t block, int thread, void *user)
{
    const sort_pass *pass = user;
    uint32_t *places = pass->counts + block * pass->digits;

    (void)thread;
    for (int64_t i = block * pass->plan.block_hits; i < block_end(pass, block); i++)
        pass->to[places[digit_of(pass, pass->from[i])]++] = pass->from[i];
}

/* counts [n_blocks][digits] becomes the sum of what stands before in order of (digit, block);
 * returns the sum of all. */
static uint32_t prefix_sum(uint32_t *counts, int64_t n_blocks, uint32_t digits)
{
    uint32_t sum = 0;

    for (uint32_t digit = 0; digit < digits; digit++)
        for (int64_t block = 0; block < n_blocks; block++) {
            uint32_t *here = counts + block * digits + digit;
            uint32_t count = *here;

            *here = sum;
            sum += count;
        }
    return sum;
}

static bool starts_group(const uint64_t *pairs, int64_t i)
{
    return i == 0 || pairs[i] >> 32 != pairs[i - 1] >> 32;
}

static void count_groups(int64_t block, int thread, void *user)
{
    const sort_pass *pass = user;
    uint32_t groups = 0;

    (void)thread;
    for (int64_t i = block * pass->plan.block_hits; i < block_end(pass, block); i++)
        groups += starts_group(pass->from, i);
    pass->counts[block] = groups;
}

static void fill_groups(int64_t block, int thread, void *user)
{
    const sort_pass *pass = user;
    pkm_grouping *grouping = pass->grouping;
    uint32_t group = pass->counts[block];

    (void)thread;
    for (int64_t i = block * pass->plan.block_hits; i < block_end(pass, block); i++) {
        uint32_t hit = (uint32_t)pass->from[i];

        if (starts_group(pass->from, i)) {
            grouping->rows[group] = (int32_t)(pass->from[i] >> 32);
            grouping->starts[group++] = i;
        }
        grouping->order[i] = (int32_t)hit;
        grouping->sources[i] = pass->sources[hit];
        grouping->weights[i] = pass->weights[hit];
    }
}

void pkm_grouping_run(pkm_grouping *grouping, const int32_t *ids, const int32_t *sources,
                      const float *weights, int64_t n_hits, int64_t slots)
{
    sort_pass pass = {
        .ids = ids,
        .sources = sources,
        .weights = weights,
        .grouping = grouping,
        .to = grouping->pairs[0],
        .counts = grouping->counts,
        .plan = plan_sort(n_hits, slots),
        .n_hits = n_hits,
    };
    int64_t n_blocks = pass.plan.n_blocks;

    pkm_parallel(n_blocks, pair_block, &pass);
    pass.digits = (uint32_t)1 << pass.plan.digit_bits;
    for (int i = 0; i < pass.plan.passes; i++) {
        pass.from = grouping->pairs[i % 2];
        pass.to = grouping->pairs[1 - i % 2];
        pass.shift = 32 + i * pass.plan.digit_bits;
        pkm_parallel(n_blocks, count_block, &pass);
        prefix_sum(pass.counts, n_blocks, pass.digits);
        pkm_parallel(n_blocks, scatter_block, &pass);
    }
    pass.from = pass.to;
    pkm_parallel(n_blocks, count_groups, &pass);
    grouping->n_groups = prefix_sum(pass.counts, n_blocks, 1);
    pkm_parallel(n_blocks, fill_groups, &pass);
    grouping->starts[grouping->n_groups] = n_hits;
}
