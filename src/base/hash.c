/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>

void pkm_hash_init(pkm_hash *hash)
{
    XXH3_INITSTATE(&hash->state);
    (void)XXH3_128bits_reset(&hash->state);
}

void pkm_hash_update(pkm_hash *hash, const void *data, size_t bytes)
{
    (void)XXH3_128bits_update(&hash->state, data, bytes);
}

pkm_digest pkm_hash_digest(const pkm_hash *hash)
{
    XXH128_hash_t value = XXH3_128bits_digest(&hash->state);

    return (pkm_digest){value.high64, value.low64};
}

void pkm_digest_hex(char out[PKM_HASH_HEX], pkm_digest digest)
{
    snprintf(out, PKM_HASH_HEX, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
}
