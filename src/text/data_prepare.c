/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a data set. Two passes over the files: the first (document_set.h) hashes them, so that
 * duplicates and the held-out side are known; the second encodes batches of text in parallel and
 * writes the ids in order. Memory does not grow with the corpus but for a record per file.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "base/threads.h"
#include "format/token_file.h"
#include "text/corpus.h"
#include "text/data_meta.h"
#include "text/document_set.h"
#include "text/vocabulary.h"

enum { SHARD_TOKENS = 100000000 }; /* if the caller does not say */

typedef struct preparation {
    const char *dir;
    char *parts; /* the folder inside it where files wait until all are whole */
    int claim;   /* on dir; -1: none */
    const pkm_tokenizer *tokenizer;
    const pkm_data_config *config;
    pkm_file_list files;
    pkm_document_set set;
    pkm_data_meta meta;                 /* of what is written so far */
    pkm_token_writer *open[PKM_SPLITS]; /* the shard each side is writing, or NULL */
    /* encoding */
    pkm_corpus corpus;
    pkm_encoder **encoders; /* [n_threads] */
    pkm_status *statuses;   /* [n_threads] */
    int n_threads;
    int32_t *ids;    /* [PKM_BATCH_BYTES]: a segment's from its start on, a byte each at most */
    int64_t *counts; /* [count_capacity] ids of each segment */
    int64_t count_capacity;
} preparation;

/* A set that is there is left alone. */
static pkm_status refuse_existing(const char *dir)
{
    pkm_status status = PKM_OK;
    char *path;

    PKM_TRY(pkm_path_join(&path, dir, PKM_DATA_META_NAME));
    if (pkm_file_exists(path))
        status = pkm_fail(PKM_ERR_STATE,
                          "%s exists: choose another folder, or remove the data there", path);
    pkm_free(path);
    return status;
}

static const char parts_stem[] = "shards";

/* The folder is ours from here on, without what a killed process left; a set there is refused. */
static pkm_status claim_folder(preparation *p)
{
    PKM_TRY(pkm_directory_claim(&p->claim, p->dir, parts_stem));
    return refuse_existing(p->dir);
}

/* The folder for files on their way: all of the set appears in its folder when it is whole. */
static pkm_status open_parts(preparation *p)
{
    char name[64];

    if (p->claim < 0) {
        PKM_TRY(pkm_directory_create(p->dir));
        PKM_TRY(claim_folder(p));
    }
    snprintf(name, sizeof name, "%s.tmp-%ld", parts_stem, (long)getpid());
    PKM_TRY(pkm_path_join(&p->parts, p->dir, name));
    return pkm_directory_create(p->parts);
}

static pkm_status open_shard(preparation *p, pkm_split split)
{
    char name[PKM_SHARD_NAME], *path;
    pkm_status status;

    pkm_shard_name(name, split, p->meta.sides[split].n_shards);
    PKM_TRY(pkm_path_join(&path, p->parts, name));
    status = pkm_token_writer_create(&p->open[split], path, pkm_token_width(p->meta.vocab_size));
    pkm_free(path);
    return status;
}

static pkm_status close_shard(preparation *p, pkm_split split)
{
    pkm_token_writer *writer = p->open[split];
    pkm_digest digest;

    if (writer == NULL)
        return PKM_OK;
    PKM_TRY(pkm_token_writer_commit(writer, &digest));
    PKM_TRY(pkm_data_side_add(&p->meta.sides[split], pkm_token_writer_count(writer), digest));
    pkm_token_writer_destroy(writer);
    p->open[split] = NULL;
    return PKM_OK;
}

static pkm_status write_ids(preparation *p, pkm_split split, const int32_t *ids, int64_t count)
{
    int64_t limit = p->config->shard_tokens > 0 ? p->config->shard_tokens : SHARD_TOKENS;

    while (count > 0) {
        int64_t part;

        if (p->open[split] == NULL)
            PKM_TRY(open_shard(p, split));
        part = pkm_min_i64(count, limit - pkm_token_writer_count(p->open[split]));
        PKM_TRY(pkm_token_writer_write(p->open[split], ids, part));
        if (pkm_token_writer_count(p->open[split]) == limit)
            PKM_TRY(close_shard(p, split));
        ids += part;
        count -= part;
    }
    return PKM_OK;
}

static void encode_segment(int64_t block, int thread, void *user)
{
    preparation *p = user;
    const pkm_segment *segment = &p->corpus.segments[block];
    const int32_t *ids = NULL;

    if (p->statuses[thread] == PKM_OK)
        p->statuses[thread] = pkm_encoder_encode(p->encoders[thread], &ids, &p->counts[block],
                                                 p->corpus.text + segment->start, segment->bytes);
    if (ids != NULL)
        memcpy(p->ids + segment->start, ids, (size_t)p->counts[block] * sizeof *ids);
}

static pkm_status encode_batch(preparation *p)
{
    if (p->corpus.n_segments > p->count_capacity) {
        PKM_TRY(pkm_alloc_grow((void **)&p->counts, 0, (size_t)p->corpus.n_segments,
                               sizeof *p->counts, "counts of ids"));
        p->count_capacity = p->corpus.n_segments;
    }
    pkm_parallel(p->corpus.n_segments, encode_segment, p);
    /* The worker's own message is out of reach: messages belong to threads. */
    for (int thread = 0; thread < p->n_threads; thread++)
        if (p->statuses[thread] != PKM_OK)
            return pkm_fail(p->statuses[thread], "out of memory: encoding text");
    return PKM_OK;
}

static pkm_status write_batch(preparation *p)
{
    int32_t end_of_text = pkm_tokenizer_end_of_text(p->tokenizer);

    for (int64_t i = 0; i < p->corpus.n_segments; i++) {
        const pkm_segment *segment = &p->corpus.segments[i];
        pkm_split split = p->set.splits[segment->document];

        PKM_TRY(write_ids(p, split, p->ids + segment->start, p->counts[i]));
        p->meta.sides[split].bytes += segment->bytes;
        if (segment->last) {
            PKM_TRY(write_ids(p, split, &end_of_text, 1));
            p->meta.sides[split].documents++;
        }
    }
    return PKM_OK;
}

static pkm_status write_shards(preparation *p)
{
    uint64_t done = 0, total = 0;

    for (int64_t i = 0; i < p->set.count; i++)
        total += p->set.documents[i].end - p->set.documents[i].begin;
    PKM_TRY(pkm_corpus_next(&p->corpus));
    while (p->corpus.n_segments > 0) {
        PKM_TRY(encode_batch(p));
        PKM_TRY(write_batch(p));
        done += p->corpus.taken;
        if (p->config->progress != NULL &&
            p->config->progress("encode", done, total, p->config->user) != 0)
            return pkm_fail(PKM_ERR_CANCELLED, "preparing data was cancelled");
        PKM_TRY(pkm_corpus_next(&p->corpus));
    }
    for (int split = 0; split < PKM_SPLITS; split++)
        PKM_TRY(close_shard(p, split));
    return PKM_OK;
}

static pkm_status create_encoders(preparation *p)
{
    p->n_threads = pkm_threads();
    PKM_TRY(pkm_alloc_array((void **)&p->encoders, (size_t)p->n_threads, sizeof(pkm_encoder *),
                            "encoders"));
    PKM_TRY(pkm_alloc_array((void **)&p->statuses, (size_t)p->n_threads, sizeof *p->statuses,
                            "encoders"));
    PKM_TRY(pkm_alloc((void **)&p->ids, pkm_size_product(PKM_BATCH_BYTES, sizeof *p->ids), "ids"));
    for (int thread = 0; thread < p->n_threads; thread++)
        PKM_TRY(pkm_encoder_create(&p->encoders[thread], p->tokenizer));
    return PKM_OK;
}

static pkm_status find_documents(preparation *p, const char *const *paths, int n_paths)
{
    for (int i = 0; i < n_paths; i++)
        PKM_TRY(pkm_file_list_add(&p->files, paths[i]));
    PKM_TRY(pkm_document_set_create(&p->set, &p->files, p->config->val_fraction,
                                    p->config->progress, p->config->user));
    if (p->set.count == 0)
        return pkm_fail(PKM_ERR_ARG,
                        "%s: no text found: empty, binary and unreadable files do not count",
                        n_paths > 0 ? paths[0] : "no path");
    p->meta.duplicates = p->set.duplicates;
    p->meta.binary_files = p->set.binary_files;
    p->meta.unreadable_files = p->set.unreadable_files;
    return PKM_OK;
}

/* Beside the shards: the tokenizer, so that a model trained on them can carry it, and their list.
 */
static pkm_status save_meta(const preparation *p)
{
    pkm_status status;
    char *path;

    PKM_TRY(pkm_tokenizer_save(p->tokenizer, p->parts));
    PKM_TRY(pkm_path_join(&path, p->parts, PKM_DATA_META_NAME));
    status = pkm_data_meta_save(&p->meta, path);
    pkm_free(path);
    return status;
}

static pkm_status move_part(const preparation *p, const char *name)
{
    char *from, *to = NULL;
    pkm_status status;

    PKM_TRY(pkm_path_join(&from, p->parts, name));
    status = pkm_path_join(&to, p->dir, name);
    if (status == PKM_OK && pkm_io()->rename(from, to) != 0)
        status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename", to);
    pkm_free(from);
    pkm_free(to);
    return status;
}

/* The list of shards last: without it there is no data set. */
static pkm_status publish(const preparation *p)
{
    for (int split = 0; split < PKM_SPLITS; split++)
        for (int64_t shard = 0; shard < p->meta.sides[split].n_shards; shard++) {
            char name[PKM_SHARD_NAME];

            pkm_shard_name(name, split, shard);
            PKM_TRY(move_part(p, name));
        }
    PKM_TRY(move_part(p, PKM_TOKENIZER_NAME));
    PKM_TRY(pkm_directory_sync(p->dir));
    PKM_TRY(move_part(p, PKM_DATA_META_NAME));
    return pkm_directory_sync(p->dir);
}

static void summarise(pkm_data_summary *out, const preparation *p)
{
    const pkm_data_side *train = &p->meta.sides[PKM_SPLIT_TRAIN];
    const pkm_data_side *val = &p->meta.sides[PKM_SPLIT_VAL];

    *out = (pkm_data_summary){.documents = p->set.count - p->set.cut,
                              .duplicates = p->set.duplicates,
                              .binary_files = p->set.binary_files,
                              .unreadable_files = p->set.unreadable_files,
                              .train_tokens = train->tokens,
                              .val_tokens = val->tokens,
                              .train_bytes = train->bytes,
                              .val_bytes = val->bytes};
}

static pkm_status prepare(preparation *p, const char *const *paths, int n_paths)
{
    if (pkm_directory_exists(p->dir))
        PKM_TRY(claim_folder(p));
    PKM_TRY(find_documents(p, paths, n_paths));
    PKM_TRY(create_encoders(p));
    PKM_TRY(open_parts(p));
    PKM_TRY(pkm_corpus_open(&p->corpus, &p->files, p->set.documents, p->set.count));
    PKM_TRY(write_shards(p));
    PKM_TRY(save_meta(p));
    return publish(p);
}

static void release(preparation *p)
{
    for (int split = 0; split < PKM_SPLITS; split++)
        pkm_token_writer_destroy(p->open[split]);
    if (p->parts != NULL)
        (void)pkm_directory_remove(p->parts);
    if (p->claim >= 0)
        pkm_io()->close(p->claim);
    pkm_free(p->parts);
    for (int thread = 0; p->encoders != NULL && thread < p->n_threads; thread++)
        pkm_encoder_destroy(p->encoders[thread]);
    pkm_free(p->encoders);
    pkm_free(p->statuses);
    pkm_free(p->ids);
    pkm_free(p->counts);
    pkm_corpus_close(&p->corpus);
    pkm_document_set_release(&p->set);
    pkm_file_list_release(&p->files);
    pkm_data_meta_release(&p->meta);
}

static pkm_status check_config(const pkm_data_config *config)
{
    if (!(config->val_fraction >= 0 && config->val_fraction <= 0.5))
        return pkm_fail(PKM_ERR_ARG, "val_fraction is %g: expected 0 to 0.5", config->val_fraction);
    if (config->shard_tokens < 0 || config->shard_tokens > PKM_TOKEN_FILE_MAX)
        return pkm_fail(PKM_ERR_ARG, "shard_tokens is %lld: expected 0 to %d",
                        (long long)config->shard_tokens, PKM_TOKEN_FILE_MAX);
    return PKM_OK;
}

pkm_status pkm_data_prepare(pkm_data_summary *out, const char *dir, const pkm_tokenizer *tokenizer,
                            const char *const *paths, int n_paths, const pkm_data_config *config)
{
    preparation p = {
        .dir = dir, .claim = -1, .tokenizer = tokenizer, .config = config, .corpus = {.fd = -1}};
    pkm_status status = check_config(config);

    p.meta.vocab_size = pkm_tokenizer_vocab_size(tokenizer);
    memcpy(p.meta.tokenizer_hash, pkm_tokenizer_hash(tokenizer), PKM_HASH_HEX);
    if (status == PKM_OK)
        status = pkm_threads_check();
    if (status == PKM_OK)
        status = prepare(&p, paths, n_paths);
    if (status == PKM_OK)
        summarise(out, &p);
    release(&p);
    return status;
}
