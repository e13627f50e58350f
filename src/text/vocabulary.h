/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a pkm_tokenizer: tokens as bytes, merges by rank, and the table that finds the merge of
 * a pair. Filled by the trainer or the reader of tokenizer.json, then indexed, then read-only.
 */
#ifndef PKM_TEXT_VOCABULARY_H
#define PKM_TEXT_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "pkm/tokenizer.h"

#define PKM_END_OF_TEXT    "<|endoftext|>"
#define PKM_TOKENIZER_NAME "tokenizer.json" /* of the file */

/* Limits of what is read: beyond them a file is refused. */
enum {
    PKM_VOCAB_MIN = 257, /* 256 bytes and the end of text */
    PKM_VOCAB_MAX = 4 << 20,
    PKM_MERGES_MAX = 8 << 20,
    PKM_TOKEN_BYTES_MAX = 64 << 10
};

enum { PKM_NO_RANK = INT32_MAX };

typedef struct pkm_merge {
    int32_t left, right; /* ids */
    int32_t id;          /* of the token they make */
} pkm_merge;

typedef struct pkm_merge_slot {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: empty */
    int32_t rank;  /* place among the merges; PKM_NO_RANK: empty */
    int32_t id;
} pkm_merge_slot;

struct pkm_tokenizer {
    int64_t n_tokens, n_merges;
    size_t *starts;       /* [n_tokens + 1]: token i is bytes[starts[i] .. starts[i + 1]) */
    unsigned char *bytes; /* [starts[n_tokens]] */
    pkm_merge *merges;    /* [n_merges], by rank */
    pkm_merge_slot *slots;
    int slot_shift;        /* 64 - log2 of the number of slots */
    int32_t byte_ids[256]; /* the token of a byte alone */
    char hash[PKM_HASH_HEX];
};

static inline uint64_t pkm_pair(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* Fibonacci hashing: the upper bits of a product with 2^64 / golden ratio. */
static inline uint64_t pkm_pair_hash(uint64_t pair, int shift)
{
    return ((pair ^ pair >> 29) * 0x9e3779b97f4a7c15u) >> shift;
}

/* The slot of a pair; an empty one if the two do not merge. */
static inline const pkm_merge_slot *pkm_merge_find(const pkm_tokenizer *tokenizer, int32_t left,
                                                   int32_t right)
{
    uint64_t pair = pkm_pair(left, right);
    uint64_t mask = UINT64_MAX >> tokenizer->slot_shift;
    uint64_t at = pkm_pair_hash(pair, tokenizer->slot_shift);

    while (tokenizer->slots[at].pair != pair && tokenizer->slots[at].rank != PKM_NO_RANK)
        at = (at + 1) & mask;
    return &tokenizer->slots[at];
}

/* An empty tokenizer with room for tokens of token_bytes in all, and for merges. */
pkm_status pkm_vocabulary_create(pkm_tokenizer **out, int64_t n_tokens, size_t token_bytes,
                                 int64_t n_merges);

/*
 * Completes byte_ids, slots and hash from tokens and merges. PKM_ERR_FORMAT for a byte without a
 * token, or a pair listed twice.
 */
pkm_status pkm_vocabulary_index(pkm_tokenizer *tokenizer);

/*
 * A tokenizer from merges alone, as the trainer makes them: ids are the 256 bytes in the order of
 * their characters in the alphabet, the merges by rank (merge r makes id 256 + r), end of text.
 */
pkm_status pkm_vocabulary_from_merges(pkm_tokenizer **out, const pkm_merge *merges,
                                      int64_t n_merges);

/* The byte whose token the trainer gives id `id` < 256, and the inverse. */
void pkm_vocabulary_byte_order(unsigned char bytes[256], int32_t ids[256]);

/* tokenizer.json in Hugging Face's format; path is for messages. */
pkm_status pkm_vocabulary_parse(pkm_tokenizer **out, const char *text, size_t bytes,
                                const char *path);
pkm_status pkm_vocabulary_write(const pkm_tokenizer *tokenizer, const char *path);

#endif
