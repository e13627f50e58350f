/* SPDX-License-Identifier: Apache-2.0 */
#include "text/document_set.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/threads.h"
#include "text/split.h"

enum {
    FILES_PER_ROUND = 4096, /* between two calls of progress */
    READ_BYTES = 256 << 10, /* per thread */
    CUT_WINDOW = 128 << 10  /* round the place where a single document is cut */
};

typedef enum file_kind { UNREADABLE, EMPTY, BINARY, TEXT } file_kind;

typedef struct scanned_file {
    pkm_digest digest; /* of its contents */
    int64_t file;
    file_kind kind;
    int error; /* why it is unreadable: errno */
} scanned_file;

typedef struct scan {
    const pkm_file_list *files;
    scanned_file *results; /* [files->count] */
    unsigned char *buffer; /* [n_threads * READ_BYTES] */
    int64_t first;         /* file of block 0 */
} scan;

/* Kind and digest of an open file. */
static file_kind scan_open_file(pkm_digest *digest, int fd, uint64_t bytes, unsigned char *buffer,
                                const char *path)
{
    pkm_hash hash;

    pkm_hash_init(&hash);
    for (uint64_t done = 0; done < bytes; done += READ_BYTES) {
        size_t part = bytes - done < READ_BYTES ? (size_t)(bytes - done) : READ_BYTES;

        if (pkm_file_fill(fd, buffer, part, path) != PKM_OK)
            return UNREADABLE;
        if (done == 0 && pkm_text_is_binary(buffer, part))
            return BINARY;
        pkm_hash_update(&hash, buffer, part);
    }
    *digest = pkm_hash_digest(&hash);
    return bytes == 0 ? EMPTY : TEXT;
}

static void scan_file(int64_t block, int thread, void *user)
{
    scan *s = user;
    int64_t file = s->first + block;
    const char *path = pkm_file_list_path(s->files, file);
    scanned_file *result = &s->results[file];
    size_t bytes;
    int fd;

    result->file = file;
    if (pkm_file_open(&fd, &bytes, path, 0) != PKM_OK) {
        result->error = pkm_error_errno();
        return;
    }
    result->kind = scan_open_file(&result->digest, fd, s->files->files[file].bytes,
                                  s->buffer + (size_t)thread * READ_BYTES, path);
    pkm_io()->close(fd);
}

/* A file that this process lacks the means to open is not one to leave out. */
static pkm_status check_lack(const scan *s, int64_t file)
{
    int error = s->results[file].error;

    if (error != EMFILE && error != ENFILE && error != ENOMEM)
        return PKM_OK;
    errno = error;
    return pkm_fail_errno(PKM_ERR_IO, "%s: cannot open", pkm_file_list_path(s->files, file));
}

static pkm_status scan_rounds(scan *s, pkm_progress progress, void *user)
{
    uint64_t done = 0, total = 0;

    for (int64_t i = 0; i < s->files->count; i++)
        total += s->files->files[i].bytes;
    for (s->first = 0; s->first < s->files->count; s->first += FILES_PER_ROUND) {
        int64_t left = s->files->count - s->first;
        int64_t n = left < FILES_PER_ROUND ? left : FILES_PER_ROUND;

        pkm_parallel(n, scan_file, s);
        for (int64_t i = 0; i < n; i++) {
            PKM_TRY(check_lack(s, s->first + i));
            done += s->files->files[s->first + i].bytes;
        }
        if (progress != NULL && progress("scan", done, total, user) != 0)
            return pkm_fail(PKM_ERR_CANCELLED, "preparing data was cancelled");
    }
    return PKM_OK;
}

/* Scans all files into results, [files->count] and zeroed. */
static pkm_status scan_files(scanned_file *results, const pkm_file_list *files,
                             pkm_progress progress, void *user)
{
    scan s = {.files = files, .results = results};
    pkm_status status;

    PKM_TRY(
        pkm_alloc_array((void **)&s.buffer, (size_t)pkm_threads(), READ_BYTES, "reading files"));
    status = scan_rounds(&s, progress, user);
    pkm_free(s.buffer);
    return status;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_digest(const void *left, const void *right)
{
    const scanned_file *a = left, *b = right;
    int order = compare_u64(a->digest.high, b->digest.high);

    if (order == 0)
        order = compare_u64(a->digest.low, b->digest.low);
    return order != 0 ? order : compare_u64((uint64_t)a->file, (uint64_t)b->file);
}

/* Moves the text files to the front, sorted by digest, each content once (its first file). */
static int64_t keep_distinct(pkm_document_set *set, scanned_file *files, int64_t count)
{
    int64_t n_text = 0, kept = 0;

    for (int64_t i = 0; i < count; i++) {
        set->binary_files += files[i].kind == BINARY;
        set->unreadable_files += files[i].kind == UNREADABLE;
        if (files[i].kind == TEXT)
            files[n_text++] = files[i];
    }
    qsort(files, (size_t)n_text, sizeof *files, by_digest);
    for (int64_t i = 0; i < n_text; i++)
        if (i == 0 || files[i].digest.high != files[kept - 1].digest.high ||
            files[i].digest.low != files[kept - 1].digest.low)
            files[kept++] = files[i];
    set->duplicates = n_text - kept;
    return kept;
}

/* How many of the documents, sorted by digest, are held out: those with the smallest digests. */
static int64_t count_held_out(const scanned_file *files, int64_t count, double fraction)
{
    double limit = fraction * 18446744073709551616.0; /* 2^64 */
    int64_t n = 0;

    while (n < count && (double)files[n].digest.high < limit)
        n++;
    if (fraction > 0 && n == 0 && count > 1)
        n = 1;
    return n == count && count > 0 ? count - 1 : n;
}

/* Where a single document is cut: where the split rule cuts, near the start of its last part. */
static pkm_status find_cut(uint64_t *cut, const char *path, uint64_t bytes, double fraction)
{
    uint64_t tail = (uint64_t)((double)bytes * fraction);
    uint64_t target = bytes - (tail > 0 ? tail : 1);
    uint64_t begin = target > CUT_WINDOW / 2 ? target - CUT_WINDOW / 2 : 0;
    size_t window = bytes - begin < CUT_WINDOW ? (size_t)(bytes - begin) : CUT_WINDOW, found, size;
    unsigned char *text = NULL;
    pkm_status status;
    int fd;

    PKM_TRY(pkm_file_open(&fd, &size, path, 0));
    status = pkm_alloc((void **)&text, window, "reading files");
    if (status == PKM_OK && lseek(fd, (off_t)begin, SEEK_SET) < 0)
        status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot seek", path);
    if (status == PKM_OK)
        status = pkm_file_fill(fd, text, window, path);
    if (status == PKM_OK) {
        found = pkm_split_cut(text, window, (size_t)(target - begin), true);
        *cut = begin + found < bytes ? begin + found : target;
    }
    pkm_free(text);
    pkm_io()->close(fd);
    return status;
}

static pkm_status cut_single(pkm_document_set *set, const pkm_file_list *files, double fraction)
{
    pkm_document *documents = set->documents;
    uint64_t cut;

    PKM_TRY(
        find_cut(&cut, pkm_file_list_path(files, documents[0].file), documents[0].end, fraction));
    if (cut == 0)
        return PKM_OK;
    documents[1] = (pkm_document){documents[0].file, cut, documents[0].end};
    documents[0].end = cut;
    set->splits[1] = PKM_SPLIT_VAL;
    set->count = 2;
    set->cut = true;
    return PKM_OK;
}

/* Documents in the order of their files: of_file[file] is 1 + split, 0 for a file left out. */
static void list_documents(pkm_document_set *set, const pkm_file_list *files,
                           const unsigned char *of_file)
{
    for (int64_t file = 0; file < files->count; file++)
        if (of_file[file] != 0) {
            set->splits[set->count] = of_file[file] - 1;
            set->documents[set->count++] = (pkm_document){file, 0, files->files[file].bytes};
        }
}

static pkm_status choose(pkm_document_set *set, const pkm_file_list *files, scanned_file *scanned,
                         double fraction)
{
    int64_t n_distinct = keep_distinct(set, scanned, files->count);
    int64_t n_held_out = count_held_out(scanned, n_distinct, fraction);
    size_t room = (size_t)n_distinct + 1; /* a cut document makes two */
    unsigned char *of_file;

    PKM_TRY(pkm_alloc_array((void **)&set->documents, room, sizeof *set->documents, "documents"));
    PKM_TRY(pkm_alloc_array((void **)&set->splits, room, sizeof *set->splits, "documents"));
    PKM_TRY(pkm_alloc_array((void **)&of_file, (size_t)files->count, 1, "documents"));
    for (int64_t i = 0; i < n_distinct; i++)
        of_file[scanned[i].file] = 1 + (i < n_held_out ? PKM_SPLIT_VAL : PKM_SPLIT_TRAIN);
    list_documents(set, files, of_file);
    pkm_free(of_file);
    return set->count == 1 && fraction > 0 ? cut_single(set, files, fraction) : PKM_OK;
}

pkm_status pkm_document_set_create(pkm_document_set *out, const pkm_file_list *files,
                                   double val_fraction, pkm_progress progress, void *user)
{
    pkm_document_set set = {.unreadable_files = files->unreadable};
    scanned_file *scanned;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&scanned, (size_t)files->count, sizeof *scanned,
                            "a list of files"));
    status = scan_files(scanned, files, progress, user);
    if (status == PKM_OK)
        status = choose(&set, files, scanned, val_fraction);
    if (status == PKM_OK)
        *out = set;
    else
        pkm_document_set_release(&set);
    pkm_free(scanned);
    return status;
}

void pkm_document_set_release(pkm_document_set *set)
{
    pkm_free(set->documents);
    pkm_free(set->splits);
    *set = (pkm_document_set){0};
}
