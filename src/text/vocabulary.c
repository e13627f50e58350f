/* SPDX-License-Identifier: Apache-2.0 */
#include "text/vocabulary.h"

#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "text/alphabet.h"

pkm_status pkm_vocabulary_create(pkm_tokenizer **out, int64_t n_tokens, size_t token_bytes,
                                 int64_t n_merges)
{
    pkm_tokenizer *tokenizer;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&tokenizer, 1, sizeof *tokenizer, "a tokenizer"));
    tokenizer->n_tokens = n_tokens;
    tokenizer->n_merges = n_merges;
    status = pkm_alloc_array((void **)&tokenizer->starts, pkm_size_sum((size_t)n_tokens, 1),
                             sizeof *tokenizer->starts, "a vocabulary");
    if (status == PKM_OK)
        status = pkm_alloc((void **)&tokenizer->bytes, token_bytes, "a vocabulary");
    if (status == PKM_OK)
        status = pkm_alloc_array((void **)&tokenizer->merges, (size_t)n_merges,
                                 sizeof *tokenizer->merges, "merges");
    if (status != PKM_OK) {
        pkm_tokenizer_destroy(tokenizer);
        return status;
    }
    *out = tokenizer;
    return PKM_OK;
}

void pkm_tokenizer_destroy(pkm_tokenizer *tokenizer)
{
    if (tokenizer == NULL)
        return;
    pkm_free(tokenizer->starts);
    pkm_free(tokenizer->bytes);
    pkm_free(tokenizer->merges);
    pkm_free(tokenizer->slots);
    pkm_free(tokenizer);
}

int64_t pkm_tokenizer_vocab_size(const pkm_tokenizer *tokenizer)
{
    return tokenizer->n_tokens;
}

int32_t pkm_tokenizer_end_of_text(const pkm_tokenizer *tokenizer)
{
    return (int32_t)(tokenizer->n_tokens - 1);
}

const char *pkm_tokenizer_hash(const pkm_tokenizer *tokenizer)
{
    return tokenizer->hash;
}

static pkm_status index_bytes(pkm_tokenizer *tokenizer)
{
    memset(tokenizer->byte_ids, -1, sizeof tokenizer->byte_ids);
    for (int64_t id = 0; id < tokenizer->n_tokens; id++)
        if (tokenizer->starts[id + 1] - tokenizer->starts[id] == 1)
            tokenizer->byte_ids[tokenizer->bytes[tokenizer->starts[id]]] = (int32_t)id;
    for (int byte = 0; byte < 256; byte++)
        if (tokenizer->byte_ids[byte] < 0)
            return pkm_fail(PKM_ERR_FORMAT, "model.vocab has no token for byte 0x%02x", byte);
    return PKM_OK;
}

/* At most half full, so that a miss ends soon. */
static pkm_status create_slots(pkm_tokenizer *tokenizer)
{
    size_t n_slots = 2;

    tokenizer->slot_shift = 63;
    while (n_slots < 2 * (size_t)tokenizer->n_merges) {
        n_slots *= 2;
        tokenizer->slot_shift--;
    }
    PKM_TRY(pkm_alloc((void **)&tokenizer->slots,
                      pkm_size_product(n_slots, sizeof *tokenizer->slots), "the table of merges"));
    for (size_t i = 0; i < n_slots; i++)
        tokenizer->slots[i] = (pkm_merge_slot){UINT64_MAX, PKM_NO_RANK, -1};
    return PKM_OK;
}

static pkm_status index_merges(pkm_tokenizer *tokenizer)
{
    PKM_TRY(create_slots(tokenizer));
    for (int64_t rank = 0; rank < tokenizer->n_merges; rank++) {
        pkm_merge merge = tokenizer->merges[rank];
        pkm_merge_slot *slot = (pkm_merge_slot *)pkm_merge_find(tokenizer, merge.left, merge.right);

        if (slot->rank != PKM_NO_RANK)
            return pkm_fail(PKM_ERR_FORMAT, "model.merges[%lld] repeats model.merges[%d]",
                            (long long)rank, slot->rank);
        *slot = (pkm_merge_slot){pkm_pair(merge.left, merge.right), (int32_t)rank, merge.id};
    }
    return PKM_OK;
}

static void hash_all(pkm_tokenizer *tokenizer)
{
    pkm_hash hash;

    pkm_hash_init(&hash);
    pkm_hash_update(&hash, tokenizer->starts,
                    ((size_t)tokenizer->n_tokens + 1) * sizeof *tokenizer->starts);
    pkm_hash_update(&hash, tokenizer->bytes, tokenizer->starts[tokenizer->n_tokens]);
    pkm_hash_update(&hash, tokenizer->merges,
                    (size_t)tokenizer->n_merges * sizeof *tokenizer->merges);
    pkm_digest_hex(tokenizer->hash, pkm_hash_digest(&hash));
}

pkm_status pkm_vocabulary_index(pkm_tokenizer *tokenizer)
{
    PKM_TRY(index_bytes(tokenizer));
    PKM_TRY(index_merges(tokenizer));
    hash_all(tokenizer);
    return PKM_OK;
}

void pkm_vocabulary_byte_order(unsigned char bytes[256], int32_t ids[256])
{
    int32_t next = 0;

    for (int code = 0; code <= PKM_ALPHABET_SOFT_HYPHEN; code++) {
        int byte = pkm_alphabet_byte(code);

        if (byte >= 0) {
            bytes[next] = (unsigned char)byte;
            ids[byte] = next++;
        }
    }
}

/* Bytes of all tokens that `merges` make, end of text included. */
static size_t count_bytes(size_t *lengths, const pkm_merge *merges, int64_t n_merges)
{
    size_t end_bytes = sizeof PKM_END_OF_TEXT - 1, total = pkm_size_sum(256, end_bytes);

    for (int64_t id = 0; id < 256; id++)
        lengths[id] = 1;
    for (int64_t r = 0; r < n_merges; r++) {
        lengths[256 + r] = pkm_size_sum(lengths[merges[r].left], lengths[merges[r].right]);
        total = pkm_size_sum(total, lengths[256 + r]);
    }
    lengths[256 + n_merges] = end_bytes;
    return total;
}

static void fill_tokens(pkm_tokenizer *tokenizer, const size_t *lengths, const pkm_merge *merges)
{
    unsigned char *bytes = tokenizer->bytes;
    size_t *starts = tokenizer->starts;
    int32_t ids[256];

    pkm_vocabulary_byte_order(bytes, ids);
    for (int64_t id = 0; id < tokenizer->n_tokens; id++)
        starts[id + 1] = starts[id] + lengths[id];
    for (int64_t r = 0; r < tokenizer->n_merges; r++) {
        unsigned char *token = bytes + starts[256 + r];
        size_t left = lengths[merges[r].left];

        memcpy(token, bytes + starts[merges[r].left], left);
        memcpy(token + left, bytes + starts[merges[r].right], lengths[merges[r].right]);
        tokenizer->merges[r] = merges[r];
    }
    memcpy(bytes + starts[tokenizer->n_tokens - 1], PKM_END_OF_TEXT, sizeof PKM_END_OF_TEXT - 1);
}

pkm_status pkm_vocabulary_from_merges(pkm_tokenizer **out, const pkm_merge *merges,
                                      int64_t n_merges)
{
    int64_t n_tokens = PKM_VOCAB_MIN + n_merges;
    pkm_tokenizer *tokenizer;
    size_t *lengths;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&lengths, (size_t)n_tokens, sizeof *lengths, "a vocabulary"));
    status = pkm_vocabulary_create(&tokenizer, n_tokens, count_bytes(lengths, merges, n_merges),
                                   n_merges);
    if (status == PKM_OK) {
        fill_tokens(tokenizer, lengths, merges);
        status = pkm_vocabulary_index(tokenizer);
        if (status == PKM_OK)
            *out = tokenizer;
        else
            pkm_tokenizer_destroy(tokenizer);
    }
    pkm_free(lengths);
    return status;
}
