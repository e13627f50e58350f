/* SPDX-License-Identifier: Apache-2.0 */
/* 128-bit hashes of contents (XXH3): fast, equal on every machine, no defence against forgery. */
#ifndef PKM_BASE_HASH_H
#define PKM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_STATIC_LINKING_ONLY /* the state as a plain struct */
#include <xxhash.h>

enum { PKM_HASH_HEX = 33 }; /* 32 digits and a NUL */

typedef struct pkm_hash {
    XXH3_state_t state;
} pkm_hash;

typedef struct pkm_digest {
    uint64_t high, low;
} pkm_digest;

void pkm_hash_init(pkm_hash *hash);
void pkm_hash_update(pkm_hash *hash, const void *data, size_t bytes);
/* Of everything so far; more may follow. */
pkm_digest pkm_hash_digest(const pkm_hash *hash);
void pkm_digest_hex(char out[PKM_HASH_HEX], pkm_digest digest);

#endif
