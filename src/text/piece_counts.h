/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often each distinct piece occurs in a corpus: all that learning merges needs to know of it.
 * Each thread counts its part of a batch in tables of its own; then these are added to the shared
 * ones, shard by shard. The counts do not depend on who counted what.
 */
#ifndef PKM_TEXT_PIECE_COUNTS_H
#define PKM_TEXT_PIECE_COUNTS_H

#include "pkm/tokenizer.h"
#include "text/corpus.h"

/* Longer pieces are counted as parts of this length, so that a huge one costs linear time. */
enum { PKM_COUNTED_PIECE_MAX = 512 };

enum { PKM_PIECE_SHARDS = 64 }; /* by hash: units of parallel work */

typedef struct pkm_piece {
    uint64_t hash;
    int64_t count; /* 0: an empty slot */
    size_t start;  /* in the table's bytes */
    uint32_t length;
} pkm_piece;

/* An open-addressing table of pieces. */
typedef struct pkm_piece_table {
    pkm_piece *slots; /* [n_slots], a power of 2, at most half full */
    size_t n_slots, used;
    unsigned char *bytes;
    size_t n_bytes, byte_capacity;
} pkm_piece_table;

typedef struct pkm_piece_counts {
    pkm_piece_table shards[PKM_PIECE_SHARDS];
} pkm_piece_counts;

/* Counts the pieces of documents into counts, which starts as {0}; release it after a failure too.
 */
pkm_status pkm_piece_counts_add(pkm_piece_counts *counts, const pkm_file_list *files,
                                const pkm_document *documents, int64_t n_documents,
                                pkm_progress progress, void *user);
void pkm_piece_counts_release(pkm_piece_counts *counts);

#endif
