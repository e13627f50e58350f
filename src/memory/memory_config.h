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

/* PKM_ERR_ARG "<field> is <value>: expected <low> to <high>" unless low <= value <= high. */
pkm_status pkm_check_range(const char *field, int64_t value, int64_t low, int64_t high);

pkm_status pkm_search_config_check(const pkm_search_config *config);
pkm_status pkm_memory_config_check(const pkm_memory_config *config);
pkm_status pkm_store_config_check(const pkm_store_config *config);
/* store: the values are a caller's, so that what concerns them is not looked at. */
pkm_status pkm_memory_options_check(const pkm_memory_options *options, bool store);

#endif
