/* SPDX-License-Identifier: Apache-2.0 */
#include "support/malformed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "support/check.h"

/*
 * What a reader may ask the allocator for while it refuses a file, all requests together. Of JSON
 * it asks at once for all that the tree may take (format/json.c).
 */
enum { MEMORY_BASE = 1 << 20, MEMORY_PER_BYTE = 256 };

enum { GOOD_CUTS = 1000, CASE_CUTS = 100, FLIPS = 100 };

typedef struct run {
    const malformed_format *format;
    const char *names;
    char *folder; /* of the file, as every message begins */
    char *good;
    size_t good_bytes;
    int64_t variants, read; /* of which were read without an error */
    size_t asked, most;     /* bytes: in one reading; the most of any */
    uint64_t slowest_ns;
} run;

void malformed_write(const char *path, const void *data, size_t bytes)
{
    /* Never truncated to nothing: some file systems then write to the disk at once. */
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, bytes, 0), bytes);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    assert_int_equal(close(fd), 0);
}

static bool count_bytes(size_t bytes, void *user)
{
    *(size_t *)user += bytes;
    return false;
}

/* Reads `data` as the file of the format; `what` names the case for messages. */
static pkm_status read_as(run *r, const void *data, size_t bytes, const char *what)
{
    uint64_t start, passed;
    pkm_status status;

    malformed_write(r->format->file, data, bytes);
    r->asked = 0;
    pkm_fail(PKM_OK, "%s", ""); /* no message of before */
    start = pkm_clock_ns();
    pkm_alloc_set_hook(count_bytes, &r->asked);
    status = r->format->read(r->format->file);
    pkm_alloc_set_hook(NULL, NULL);
    passed = pkm_clock_ns() - start;
    if (status != PKM_OK && strstr(pkm_last_error(), r->folder) == NULL)
        fail_msg("%s: message '%s' does not name the file", what, pkm_last_error());
    if (status != PKM_OK && r->asked > MEMORY_BASE + MEMORY_PER_BYTE * bytes)
        fail_msg("%s: %zu bytes asked for, to refuse a file of %zu", what, r->asked, bytes);
    if (status != PKM_OK && r->asked > r->most)
        r->most = r->asked;
    if (passed > r->slowest_ns)
        r->slowest_ns = passed;
    return status;
}

static void read_variant(run *r, const void *data, size_t bytes, const char *what)
{
    r->variants++;
    if (read_as(r, data, bytes, what) == PKM_OK)
        r->read++;
}

/* Cuts the file at every byte, or at `cuts` places; flips a few bits of it at random places. */
static void check_variants(run *r, const char *data, size_t bytes, size_t cuts, const char *what)
{
    size_t stride = bytes / cuts + 1;
    char *copy = malloc(bytes + 1);
    pkm_rng rng = {.seed = bytes};
    uint64_t drawn = 0;

    for (size_t keep = 0; keep < bytes; keep += stride)
        read_variant(r, data, keep, what);
    for (int i = 0; i < FLIPS && bytes > 0; i++) {
        memcpy(copy, data, bytes);
        for (int flips = 1 + i % 4; flips > 0; flips--) {
            uint32_t place = pkm_rng_u32(&rng, drawn++), bit = pkm_rng_u32(&rng, drawn++) % 8;

            copy[place % bytes] = (char)(copy[place % bytes] ^ 1 << bit);
        }
        read_variant(r, copy, bytes, what);
    }
    free(copy);
}

/* A copy of the bytes of a case, quotes put in. */
static char *plain(const malformed_format *format, malformed_bytes bytes)
{
    char *copy = malloc(bytes.count + 1);

    if (bytes.count > 0)
        memcpy(copy, bytes.data, bytes.count);
    for (size_t i = 0; i < bytes.count && format->quotes; i++)
        if (copy[i] == '\'')
            copy[i] = '"';
    return copy;
}

/* The good file changed as a case says. */
static char *changed(const run *r, const malformed_case *test, size_t *bytes)
{
    char *find = plain(r->format, test->find), *put = plain(r->format, test->put);
    const char *at =
        test->find.count == 0 ? r->good : memmem(r->good, r->good_bytes, find, test->find.count);
    size_t removed = test->find.count == 0 ? r->good_bytes : test->find.count, before;
    char *data = malloc(r->good_bytes + test->put.count + 1);

    if (at == NULL)
        fail_msg("%s: the good file lacks '%s'", test->name, find);
    before = (size_t)(at - r->good);
    memcpy(data, r->good, before);
    memcpy(data + before, put, test->put.count);
    memcpy(data + before + test->put.count, at + removed, r->good_bytes - before - removed);
    *bytes = r->good_bytes - removed + test->put.count;
    if (r->format->repair != NULL)
        r->format->repair((unsigned char *)data, *bytes);
    free(find);
    free(put);
    return data;
}

static void check_case(run *r, const malformed_case *test)
{
    size_t bytes;
    char *data = changed(r, test, &bytes);
    pkm_status status = read_as(r, data, bytes, test->name);

    if (status != test->status)
        fail_msg("%s: status %s (%s), expected %s", test->name, pkm_status_name(status),
                 pkm_last_error(), pkm_status_name(test->status));
    if (strstr(pkm_last_error(), r->names) == NULL)
        fail_msg("%s: message '%s' lacks '%s'", test->name, pkm_last_error(), r->names);
    for (int i = 0; i < 2 && test->words[i] != NULL; i++)
        if (strstr(pkm_last_error(), test->words[i]) == NULL)
            fail_msg("%s: message '%s' lacks '%s'", test->name, pkm_last_error(), test->words[i]);
    check_variants(r, data, bytes, CASE_CUTS, test->name);
    free(data);
}

void malformed_check(const malformed_format *format, const malformed_case *cases, size_t count)
{
    const char *slash = strrchr(format->file, '/');
    run r = {.format = format, .names = format->names != NULL ? format->names : slash + 1};
    pkm_status status;

    r.folder = strndup(format->file, (size_t)(slash - format->file));
    check_ok(pkm_file_read(&r.good, &r.good_bytes, format->file, (size_t)1 << 30));
    status = read_as(&r, r.good, r.good_bytes, "the good file");
    if (status != PKM_OK)
        fail_msg("the good file is refused: %s", pkm_last_error());
    for (size_t i = 0; i < count; i++)
        check_case(&r, &cases[i]);
    check_variants(&r, r.good, r.good_bytes, GOOD_CUTS, "the good file");
    malformed_write(format->file, r.good, r.good_bytes);
    print_message("malformed: %s: %zu named cases, %lld variants (%lld were read); at most %zu "
                  "bytes asked for to refuse one, slowest %.1f ms\n",
                  format->name, count, (long long)r.variants, (long long)r.read, r.most,
                  (double)r.slowest_ns * 1e-6);
    free(r.folder);
    pkm_free(r.good);
}
