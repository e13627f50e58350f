/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ceiling of work that is bound by memory: a plain loop that reads rows of tables, or reads and
 * rewrites them with the same bits, and computes nothing. It asks for the lines of later rows in
 * time, in the way that was fastest on these rows in the round that is not measured.
 */
#ifndef PKM_BENCH_ROW_PROBE_H
#define PKM_BENCH_ROW_PROBE_H

#include "measure.h"

enum { PKM_WALK_TABLES = 3 };

/* Where lines of later rows are asked for: more requests may be under way to the second cache. */
typedef enum pkm_row_ask { PKM_ASK_NOWHERE, PKM_ASK_FIRST, PKM_ASK_SECOND } pkm_row_ask;

/* Rows of tables side by side (values and moments): row ids[i] of each, in the order of i. */
typedef struct pkm_row_walk {
    int n_tables;
    char *table[PKM_WALK_TABLES];
    int64_t row_bytes[PKM_WALK_TABLES];
    const int32_t *ids; /* [n_ids] */
    int64_t n_ids;
    int64_t slice; /* visited by a run, the next ones by the next; n_ids is a multiple of it */
    bool rewrite;  /* not only read */

    /* How, found by the probe: */
    pkm_row_ask ask;
    int64_t ahead; /* rows from the one visited to the one asked for */
    int64_t group; /* rows visited together, a KiB of each in turn; 0: each as a whole */

    uint32_t change; /* xor of each word rewritten: 0, which the compiler must not know */
} pkm_row_walk;

/* Bytes that a visit of one row moves, in all tables. */
double pkm_row_walk_bytes(const pkm_row_walk *walk);

/* Visits ids[first..last); returns what it read in a word, so that nothing can be left out. */
typedef uint32_t pkm_row_loop(const pkm_row_walk *walk, int64_t first, int64_t last);

pkm_row_loop pkm_row_loop_ref, pkm_row_loop_avx2, pkm_row_loop_avx512;

/* Adds a ceiling that walks the rows, which are borrowed; *index (may be NULL) names it. */
pkm_status pkm_row_probe_add(pkm_measure *measure, int *index, const char *name,
                             const pkm_row_walk *rows, int threads);

#endif
