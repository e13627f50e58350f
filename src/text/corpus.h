/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text as the trainer and `pkm data` see it: files found under paths, documents (stretches of
 * files), and batches of segments read one after another in bounded memory.
 */
#ifndef PKM_TEXT_CORPUS_H
#define PKM_TEXT_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/*
 * Regular files in a deterministic order: paths as given, the files under a folder by the bytes of
 * their paths. Inside folders links are not followed, other kinds of files left out, and unreadable
 * files and folders counted and left out; a path given by the caller must be readable.
 */
typedef struct pkm_found_file {
    size_t name; /* start of its path in names */
    uint64_t bytes;
} pkm_found_file;

typedef struct pkm_file_list {
    pkm_strbuf names;      /* paths, each with its NUL */
    pkm_found_file *files; /* [count] */
    int64_t count, capacity;
    int64_t unreadable;
} pkm_file_list;

/* Adds to a list that starts as {0}. */
pkm_status pkm_file_list_add(pkm_file_list *list, const char *path);
void pkm_file_list_release(pkm_file_list *list);

static inline const char *pkm_file_list_path(const pkm_file_list *list, int64_t file)
{
    return list->names.data + list->files[file].name;
}

/* A file with a NUL among its first so many bytes is binary. */
enum { PKM_BINARY_PROBE = 8192 };
bool pkm_text_is_binary(const void *data, size_t bytes);

/* Bytes [begin, end) of a file. */
typedef struct pkm_document {
    int64_t file;
    uint64_t begin, end;
} pkm_document;

/* A part of a document that splits by itself as it does inside the whole. */
typedef struct pkm_segment {
    int64_t document;
    size_t start, bytes; /* in the batch's text */
    bool last;           /* of its document */
} pkm_segment;

enum {
    PKM_SEGMENT_BYTES = 128 << 10, /* aimed at: a unit of parallel work */
    PKM_BATCH_BYTES = 16 << 20     /* more than two of the longest pieces */
};

/* Reads documents in order. A document that turns out binary gives no segments. */
typedef struct pkm_corpus {
    const pkm_file_list *files;
    const pkm_document *documents;
    int64_t n_documents;
    /* the batch */
    unsigned char *text; /* [PKM_BATCH_BYTES] */
    size_t filled;
    pkm_segment *segments;
    int64_t n_segments, segment_capacity;
    size_t taken; /* bytes of text that are in segments; the rest starts the next batch */
    /* where reading goes on */
    int64_t document;
    int fd;          /* of the current document; -1: not yet open */
    uint64_t offset; /* in its file */
} pkm_corpus;

pkm_status pkm_corpus_open(pkm_corpus *corpus, const pkm_file_list *files,
                           const pkm_document *documents, int64_t n_documents);
/* The next batch into text and segments; n_segments 0: the end. */
pkm_status pkm_corpus_next(pkm_corpus *corpus);
void pkm_corpus_close(pkm_corpus *corpus);

#endif
