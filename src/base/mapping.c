/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed table without locks or heap: a signal handler may read it while any thread adds or
 * removes. A slot's `begin` is its state; the other fields are written only while it is CLAIMED.
 */
#include "base/mapping.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "pkm/error.h"

enum { SLOTS = 1024, PATH_BYTES = 496 };

/* Values of `begin` that are no address of a mapping. */
enum { FREE = 0, CLAIMED = 1 };

typedef struct slot {
    _Atomic uintptr_t begin;
    size_t bytes;
    char path[PATH_BYTES]; /* the end of it, if it is longer */
} slot;

static slot slots[SLOTS];

void pkm_mapping_add(const void *data, size_t bytes, const char *path)
{
    size_t length = strlen(path);

    if (length >= PATH_BYTES)
        path += length - PATH_BYTES + 1;
    for (int i = 0; i < SLOTS; i++) {
        uintptr_t state = FREE;

        if (!atomic_compare_exchange_strong(&slots[i].begin, &state, CLAIMED))
            continue;
        slots[i].bytes = bytes;
        memcpy(slots[i].path, path, strlen(path) + 1);
        slots[i].begin = (uintptr_t)data;
        return;
    }
}

void pkm_mapping_remove(const void *data)
{
    for (int i = 0; i < SLOTS; i++) {
        uintptr_t begin = (uintptr_t)data;

        if (atomic_compare_exchange_strong(&slots[i].begin, &begin, FREE))
            return;
    }
}

const char *pkm_mapped_file(const void *address)
{
    for (int i = 0; i < SLOTS; i++) {
        uintptr_t begin = slots[i].begin;

        if (begin > CLAIMED && (uintptr_t)address - begin < slots[i].bytes)
            return slots[i].path;
    }
    return NULL;
}
