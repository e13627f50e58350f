/* SPDX-License-Identifier: Apache-2.0 */
/* Training a tokenizer: files -> counts of pieces -> merges -> vocabulary. */
#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"
#include "text/corpus.h"
#include "text/merges.h"
#include "text/piece_counts.h"
#include "text/vocabulary.h"

enum { TRAINED_VOCAB_MAX = 1000000 };

/* Whole files as documents, the last one cut where max_bytes (0: all) end. */
static pkm_status list_documents(pkm_document **out, int64_t *count, const pkm_file_list *files,
                                 uint64_t max_bytes)
{
    uint64_t left = max_bytes > 0 ? max_bytes : UINT64_MAX;
    int64_t n = 0;

    PKM_TRY(pkm_alloc_array((void **)out, (size_t)files->count, sizeof **out, "documents"));
    for (int64_t file = 0; file < files->count && left > 0; file++) {
        uint64_t bytes = files->files[file].bytes < left ? files->files[file].bytes : left;

        if (bytes > 0)
            (*out)[n++] = (pkm_document){file, 0, bytes};
        left -= bytes;
    }
    *count = n;
    return PKM_OK;
}

static pkm_status learn(pkm_tokenizer **out, pkm_piece_counts *counts,
                        const pkm_tokenizer_train_config *config)
{
    int64_t max_merges = config->vocab_size - PKM_VOCAB_MIN, n_merges;
    pkm_merge *merges;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&merges, (size_t)max_merges, sizeof *merges, "merges"));
    status =
        pkm_merges_learn(merges, &n_merges, max_merges, counts, config->progress, config->user);
    if (status == PKM_OK)
        status = pkm_vocabulary_from_merges(out, merges, n_merges);
    pkm_free(merges);
    return status;
}

static bool counted_nothing(const pkm_piece_counts *counts)
{
    for (int shard = 0; shard < PKM_PIECE_SHARDS; shard++)
        if (counts->shards[shard].used > 0)
            return false;
    return true;
}

pkm_status pkm_tokenizer_train(pkm_tokenizer **out, const char *const *paths, int n_paths,
                               const pkm_tokenizer_train_config *config)
{
    pkm_file_list files = {0};
    pkm_document *documents = NULL;
    pkm_piece_counts counts = {0};
    int64_t n_documents;
    pkm_status status = pkm_threads_check();

    if (config->vocab_size < PKM_VOCAB_MIN || config->vocab_size > TRAINED_VOCAB_MAX)
        return pkm_fail(PKM_ERR_ARG, "vocab_size is %lld: expected %d to %d",
                        (long long)config->vocab_size, PKM_VOCAB_MIN, TRAINED_VOCAB_MAX);
    for (int i = 0; i < n_paths && status == PKM_OK; i++)
        status = pkm_file_list_add(&files, paths[i]);
    if (status == PKM_OK)
        status = list_documents(&documents, &n_documents, &files, config->max_bytes);
    if (status == PKM_OK)
        status = pkm_piece_counts_add(&counts, &files, documents, n_documents, config->progress,
                                      config->user);
    if (status == PKM_OK && counted_nothing(&counts))
        status = pkm_fail(PKM_ERR_ARG, "%s: no text found: empty and binary files do not count",
                          n_paths > 0 ? paths[0] : "no path");
    if (status == PKM_OK)
        status = learn(out, &counts, config);
    pkm_piece_counts_release(&counts);
    pkm_free(documents);
    pkm_file_list_release(&files);
    return status;
}
