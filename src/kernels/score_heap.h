/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heap of 64-bit keys, largest on top: the score as an ordered integer above, the complement of
 * an index below, so that of equal scores the lowest index comes first.
 */
#ifndef PKM_KERNELS_SCORE_HEAP_H
#define PKM_KERNELS_SCORE_HEAP_H

#include <stdint.h>
#include <string.h>

/* Of a score that is not -0.0 (+ 0.0f makes it +0.0). */
static inline uint64_t score_key(float score, int32_t index)
{
    uint32_t bits;

    memcpy(&bits, &score, sizeof bits);
    bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u;
    return (uint64_t)bits << 32 | ~(uint32_t)index;
}

static inline int32_t score_key_index(uint64_t key)
{
    return (int32_t) ~(uint32_t)key;
}

static inline float score_key_score(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float score;

    bits ^= bits >> 31 ? 0x80000000u : 0xffffffffu;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static inline void score_heap_sift_down(uint64_t *heap, int64_t size, int64_t at)
{
    uint64_t key = heap[at];

    for (int64_t child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= key)
            break;
        heap[at] = heap[child];
    }
    heap[at] = key;
}

#endif
