/* SPDX-License-Identifier: Apache-2.0 */
#include "text/piece_counts.h"

#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"
#include "text/split.h"

enum { FIRST_SLOTS = 256, FIRST_BYTES = 4096 };

/* One batch being counted. */
typedef struct counting {
    pkm_corpus *corpus;
    pkm_piece_counts *counts;
    pkm_piece_counts *local; /* [n_threads] */
    pkm_status *statuses;    /* [n_threads], then [PKM_PIECE_SHARDS]: of the two parallel bodies */
    int n_threads;
} counting;

static void table_release(pkm_piece_table *table)
{
    pkm_free(table->slots);
    pkm_free(table->bytes);
    *table = (pkm_piece_table){0};
}

void pkm_piece_counts_release(pkm_piece_counts *counts)
{
    for (int shard = 0; shard < PKM_PIECE_SHARDS; shard++)
        table_release(&counts->shards[shard]);
}

static void table_clear(pkm_piece_table *table)
{
    if (table->used > 0)
        memset(table->slots, 0, table->n_slots * sizeof *table->slots);
    table->used = table->n_bytes = 0;
}

/* The slot of a piece, or the empty one where it belongs; the table has slots. */
static pkm_piece *table_find(const pkm_piece_table *table, uint64_t hash,
                             const unsigned char *piece, size_t length)
{
    size_t mask = table->n_slots - 1, at = hash & mask;

    for (; table->slots[at].count != 0; at = (at + 1) & mask) {
        const pkm_piece *slot = &table->slots[at];

        if (slot->hash == hash && slot->length == length &&
            memcmp(table->bytes + slot->start, piece, length) == 0)
            break;
    }
    return &table->slots[at];
}

static pkm_status grow_slots(pkm_piece_table *table)
{
    pkm_piece *old = table->slots;
    size_t n_old = table->n_slots, n_slots = n_old == 0 ? FIRST_SLOTS : pkm_size_product(2, n_old);

    PKM_TRY(pkm_alloc_array((void **)&table->slots, n_slots, sizeof *old, "a table of pieces"));
    table->n_slots = n_slots;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].count != 0)
            *table_find(table, old[i].hash, table->bytes + old[i].start, old[i].length) = old[i];
    pkm_free(old);
    return PKM_OK;
}

static pkm_status grow_bytes(pkm_piece_table *table)
{
    size_t larger =
        table->byte_capacity == 0 ? FIRST_BYTES : pkm_size_product(2, table->byte_capacity);

    PKM_TRY(pkm_alloc_grow((void **)&table->bytes, table->n_bytes, larger, 1, "a table of pieces"));
    table->byte_capacity = larger;
    return PKM_OK;
}

static pkm_status table_add(pkm_piece_table *table, uint64_t hash, const unsigned char *piece,
                            size_t length, int64_t count)
{
    pkm_piece *slot;

    if (2 * table->used >= table->n_slots)
        PKM_TRY(grow_slots(table));
    if (table->byte_capacity - table->n_bytes < PKM_COUNTED_PIECE_MAX)
        PKM_TRY(grow_bytes(table));
    slot = table_find(table, hash, piece, length);
    if (slot->count == 0) {
        *slot = (pkm_piece){.hash = hash,
                            .start = table->n_bytes,
                            .length = (uint32_t)length}; /* <= PKM_COUNTED_PIECE_MAX */
        memcpy(table->bytes + table->n_bytes, piece, length);
        table->n_bytes += length;
        table->used++;
    }
    slot->count += count;
    return PKM_OK;
}

/* Upper bits choose the shard, lower ones the slot. */
static pkm_status count_piece(pkm_piece_counts *counts, const unsigned char *piece, size_t length)
{
    uint64_t hash = XXH3_64bits(piece, length);

    return table_add(&counts->shards[hash >> 58], hash, piece, length, 1);
}

static pkm_status count_text(pkm_piece_counts *counts, const unsigned char *text, size_t bytes)
{
    while (bytes > 0) {
        size_t piece = pkm_split_next(text, bytes, true);

        for (size_t done = 0, part; done < piece; done += part) {
            part = piece - done < PKM_COUNTED_PIECE_MAX ? piece - done : PKM_COUNTED_PIECE_MAX;
            PKM_TRY(count_piece(counts, text + done, part));
        }
        text += piece;
        bytes -= piece;
    }
    return PKM_OK;
}

static void count_segment(int64_t block, int thread, void *user)
{
    counting *c = user;
    const pkm_segment *segment = &c->corpus->segments[block];

    if (c->statuses[thread] == PKM_OK)
        c->statuses[thread] =
            count_text(&c->local[thread], c->corpus->text + segment->start, segment->bytes);
}

static void add_shard(int64_t shard, int thread, void *user)
{
    counting *c = user;
    pkm_status status = PKM_OK;

    (void)thread;
    for (int t = 0; t < c->n_threads; t++) {
        pkm_piece_table *local = &c->local[t].shards[shard];

        for (size_t i = 0; i < local->n_slots && status == PKM_OK; i++)
            if (local->slots[i].count != 0)
                status = table_add(&c->counts->shards[shard], local->slots[i].hash,
                                   local->bytes + local->slots[i].start, local->slots[i].length,
                                   local->slots[i].count);
        table_clear(local);
    }
    c->statuses[c->n_threads + shard] = status;
}

static pkm_status count_batch(counting *c)
{
    pkm_parallel(c->corpus->n_segments, count_segment, c);
    pkm_parallel(PKM_PIECE_SHARDS, add_shard, c);
    /* The worker's own message is out of reach: messages belong to threads. */
    for (int i = 0; i < c->n_threads + PKM_PIECE_SHARDS; i++)
        if (c->statuses[i] != PKM_OK)
            return pkm_fail(c->statuses[i], "out of memory: a table of pieces");
    return PKM_OK;
}

static pkm_status count_all(counting *c, pkm_progress progress, void *user)
{
    uint64_t done = 0, total = 0;

    for (int64_t i = 0; i < c->corpus->n_documents; i++)
        total += c->corpus->documents[i].end - c->corpus->documents[i].begin;
    PKM_TRY(pkm_corpus_next(c->corpus));
    while (c->corpus->n_segments > 0) {
        PKM_TRY(count_batch(c));
        done += c->corpus->taken;
        if (progress != NULL && progress("count", done, total, user) != 0)
            return pkm_fail(PKM_ERR_CANCELLED, "training the tokenizer was cancelled");
        PKM_TRY(pkm_corpus_next(c->corpus));
    }
    return PKM_OK;
}

pkm_status pkm_piece_counts_add(pkm_piece_counts *counts, const pkm_file_list *files,
                                const pkm_document *documents, int64_t n_documents,
                                pkm_progress progress, void *user)
{
    pkm_corpus corpus;
    counting c = {.corpus = &corpus, .counts = counts, .n_threads = pkm_threads()};
    pkm_status status = pkm_corpus_open(&corpus, files, documents, n_documents);

    if (status == PKM_OK)
        status = pkm_alloc_array((void **)&c.local, (size_t)c.n_threads, sizeof *c.local,
                                 "tables of pieces");
    if (status == PKM_OK)
        status = pkm_alloc_array((void **)&c.statuses,
                                 pkm_size_sum((size_t)c.n_threads, PKM_PIECE_SHARDS),
                                 sizeof *c.statuses, "tables of pieces");
    if (status == PKM_OK)
        status = count_all(&c, progress, user);
    for (int t = 0; c.local != NULL && t < c.n_threads; t++)
        pkm_piece_counts_release(&c.local[t]);
    pkm_free(c.local);
    pkm_free(c.statuses);
    pkm_corpus_close(&corpus);
    return status;
}
