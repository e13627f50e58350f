/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to token ids, and learning a vocabulary, on one thread and on all. Each run encodes with
 * encoders that have met nothing yet; the ceiling only reads the text.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/size.h"
#include "base/threads.h"
#include "pkm/tokenizer.h"
#include "row_probe.h"
#include "text/corpus.h"

typedef struct tokenize_values {
    pkm_text_list text;
    const char *tokenizer;
    int64_t max_kib, vocab_size, runs;
} tokenize_values;

#define AT(field) offsetof(tokenize_values, field)

static const pkm_option rows[] = {
    {"text", PKM_OPTION_TEXTS, AT(text), 1, 0, NULL, NULL, "PATH...", NULL,
     "files and folders of text; none: /usr/include"},
    {"tokenizer", PKM_OPTION_STRING, AT(tokenizer), 0, 0, NULL, NULL, "DIR", NULL,
     "tokenizer to encode with; none: one learnt from the text"},
    {"max_kib", PKM_OPTION_INT, AT(max_kib), 1, PKM_BATCH_BYTES >> 10, "8192", NULL, "KiB", NULL,
     "text that is used at most"},
    {"vocab_size", PKM_OPTION_INT, AT(vocab_size), 257, 1000000, "8192", NULL, "tokens", NULL,
     "size of the vocabulary to learn"},
    {"runs", PKM_OPTION_INT, AT(runs), 1, 1000000, "5", NULL, NULL, NULL, "measured runs"},
};

enum { ROW_BYTES = 4096 };

typedef struct tokenize_bench {
    const tokenize_values *values;
    const char *paths[PKM_LIST_MAX];
    int n_paths;
    pkm_file_list files;
    pkm_document *documents; /* [files.count] each of the files whole */
    pkm_corpus corpus;       /* the text is its first batch */
    int64_t n_segments, bytes;
    int32_t *ids; /* [bytes / ROW_BYTES, rounded up] parts of the text, as rows */
    pkm_tokenizer *tokenizer;
    pkm_encoder **encoders; /* [threads] */
    _Atomic pkm_status status;
} tokenize_bench;

static pkm_status learn(void *user)
{
    tokenize_bench *bench = user;
    const pkm_tokenizer_train_config config = {.vocab_size = bench->values->vocab_size,
                                               .max_bytes = (uint64_t)bench->bytes};
    pkm_tokenizer *tokenizer;

    PKM_TRY(pkm_tokenizer_train(&tokenizer, bench->paths, bench->n_paths, &config));
    pkm_tokenizer_destroy(tokenizer);
    return PKM_OK;
}

static void encode_segment(int64_t index, int thread, void *user)
{
    tokenize_bench *bench = user;
    const pkm_segment *segment = &bench->corpus.segments[index];
    const int32_t *ids;
    int64_t n_ids;
    pkm_status status = pkm_encoder_encode(bench->encoders[thread], &ids, &n_ids,
                                           bench->corpus.text + segment->start, segment->bytes);

    if (status != PKM_OK)
        bench->status = status;
}

static pkm_status encode(void *user)
{
    tokenize_bench *bench = user;
    int threads = pkm_threads(), n = 0;

    bench->status = PKM_OK;
    for (; n < threads && bench->status == PKM_OK; n++)
        bench->status = pkm_encoder_create(&bench->encoders[n], bench->tokenizer);
    if (bench->status == PKM_OK)
        pkm_parallel(bench->n_segments, encode_segment, bench);
    while (n-- > 0) {
        pkm_encoder_destroy(bench->encoders[n]);
        bench->encoders[n] = NULL;
    }
    return bench->status;
}

static pkm_status list_files(tokenize_bench *bench)
{
    const pkm_text_list *text = &bench->values->text;

    bench->paths[0] = "/usr/include";
    bench->n_paths = (int)pkm_max_i64(1, text->count);
    for (int64_t i = 0; i < text->count; i++)
        bench->paths[i] = text->value[i];
    for (int64_t i = 0; i < bench->n_paths; i++)
        PKM_TRY(pkm_file_list_add(&bench->files, bench->paths[i]));
    PKM_TRY(pkm_alloc_array((void **)&bench->documents, (size_t)bench->files.count,
                            sizeof *bench->documents, "documents"));
    for (int64_t i = 0; i < bench->files.count; i++)
        bench->documents[i] = (pkm_document){i, 0, bench->files.files[i].bytes};
    return PKM_OK;
}

/* The first segments of the text, up to the wanted size, and at least one. */
static pkm_status read_text(tokenize_bench *bench)
{
    const pkm_corpus *corpus = &bench->corpus;

    PKM_TRY(pkm_corpus_next(&bench->corpus));
    if (corpus->n_segments == 0)
        return pkm_fail(PKM_ERR_ARG, "%s: no text", bench->paths[0]);
    do {
        bench->bytes += (int64_t)corpus->segments[bench->n_segments++].bytes;
    } while (bench->n_segments < corpus->n_segments &&
             bench->bytes + (int64_t)corpus->segments[bench->n_segments].bytes <=
                 bench->values->max_kib << 10);
    return PKM_OK;
}

static pkm_status list_rows(tokenize_bench *bench)
{
    int64_t n_rows = pkm_ceil_div(bench->bytes, ROW_BYTES);

    PKM_TRY(pkm_alloc_array((void **)&bench->ids, (size_t)n_rows, sizeof *bench->ids, "row ids"));
    for (int64_t i = 0; i < n_rows; i++)
        bench->ids[i] = (int32_t)i;
    return PKM_OK;
}

static pkm_status create(tokenize_bench *bench)
{
    const tokenize_values *values = bench->values;
    const pkm_tokenizer_train_config config = {.vocab_size = values->vocab_size,
                                               .max_bytes = (uint64_t)values->max_kib << 10};

    bench->corpus.fd = -1;
    PKM_TRY(list_files(bench));
    PKM_TRY(pkm_corpus_open(&bench->corpus, &bench->files, bench->documents, bench->files.count));
    PKM_TRY(read_text(bench));
    PKM_TRY(list_rows(bench));
    PKM_TRY(pkm_alloc_array((void **)&bench->encoders, (size_t)pkm_threads(), sizeof(pkm_encoder *),
                            "encoders"));
    return values->tokenizer[0] != '\0'
               ? pkm_tokenizer_load(&bench->tokenizer, values->tokenizer)
               : pkm_tokenizer_train(&bench->tokenizer, bench->paths, bench->n_paths, &config);
}

static void release(tokenize_bench *bench)
{
    pkm_tokenizer_destroy(bench->tokenizer);
    pkm_free(bench->encoders);
    pkm_free(bench->ids);
    pkm_corpus_close(&bench->corpus);
    pkm_free(bench->documents);
    pkm_file_list_release(&bench->files);
}

static pkm_status add_encoding(pkm_measure *measure, tokenize_bench *bench, int threads)
{
    int64_t n_rows = pkm_ceil_div(bench->bytes, ROW_BYTES);
    const pkm_row_walk text = {.n_tables = 1,
                               .table = {(char *)bench->corpus.text},
                               .row_bytes = {bench->bytes / n_rows},
                               .ids = bench->ids,
                               .n_ids = n_rows,
                               .slice = n_rows};
    int read;

    PKM_TRY(pkm_row_probe_add(measure, &read, "the text only read", &text, threads));
    return pkm_measure_add(measure, NULL,
                           &(pkm_task){.name = "encode",
                                       .body = encode,
                                       .user = bench,
                                       .threads = threads,
                                       .items = (double)bench->bytes,
                                       .unit = "bytes",
                                       .parts = {{read, (double)bench->bytes}}});
}

static pkm_status add_learning(pkm_measure *measure, tokenize_bench *bench, int threads)
{
    return pkm_measure_add(measure, NULL,
                           &(pkm_task){.name = "learn a vocabulary",
                                       .body = learn,
                                       .user = bench,
                                       .threads = threads,
                                       .items = (double)bench->bytes,
                                       .unit = "bytes"});
}

static pkm_status add_tasks(pkm_measure *measure, void *user)
{
    tokenize_bench *bench = user;
    int threads[2], n = pkm_bench_threads(threads);

    for (int i = 0; i < n; i++)
        PKM_TRY(add_encoding(measure, bench, threads[i]));
    for (int i = 0; i < n; i++)
        PKM_TRY(add_learning(measure, bench, threads[i]));
    return PKM_OK;
}

static pkm_status run(const void *values, pkm_bench_sink sink, void *user)
{
    tokenize_bench bench = {.values = values};
    pkm_status status = create(&bench);

    if (status == PKM_OK)
        status = pkm_measure_all(bench.values->runs, add_tasks, &bench, sink, user);
    release(&bench);
    return status;
}

const pkm_bench pkm_bench_tokenize = {
    .name = "tokenize",
    .options = {rows, sizeof rows / sizeof rows[0], sizeof(tokenize_values)},
    .run = run,
};
