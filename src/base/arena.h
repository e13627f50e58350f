/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carves one block into aligned pieces. The same carving function runs twice: once with base NULL
 * to measure, once with memory to place, so that size and layout cannot disagree.
 */
#ifndef PKM_BASE_ARENA_H
#define PKM_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/size.h"

typedef struct pkm_arena {
    char *base;      /* NULL while measuring */
    size_t used;     /* bytes handed out, alignment included */
    bool overflowed; /* a size did not fit size_t: checked once, after carving */
} pkm_arena;

/* The next piece of count * element_bytes bytes, 64-byte aligned; NULL while measuring. */
static inline void *pkm_arena_take(pkm_arena *arena, size_t count, size_t element_bytes)
{
    size_t bytes = 0, start = arena->used, end = 0;

    if (!pkm_size_mul(count, element_bytes, &bytes) ||
        !pkm_size_add(bytes, PKM_ALIGN - 1, &bytes) ||
        !pkm_size_add(start, bytes / PKM_ALIGN * PKM_ALIGN, &end)) {
        arena->overflowed = true;
        return NULL;
    }
    arena->used = end;
    return arena->base == NULL ? NULL : arena->base + start;
}

#endif
