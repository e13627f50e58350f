/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/dtype.h"
#include "base/size.h"
#include "ops/attention.h"

/* Bytes of the keys alone, or of the values. */
static pkm_status half_bytes(const pkm_kv_cache_config *config, size_t *bytes)
{
    int64_t dims[] = {config->n_layers, config->n_sequences, config->seq_len, config->dim};

    if (!pkm_size_shape(dims, 4, pkm_dtype_bytes(config->dtype), bytes))
        return pkm_fail(PKM_ERR_NOMEM,
                        "a KV cache of %lld layers, %lld x %lld positions of width "
                        "%lld is too large",
                        (long long)dims[0], (long long)dims[1], (long long)dims[2],
                        (long long)dims[3]);
    return PKM_OK;
}

pkm_status pkm_kv_cache_create(pkm_kv_cache **out, const pkm_kv_cache_config *config)
{
    pkm_kv_cache *cache;
    size_t bytes;
    pkm_status status;

    PKM_TRY(half_bytes(config, &bytes));
    PKM_TRY(pkm_alloc_array((void **)&cache, 1, sizeof *cache, "a KV cache"));
    cache->config = *config;
    cache->bytes = bytes;
    status = pkm_pages_alloc(&cache->keys, bytes, "the keys of a KV cache");
    if (status == PKM_OK)
        status = pkm_pages_alloc(&cache->values, bytes, "the values of a KV cache");
    if (status == PKM_OK)
        status =
            pkm_alloc_array((void **)&cache->filled,
                            pkm_size_product((size_t)config->n_layers, (size_t)config->n_sequences),
                            sizeof *cache->filled, "a KV cache");
    if (status != PKM_OK) {
        pkm_kv_cache_destroy(cache);
        return status;
    }
    *out = cache;
    return PKM_OK;
}

void pkm_kv_cache_destroy(pkm_kv_cache *cache)
{
    if (cache == NULL)
        return;
    pkm_pages_free(cache->keys, cache->bytes);
    pkm_pages_free(cache->values, cache->bytes);
    pkm_free(cache->filled);
    pkm_free(cache);
}
