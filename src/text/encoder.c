/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-level BPE: each piece of the split rule starts as bytes; of all neighbours that merge, the
 * pair of lowest rank, leftmost of equals, becomes one token, until none merges. Pieces come back
 * often, so the ids of short ones are remembered; long ones use a heap (n log n).
 */
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/size.h"
#include "text/split.h"
#include "text/vocabulary.h"

enum {
    SHORT_MAX = 48,       /* bytes up to which a scan for the lowest rank beats a heap */
    CACHE_KEY_BYTES = 30, /* so that an entry fills */
    CACHE_IDS = 8,        /* a cache line of 64 */
    CACHE_ENTRIES = 1 << 15
};

typedef struct cache_entry {
    unsigned char length, n_ids; /* length 0: empty */
    unsigned char key[CACHE_KEY_BYTES];
    int32_t ids[CACHE_IDS];
} cache_entry;

/* A token of a long piece in a doubly linked list; -1 ends it. */
typedef struct symbol {
    int32_t id; /* -1: merged away */
    int32_t previous, next;
} symbol;

struct pkm_encoder {
    const pkm_tokenizer *tokenizer;
    cache_entry *cache; /* [CACHE_ENTRIES] */
    int32_t *ids;       /* [ids_capacity] of the text so far */
    size_t n_ids, ids_capacity;
    symbol *symbols; /* [long_capacity] */
    uint64_t *heap;  /* [2 * long_capacity] rank << 32 | position: the least is the next merge */
    size_t n_heap, long_capacity;
};

pkm_status pkm_encoder_create(pkm_encoder **out, const pkm_tokenizer *tokenizer)
{
    pkm_encoder *encoder;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&encoder, 1, sizeof *encoder, "an encoder"));
    encoder->tokenizer = tokenizer;
    status = pkm_alloc_array((void **)&encoder->cache, CACHE_ENTRIES, sizeof *encoder->cache,
                             "an encoder's cache");
    if (status != PKM_OK) {
        pkm_encoder_destroy(encoder);
        return status;
    }
    *out = encoder;
    return PKM_OK;
}

void pkm_encoder_destroy(pkm_encoder *encoder)
{
    if (encoder == NULL)
        return;
    pkm_free(encoder->cache);
    pkm_free(encoder->ids);
    pkm_free(encoder->symbols);
    pkm_free(encoder->heap);
    pkm_free(encoder);
}

/* Ids of a short piece in place; returns how many are left of count. */
static size_t merge_short(const pkm_tokenizer *tokenizer, int32_t *ids, size_t count)
{
    const pkm_merge_slot *merges[SHORT_MAX]; /* [i]: of ids[i] and ids[i + 1] */

    for (size_t i = 0; i + 1 < count; i++)
        merges[i] = pkm_merge_find(tokenizer, ids[i], ids[i + 1]);
    while (count > 1) {
        size_t best = 0;

        for (size_t i = 1; i + 1 < count; i++)
            if (merges[i]->rank < merges[best]->rank)
                best = i;
        if (merges[best]->rank == PKM_NO_RANK)
            break;
        ids[best] = merges[best]->id;
        count--;
        for (size_t i = best + 1; i < count; i++) {
            ids[i] = ids[i + 1];
            merges[i - 1] = merges[i];
        }
        if (best > 0)
            merges[best - 1] = pkm_merge_find(tokenizer, ids[best - 1], ids[best]);
        if (best + 1 < count)
            merges[best] = pkm_merge_find(tokenizer, ids[best], ids[best + 1]);
    }
    return count;
}

static void sift_down(uint64_t *heap, size_t count, size_t at)
{
    uint64_t value = heap[at];

    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (value <= heap[child])
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static void heap_push(pkm_encoder *encoder, uint64_t value)
{
    uint64_t *heap = encoder->heap;
    size_t at = encoder->n_heap++;

    for (; at > 0 && value < heap[(at - 1) / 2]; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = value;
}

static uint64_t heap_pop(pkm_encoder *encoder)
{
    uint64_t top = encoder->heap[0];

    encoder->heap[0] = encoder->heap[--encoder->n_heap];
    sift_down(encoder->heap, encoder->n_heap, 0);
    return top;
}

/* Room for a piece's symbols. Heap: a pair each at first, and each merge takes one, adds two. */
static pkm_status reserve_long(pkm_encoder *encoder, size_t bytes)
{
    if (bytes <= encoder->long_capacity)
        return PKM_OK;
    encoder->long_capacity = 0;
    PKM_TRY(pkm_alloc_grow((void **)&encoder->symbols, 0, bytes, sizeof *encoder->symbols,
                           "a long piece"));
    PKM_TRY(pkm_alloc_grow((void **)&encoder->heap, 0, bytes, 2 * sizeof *encoder->heap,
                           "a long piece"));
    encoder->long_capacity = bytes;
    return PKM_OK;
}

static const pkm_merge_slot *merge_at(const pkm_encoder *encoder, int32_t at)
{
    const symbol *left = &encoder->symbols[at];

    return pkm_merge_find(encoder->tokenizer, left->id, encoder->symbols[left->next].id);
}

static void push_merge(pkm_encoder *encoder, int32_t at)
{
    int32_t rank = merge_at(encoder, at)->rank;

    if (rank != PKM_NO_RANK)
        heap_push(encoder, (uint64_t)rank << 32 | (uint32_t)at);
}

static void start_long(pkm_encoder *encoder, const unsigned char *piece, int32_t bytes)
{
    symbol *symbols = encoder->symbols;

    for (int32_t i = 0; i < bytes; i++)
        symbols[i] = (symbol){encoder->tokenizer->byte_ids[piece[i]], i - 1, i + 1};
    symbols[bytes - 1].next = -1;
    encoder->n_heap = 0;
    for (int32_t i = 0; i + 1 < bytes; i++)
        push_merge(encoder, i);
}

/* Appends the ids of a long piece; room for them has been made. */
static pkm_status encode_long(pkm_encoder *encoder, const unsigned char *piece, size_t bytes)
{
    symbol *symbols;

    PKM_TRY(reserve_long(encoder, bytes));
    symbols = encoder->symbols;
    start_long(encoder, piece, (int32_t)bytes); /* <= PKM_PIECE_MAX */
    while (encoder->n_heap > 0) {
        uint64_t top = heap_pop(encoder);
        int32_t at = (int32_t)(top & UINT32_MAX), next = symbols[at].next;
        const pkm_merge_slot *merge;

        /* Entries go stale when a neighbour merges: the rank tells whether this one still holds. */
        if (symbols[at].id < 0 || next < 0)
            continue;
        merge = merge_at(encoder, at);
        if (merge->rank != (int32_t)(top >> 32))
            continue;
        symbols[at].id = merge->id;
        symbols[at].next = symbols[next].next;
        symbols[next].id = -1;
        if (symbols[at].next >= 0) {
            symbols[symbols[at].next].previous = at;
            push_merge(encoder, at);
        }
        if (symbols[at].previous >= 0)
            push_merge(encoder, symbols[at].previous);
    }
    for (int32_t at = 0; at >= 0; at = symbols[at].next)
        encoder->ids[encoder->n_ids++] = symbols[at].id;
    return PKM_OK;
}

/* Appends the ids of a piece of at most SHORT_MAX bytes. */
static void encode_short(pkm_encoder *encoder, const unsigned char *piece, size_t bytes)
{
    int32_t *ids = encoder->ids + encoder->n_ids;

    for (size_t i = 0; i < bytes; i++)
        ids[i] = encoder->tokenizer->byte_ids[piece[i]];
    encoder->n_ids += merge_short(encoder->tokenizer, ids, bytes);
}

static void encode_cached(pkm_encoder *encoder, const unsigned char *piece, size_t bytes)
{
    cache_entry *entry = &encoder->cache[XXH3_64bits(piece, bytes) % CACHE_ENTRIES];
    int32_t *ids = encoder->ids + encoder->n_ids;
    size_t count;

    if (entry->length == bytes && memcmp(entry->key, piece, bytes) == 0) {
        memcpy(ids, entry->ids, sizeof entry->ids);
        encoder->n_ids += entry->n_ids;
        return;
    }
    encode_short(encoder, piece, bytes);
    count = (size_t)(encoder->ids + encoder->n_ids - ids);
    if (count > CACHE_IDS)
        return;
    entry->length = (unsigned char)bytes;
    entry->n_ids = (unsigned char)count;
    memcpy(entry->key, piece, bytes);
    memcpy(entry->ids, ids, count * sizeof *ids);
}

/* Room for the ids of `bytes` more bytes, and for a whole cache entry. */
static pkm_status reserve_ids(pkm_encoder *encoder, size_t bytes)
{
    size_t needed = encoder->n_ids + bytes + CACHE_IDS, larger;

    if (needed <= encoder->ids_capacity)
        return PKM_OK;
    larger = pkm_size_sum(needed, needed / 2);
    PKM_TRY(pkm_alloc_grow((void **)&encoder->ids, encoder->n_ids, larger, sizeof *encoder->ids,
                           "ids"));
    encoder->ids_capacity = larger;
    return PKM_OK;
}

pkm_status pkm_encoder_encode(pkm_encoder *encoder, const int32_t **ids, int64_t *n_ids,
                              const void *text, size_t bytes)
{
    const unsigned char *rest = text;

    encoder->n_ids = 0;
    while (bytes > 0) {
        size_t piece = pkm_split_next(rest, bytes, true);

        PKM_TRY(reserve_ids(encoder, piece));
        if (piece <= CACHE_KEY_BYTES)
            encode_cached(encoder, rest, piece);
        else if (piece <= SHORT_MAX)
            encode_short(encoder, rest, piece);
        else
            PKM_TRY(encode_long(encoder, rest, piece));
        rest += piece;
        bytes -= piece;
    }
    *ids = encoder->ids;
    *n_ids = (int64_t)encoder->n_ids;
    return PKM_OK;
}
