/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one allocator of the library. Blocks are 64-byte aligned (a cache line, an AVX-512 register).
 * A hook lets tests make the n-th allocation fail; nothing else in src/ calls malloc.
 */
#ifndef PKM_BASE_ALLOC_H
#define PKM_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { PKM_ALIGN = 64 };

/* *out = `bytes` uninitialised bytes (0 gives a valid pointer). PKM_ERR_NOMEM names `what`. */
pkm_status pkm_alloc(void **out, size_t bytes, const char *what);

/* *out = `count` elements of `element_bytes`, zeroed; the product is checked. */
pkm_status pkm_alloc_array(void **out, size_t count, size_t element_bytes, const char *what);

/*
 * Grows *block from `used` elements of content to room for `count`, the product checked; on failure
 * *block is unchanged. `*block` may be NULL with used 0.
 */
pkm_status pkm_alloc_grow(void **block, size_t used, size_t count, size_t element_bytes,
                          const char *what);

/* Releases a block of the three functions above; NULL is allowed. */
void pkm_free(void *block);

/* *out = zeroed whole pages, huge pages asked for: for value tables and arenas. */
pkm_status pkm_pages_alloc(void **out, size_t bytes, const char *what);
void pkm_pages_free(void *pages, size_t bytes);

/* Tests only: called before each allocation; returning true makes it fail. NULL removes it. */
typedef bool (*pkm_alloc_hook)(size_t bytes, void *user);
void pkm_alloc_set_hook(pkm_alloc_hook hook, void *user);

/* Blocks and pages handed out and not yet freed: what tests find leaks by. */
int64_t pkm_alloc_live(void);

/* Copies a string with its NUL. */
pkm_status pkm_string_copy(char **out, const char *text);

#endif
