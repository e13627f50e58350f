/* SPDX-License-Identifier: Apache-2.0 */
#include "text/corpus.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "text/split.h"

bool pkm_text_is_binary(const void *data, size_t bytes)
{
    return memchr(data, 0, bytes < PKM_BINARY_PROBE ? bytes : PKM_BINARY_PROBE) != NULL;
}

pkm_status pkm_corpus_open(pkm_corpus *corpus, const pkm_file_list *files,
                           const pkm_document *documents, int64_t n_documents)
{
    *corpus =
        (pkm_corpus){.files = files, .documents = documents, .n_documents = n_documents, .fd = -1};
    return pkm_alloc((void **)&corpus->text, PKM_BATCH_BYTES, "a batch of text");
}

void pkm_corpus_close(pkm_corpus *corpus)
{
    if (corpus->fd >= 0)
        pkm_io()->close(corpus->fd);
    pkm_free(corpus->text);
    pkm_free(corpus->segments);
    *corpus = (pkm_corpus){.fd = -1};
}

static pkm_status add_segment(pkm_corpus *corpus, pkm_segment segment)
{
    if (corpus->n_segments == corpus->segment_capacity) {
        int64_t larger = corpus->segment_capacity == 0 ? 256 : 2 * corpus->segment_capacity;

        PKM_TRY(pkm_alloc_grow((void **)&corpus->segments, (size_t)corpus->n_segments,
                               (size_t)larger, sizeof segment, "segments of text"));
        corpus->segment_capacity = larger;
    }
    corpus->segments[corpus->n_segments++] = segment;
    return PKM_OK;
}

static pkm_status open_document(pkm_corpus *corpus)
{
    const pkm_document *document = &corpus->documents[corpus->document];
    const char *path = pkm_file_list_path(corpus->files, document->file);
    size_t bytes;

    PKM_TRY(pkm_file_open(&corpus->fd, &bytes, path, 0));
    corpus->offset = document->begin;
    if (document->end > bytes)
        return pkm_fail(PKM_ERR_IO, "%s: shrank from %llu to %zu bytes while it was read", path,
                        (unsigned long long)document->end, bytes);
    if (lseek(corpus->fd, (off_t)document->begin, SEEK_SET) < 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot seek", path);
    return PKM_OK;
}

static void close_document(pkm_corpus *corpus)
{
    pkm_io()->close(corpus->fd);
    corpus->fd = -1;
    corpus->document++;
}

/* Cuts text[*start .. filled) of the current document into segments, as far as can be told. */
static pkm_status cut_segments(pkm_corpus *corpus, size_t *start, bool final)
{
    while (*start < corpus->filled) {
        size_t bytes =
            pkm_split_cut(corpus->text + *start, corpus->filled - *start, PKM_SEGMENT_BYTES, final);
        bool last = final && *start + bytes == corpus->filled;

        if (bytes == 0)
            break;
        PKM_TRY(add_segment(corpus, (pkm_segment){corpus->document, *start, bytes, last}));
        *start += bytes;
    }
    return PKM_OK;
}

/* Reads on in the current document; *start is where its text without segments begins. */
static pkm_status read_document(pkm_corpus *corpus, size_t *start)
{
    const pkm_document *document = &corpus->documents[corpus->document];
    size_t room = PKM_BATCH_BYTES - corpus->filled;
    size_t bytes =
        document->end - corpus->offset < room ? (size_t)(document->end - corpus->offset) : room;
    unsigned char *text = corpus->text + corpus->filled;
    bool final;

    PKM_TRY(
        pkm_file_fill(corpus->fd, text, bytes, pkm_file_list_path(corpus->files, document->file)));
    if (corpus->offset == 0 && pkm_text_is_binary(text, bytes)) {
        close_document(corpus);
        return PKM_OK;
    }
    corpus->offset += bytes;
    corpus->filled += bytes;
    final = corpus->offset == document->end;
    PKM_TRY(cut_segments(corpus, start, final));
    if (final)
        close_document(corpus);
    return PKM_OK;
}

pkm_status pkm_corpus_next(pkm_corpus *corpus)
{
    size_t start = 0;

    /* What no segment took begins the next batch. */
    memmove(corpus->text, corpus->text + corpus->taken, corpus->filled - corpus->taken);
    corpus->filled -= corpus->taken;
    corpus->n_segments = 0;
    /* A document is opened only if the probe for binary files fits. */
    while (corpus->document < corpus->n_documents &&
           PKM_BATCH_BYTES - corpus->filled >= PKM_BINARY_PROBE) {
        if (corpus->fd < 0)
            PKM_TRY(open_document(corpus));
        PKM_TRY(read_document(corpus, &start));
    }
    corpus->taken = start;
    return PKM_OK;
}
