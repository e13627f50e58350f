/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the public configs of src/memory; each message names the field. */
#ifndef PKM_MEMORY_MEMORY_CONFIG_H
#define PKM_MEMORY_MEMORY_CONFIG_H

#include "base/error.h"
#include "pkm/memory.h"

/* Sub-keys per half at most: slot ids are int32_t. */
enum { PKM_MEMORY_MAX_KEYS = 46340 };
/* Widths and counts beyond this are mistakes; within it no product of two overflows. */
enum { PKM_MEMORY_MAX_WIDTH = 1 << 24 };

/* Slots of a memory of a checked configuration. */
static inline int64_t pkm_memory_slots(const pkm_memory_config *config)
{
    return config->n_keys * config->n_keys;
}

/* The keys of one head: a query is cut into `parts`, each of which meets `count` keys of `width`.
 */
typedef struct pkm_key_shape {
    int64_t parts, count, width;
} pkm_key_shape;

static inline pkm_key_shape pkm_key_shape_of(pkm_key_kind kind, int64_t n_keys, int64_t key_dim)
{
    return kind == PKM_KEYS_FLAT ? (pkm_key_shape){1, n_keys * n_keys, key_dim}
                                 : (pkm_key_shape){2, n_keys, key_dim / 2};
}

/* The key of a part that a slot is found by. */
static inline uint32_t pkm_key_of_slot(const pkm_key_shape *keys, int part, uint32_t slot)
{
    uint32_t count = (uint32_t)keys->count; /* <= PKM_MEMORY_MAX_KEYS where it is used */

    if (keys->parts == 1)
        return slot;
    return part == 0 ? slot / count : slot % count;
}

static inline pkm_key_shape pkm_memory_keys(const pkm_memory_config *config)
{
    return pkm_key_shape_of(config->key_kind, config->n_keys, config->key_dim);
}

/* Shape of the tensor of all keys, [H, 2, n, d_k/2] or [H, slots, d_k]; returns its rank. */
int pkm_memory_key_dims(const pkm_memory_config *config, int64_t dims[4]);

/* PKM_ERR_ARG "<field> is <value>: expected <low> to <high>" unless low <= value <= high. */
pkm_status pkm_check_range(const char *field, int64_t value, int64_t low, int64_t high);

pkm_status pkm_search_config_check(const pkm_search_config *config);
pkm_status pkm_memory_config_check(const pkm_memory_config *config);
pkm_status pkm_store_config_check(const pkm_store_config *config);
/* store: the values are a caller's, so that what concerns them is not looked at. */
pkm_status pkm_memory_options_check(const pkm_memory_options *options, bool store);

#endif
