/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/place.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/size.h"

static bool live_together(const pkm_place *a, const pkm_place *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Puts `item` into list[0..n), keeping it sorted; `before` is the order. */
static void insert_sorted(const pkm_place **list, int n, const pkm_place *item,
                          bool (*before)(const pkm_place *, const pkm_place *))
{
    int at = n;

    for (; at > 0 && before(item, list[at - 1]); at--)
        list[at] = list[at - 1];
    list[at] = item;
}

static bool is_larger(const pkm_place *a, const pkm_place *b)
{
    return a->bytes > b->bytes;
}

static bool is_lower(const pkm_place *a, const pkm_place *b)
{
    return a->offset < b->offset;
}

/* The lowest gap between blocks already placed (sorted by offset) that share time with `place`. */
static size_t lowest_gap(const pkm_place *const *placed, int n_placed, const pkm_place *place)
{
    size_t offset = 0;

    for (int i = 0; i < n_placed; i++) {
        const pkm_place *other = placed[i];

        if (!live_together(place, other))
            continue;
        if (other->offset >= offset && other->offset - offset >= place->bytes)
            break;
        if (other->offset + other->bytes > offset)
            offset = other->offset + other->bytes;
    }
    return offset;
}

/* Rounds sizes up to whole cache lines and checks that all of them together fit size_t. */
static pkm_status round_sizes(pkm_place *places, int n_places)
{
    size_t sum = 0;

    for (int i = 0; i < n_places; i++) {
        size_t padded;

        if (!pkm_size_add(places[i].bytes, PKM_ALIGN - 1, &padded))
            return pkm_fail(PKM_ERR_NOMEM, "a tensor of %zu bytes is too large", places[i].bytes);
        places[i].bytes = padded / PKM_ALIGN * PKM_ALIGN;
        if (!pkm_size_add(sum, places[i].bytes, &sum))
            return pkm_fail(PKM_ERR_NOMEM, "the tensors of the tape are too large together");
    }
    return PKM_OK;
}

pkm_status pkm_places_fit(pkm_place *places, int n_places, size_t *arena_bytes)
{
    const pkm_place **by_size = NULL;
    const pkm_place **placed;
    size_t end = 0;

    PKM_TRY(round_sizes(places, n_places));
    PKM_TRY(pkm_alloc_array((void **)&by_size, pkm_size_product(2, (size_t)n_places),
                            sizeof *by_size, "planning the arena"));
    placed = by_size + n_places;
    for (int i = 0; i < n_places; i++)
        insert_sorted(by_size, i, &places[i], is_larger);
    for (int i = 0; i < n_places; i++) {
        pkm_place *place = &places[by_size[i] - places];

        place->offset = lowest_gap(placed, i, place);
        insert_sorted(placed, i, place, is_lower);
        if (place->offset + place->bytes > end)
            end = place->offset + place->bytes;
    }
    pkm_free(by_size);
    *arena_bytes = end;
    return PKM_OK;
}
