/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distinct pieces are words of tokens with a count. A table holds each pair's count and the
 * words it was ever put into; merging a pair visits only those words, and corrects the counts of
 * the neighbouring pairs. A heap orders the pairs; a pair whose count has sunk since it was pushed
 * is pushed again when it comes up. Counts of old pairs only sink: only pairs with the new token
 * gain, so each pair needs one entry.
 *
 * No two merges spell the same token: what happens between two token boundaries does not depend on
 * what lies outside, so a stretch that was once merged into a token is always merged into it.
 */
#include "text/merges.h"

#include <string.h>

#include "base/alloc.h"
#include "base/size.h"

enum { FIRST_PAIRS_LOG2 = 12, BLOCK_WORDS = 7, PROGRESS_MERGES = 256 };

typedef struct word {
    uint64_t start; /* of its tokens */
    uint32_t length;
    int64_t count; /* of the piece in the corpus */
} word;

/* Words of a pair, in blocks of a pool: a linked list whose first block alone may be part full. */
typedef struct block {
    uint32_t words[BLOCK_WORDS];
    uint32_t next; /* 0: none */
} block;

typedef struct pair_entry {
    uint64_t pair; /* UINT64_MAX: empty */
    int64_t count;
    uint32_t first_block, n_words;
} pair_entry;

typedef struct candidate {
    int64_t count; /* when pushed */
    uint64_t pair;
} candidate;

typedef struct learner {
    word *words;
    uint32_t n_words;
    int32_t *tokens; /* of all words */
    pair_entry *pairs;
    size_t n_pairs;
    int pair_shift; /* 64 - log2 of the slots of pairs */
    block *blocks;  /* [0] is none */
    uint32_t n_blocks, free_block;
    size_t block_capacity;
    candidate *heap;
    size_t n_heap, heap_capacity;
    uint64_t *fresh; /* pairs that came up since the heap was last fed */
    size_t n_fresh, fresh_capacity;
} learner;

static void learner_release(learner *l)
{
    pkm_free(l->words);
    pkm_free(l->tokens);
    pkm_free(l->pairs);
    pkm_free(l->blocks);
    pkm_free(l->heap);
    pkm_free(l->fresh);
}

/* Room for one more element of an array that doubles. */
static pkm_status reserve_one(void **array, size_t used, size_t *capacity, size_t element_bytes)
{
    size_t larger = *capacity == 0 ? 1024 : pkm_size_product(2, *capacity);

    if (used < *capacity)
        return PKM_OK;
    PKM_TRY(pkm_alloc_grow(array, used, larger, element_bytes, "learning merges"));
    *capacity = larger;
    return PKM_OK;
}

/* --- the table of pairs --- */

static size_t pair_slots(const learner *l)
{
    return (size_t)1 << (64 - l->pair_shift);
}

static pair_entry *pair_find(const learner *l, uint64_t pair)
{
    size_t mask = pair_slots(l) - 1, at = pkm_pair_hash(pair, l->pair_shift);

    while (l->pairs[at].pair != pair && l->pairs[at].pair != UINT64_MAX)
        at = (at + 1) & mask;
    return &l->pairs[at];
}

static pkm_status pairs_create(learner *l, int shift)
{
    size_t slots = (size_t)1 << (64 - shift);

    PKM_TRY(pkm_alloc((void **)&l->pairs, pkm_size_product(slots, sizeof *l->pairs),
                      "a table of pairs"));
    l->pair_shift = shift;
    memset(l->pairs, 0xff, slots * sizeof *l->pairs);
    return PKM_OK;
}

static pkm_status pairs_grow(learner *l)
{
    pair_entry *old = l->pairs;
    size_t n_old = pair_slots(l);

    PKM_TRY(pairs_create(l, l->pair_shift - 1));
    for (size_t i = 0; i < n_old; i++)
        if (old[i].pair != UINT64_MAX)
            *pair_find(l, old[i].pair) = old[i];
    pkm_free(old);
    return PKM_OK;
}

static pkm_status take_block(learner *l, uint32_t *out)
{
    *out = l->free_block;
    if (*out != 0) {
        l->free_block = l->blocks[*out].next;
        return PKM_OK;
    }
    if (l->n_blocks == UINT32_MAX / 2)
        return pkm_fail(PKM_ERR_NOMEM, "out of memory: the text has too many distinct pieces");
    PKM_TRY(reserve_one((void **)&l->blocks, l->n_blocks, &l->block_capacity, sizeof *l->blocks));
    *out = l->n_blocks++;
    return PKM_OK;
}

/* Notes that a word holds the pair; a word noted last is not noted again. */
static pkm_status add_place(learner *l, pair_entry *entry, uint32_t w)
{
    uint32_t used = entry->n_words % BLOCK_WORDS;

    if (entry->n_words > 0 &&
        l->blocks[entry->first_block].words[(entry->n_words - 1) % BLOCK_WORDS] == w)
        return PKM_OK;
    if (used == 0) {
        uint32_t new_block;

        PKM_TRY(take_block(l, &new_block));
        l->blocks[new_block].next = entry->first_block;
        entry->first_block = new_block;
    }
    l->blocks[entry->first_block].words[used] = w;
    entry->n_words++;
    return PKM_OK;
}

/* A pair gains a place in word w. */
static pkm_status pair_gain(learner *l, int32_t left, int32_t right, uint32_t w)
{
    uint64_t pair = pkm_pair(left, right);
    pair_entry *entry;

    if (2 * l->n_pairs >= pair_slots(l))
        PKM_TRY(pairs_grow(l));
    entry = pair_find(l, pair);
    if (entry->pair == UINT64_MAX) {
        PKM_TRY(reserve_one((void **)&l->fresh, l->n_fresh, &l->fresh_capacity, sizeof *l->fresh));
        l->fresh[l->n_fresh++] = pair;
        *entry = (pair_entry){.pair = pair};
        l->n_pairs++;
    }
    entry->count += l->words[w].count;
    return add_place(l, entry, w);
}

static void pair_lose(learner *l, int32_t left, int32_t right, uint32_t w)
{
    pair_find(l, pkm_pair(left, right))->count -= l->words[w].count;
}

/* --- the heap of candidates --- */

static bool before(candidate a, candidate b)
{
    return a.count != b.count ? a.count > b.count : a.pair < b.pair;
}

static pkm_status heap_push(learner *l, candidate value)
{
    size_t at = l->n_heap;

    PKM_TRY(reserve_one((void **)&l->heap, l->n_heap, &l->heap_capacity, sizeof *l->heap));
    l->n_heap++;
    for (; at > 0 && before(value, l->heap[(at - 1) / 2]); at = (at - 1) / 2)
        l->heap[at] = l->heap[(at - 1) / 2];
    l->heap[at] = value;
    return PKM_OK;
}

static candidate heap_pop(learner *l)
{
    candidate top = l->heap[0], value = l->heap[--l->n_heap];
    size_t at = 0;

    for (size_t child = 1; child < l->n_heap; child = 2 * at + 1) {
        if (child + 1 < l->n_heap && before(l->heap[child + 1], l->heap[child]))
            child++;
        if (!before(l->heap[child], value))
            break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    l->heap[at] = value;
    return top;
}

static pkm_status push_fresh(learner *l)
{
    for (size_t i = 0; i < l->n_fresh; i++) {
        int64_t count = pair_find(l, l->fresh[i])->count;

        if (count >= PKM_PAIR_COUNT_MIN)
            PKM_TRY(heap_push(l, (candidate){count, l->fresh[i]}));
    }
    l->n_fresh = 0;
    return PKM_OK;
}

/* The most frequent pair, UINT64_MAX if none repeats. */
static pkm_status pop_best(learner *l, uint64_t *pair)
{
    *pair = UINT64_MAX;
    while (l->n_heap > 0) {
        candidate top = heap_pop(l);
        int64_t count = pair_find(l, top.pair)->count;

        if (count == top.count) {
            *pair = top.pair;
            return PKM_OK;
        }
        if (count >= PKM_PAIR_COUNT_MIN)
            PKM_TRY(heap_push(l, (candidate){count, top.pair}));
    }
    return PKM_OK;
}

/* --- words --- */

/* Moves the pieces of a shard that have pairs to the words. */
static void take_shard(learner *l, const pkm_piece_table *table, uint64_t *n_tokens,
                       const int32_t byte_ids[256])
{
    for (size_t i = 0; i < table->n_slots; i++) {
        const pkm_piece *piece = &table->slots[i];

        if (piece->count == 0 || piece->length < 2)
            continue;
        l->words[l->n_words++] = (word){*n_tokens, piece->length, piece->count};
        for (uint32_t k = 0; k < piece->length; k++)
            l->tokens[(*n_tokens)++] = byte_ids[table->bytes[piece->start + k]];
    }
}

static pkm_status take_words(learner *l, pkm_piece_counts *counts)
{
    size_t n_words = 0, n_bytes = 0;
    uint64_t n_tokens = 0;
    unsigned char bytes[256];
    int32_t byte_ids[256];

    pkm_vocabulary_byte_order(bytes, byte_ids);
    for (int shard = 0; shard < PKM_PIECE_SHARDS; shard++) {
        n_words += counts->shards[shard].used;
        n_bytes += counts->shards[shard].n_bytes;
    }
    if (n_words > UINT32_MAX)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "the text has %zu distinct pieces: expected < 2^32",
                        n_words);
    PKM_TRY(pkm_alloc((void **)&l->words, pkm_size_product(n_words, sizeof *l->words), "words"));
    PKM_TRY(pkm_alloc((void **)&l->tokens, pkm_size_product(n_bytes, sizeof *l->tokens), "words"));
    for (int shard = 0; shard < PKM_PIECE_SHARDS; shard++)
        take_shard(l, &counts->shards[shard], &n_tokens, byte_ids);
    pkm_piece_counts_release(counts);
    return PKM_OK;
}

static pkm_status count_pairs(learner *l)
{
    for (uint32_t w = 0; w < l->n_words; w++) {
        const int32_t *tokens = l->tokens + l->words[w].start;

        for (uint32_t k = 0; k + 1 < l->words[w].length; k++)
            PKM_TRY(pair_gain(l, tokens[k], tokens[k + 1], w));
    }
    return PKM_OK;
}

/* Replaces the pair in a word, left to right, and corrects the pairs beside each place. */
static pkm_status merge_word(learner *l, uint32_t w, pkm_merge merge)
{
    int32_t *tokens = l->tokens + l->words[w].start;
    uint32_t length = l->words[w].length, kept = 0;

    for (uint32_t k = 0; k < length; k++) {
        if (k + 1 == length || tokens[k] != merge.left || tokens[k + 1] != merge.right) {
            tokens[kept++] = tokens[k];
            continue;
        }
        if (kept > 0) {
            pair_lose(l, tokens[kept - 1], merge.left, w);
            PKM_TRY(pair_gain(l, tokens[kept - 1], merge.id, w));
        }
        if (k + 2 < length) {
            pair_lose(l, merge.right, tokens[k + 2], w);
            PKM_TRY(pair_gain(l, merge.id, tokens[k + 2], w));
        }
        tokens[kept++] = merge.id;
        k++;
    }
    l->words[w].length = kept;
    return PKM_OK;
}

static pkm_status merge_pair(learner *l, pkm_merge merge)
{
    uint64_t pair = pkm_pair(merge.left, merge.right);
    pair_entry entry = *pair_find(l, pair);
    uint32_t at = entry.first_block, in_block = (entry.n_words - 1) % BLOCK_WORDS + 1;

    while (at != 0) {
        uint32_t next = l->blocks[at].next;

        for (uint32_t i = 0; i < in_block; i++)
            PKM_TRY(merge_word(l, l->blocks[at].words[i], merge));
        l->blocks[at].next = l->free_block;
        l->free_block = at;
        at = next;
        in_block = BLOCK_WORDS;
    }
    *pair_find(l, pair) = (pair_entry){.pair = pair};
    return push_fresh(l);
}

static pkm_status learn(learner *l, pkm_merge *merges, int64_t *n_merges, int64_t max_merges,
                        pkm_progress progress, void *user)
{
    int64_t n = 0;

    PKM_TRY(pairs_create(l, 64 - FIRST_PAIRS_LOG2));
    PKM_TRY(take_block(l, &(uint32_t){0})); /* block 0 means none */
    PKM_TRY(count_pairs(l));
    PKM_TRY(push_fresh(l));
    for (; n < max_merges; n++) {
        uint64_t pair;

        PKM_TRY(pop_best(l, &pair));
        if (pair == UINT64_MAX)
            break;
        merges[n] =
            (pkm_merge){(int32_t)(pair >> 32), (int32_t)(pair & UINT32_MAX), (int32_t)(256 + n)};
        PKM_TRY(merge_pair(l, merges[n]));
        if (progress != NULL && (n + 1) % PROGRESS_MERGES == 0 &&
            progress("merge", (uint64_t)n + 1, (uint64_t)max_merges, user) != 0)
            return pkm_fail(PKM_ERR_CANCELLED, "training the tokenizer was cancelled");
    }
    *n_merges = n;
    return PKM_OK;
}

pkm_status pkm_merges_learn(pkm_merge *merges, int64_t *n_merges, int64_t max_merges,
                            pkm_piece_counts *counts, pkm_progress progress, void *user)
{
    learner l = {0};
    pkm_status status = take_words(&l, counts);

    if (status == PKM_OK)
        status = learn(&l, merges, n_merges, max_merges, progress, user);
    learner_release(&l);
    return status;
}
