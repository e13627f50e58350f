/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a value store, and its moments where they are rewritten too, for a row probe. */
#ifndef PKM_BENCH_STORE_WALK_H
#define PKM_BENCH_STORE_WALK_H

#include "memory/store.h"
#include "row_probe.h"

/* Ids, slice and so on are left to the caller. */
pkm_status pkm_store_walk(pkm_row_walk *out, pkm_store *store, bool rewrite);

#endif
