/* SPDX-License-Identifier: Apache-2.0 */
/* Places in one arena for blocks of known lifetimes; blocks that never live together may overlap.
 */
#ifndef PKM_GRAPH_PLACE_H
#define PKM_GRAPH_PLACE_H

#include <stddef.h>

#include "base/error.h"

typedef struct pkm_place {
    int first, last; /* times it is in use, both included */
    size_t bytes;
    size_t offset; /* found by pkm_places_fit, 64-byte aligned */
} pkm_place;

/*
 * Gives every block the lowest offset that is free during its life, largest blocks first, and
 * writes the bytes of the arena. PKM_ERR_NOMEM also if the sum does not fit size_t.
 */
pkm_status pkm_places_fit(pkm_place *places, int n_places, size_t *arena_bytes);

#endif
