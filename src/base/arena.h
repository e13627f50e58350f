/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carves one block into aligned pieces. The same carving function runs twice: once with base NULL
 * to measure, once with memory to place, so that size and layout cannot disagree.
 */
#ifndef PKM_BASE_ARENA_H
#define PKM_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/size.h"

typedef struct pkm_arena {
    char *base;  /* NULL while measuring */
    size_t used; /* bytes handed out, alignment included; SIZE_MAX: too many, none can be had */
} pkm_arena;

/* The next piece of count * element_bytes bytes, 64-byte aligned; NULL while measuring. */
static inline void *pkm_arena_take(pkm_arena *arena, size_t count, size_t element_bytes)
{
    size_t start = arena->used;
    size_t bytes = pkm_round_up(pkm_size_product(count, element_bytes), PKM_ALIGN);

    arena->used = pkm_size_sum(start, bytes);
    return arena->base == NULL ? NULL : arena->base + start;
}

#endif
