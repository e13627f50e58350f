/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATHS = 16, PATH_BYTES = 256 };

static const char stale[] = "message of an earlier failure";

/* Allocations of one run. */
static struct {
    uint64_t count, bytes;
    uint64_t failing; /* the one to fail, from 1; 0: none */
    uint64_t limit;   /* of bytes; beyond it they fail */
    bool failed;
    bool owed; /* a failed allocation has not been reported yet */
} run;

static char folder[64];

static bool count_allocation(size_t bytes, void *user)
{
    (void)user;
    run.count++;
    if (run.count == run.failing || bytes > run.limit - run.bytes) {
        run.failed = run.owed = true;
        return true;
    }
    run.bytes += bytes;
    return false;
}

void fuzz_check(bool claim, const char *what)
{
    if (claim)
        return;
    fprintf(stderr, "fuzz: not so: %s\nlast message: %s\n", what, pkm_last_error());
    abort();
}

bool fuzz_ok(pkm_status status)
{
    if (status == PKM_OK)
        return true;
    fuzz_check(pkm_last_error()[0] != '\0', "a failure has a message");
    fuzz_check(strcmp(pkm_last_error(), stale) != 0, "a failure writes its own message");
    fuzz_check(status != PKM_ERR_INTERNAL, "no invariant of ours is broken");
    fuzz_check(status == PKM_ERR_NOMEM || !run.owed, "out of memory is called that");
    run.owed = false;
    (void)pkm_fail(status, "%s", stale);
    return false;
}

bool fuzz_must(pkm_status status)
{
    fuzz_check(status == PKM_OK || run.failed, "what is valid succeeds");
    return fuzz_ok(status);
}

bool fuzz_starved(void)
{
    return run.failed;
}

uint64_t fuzz_asked(void)
{
    return run.bytes;
}

void fuzz_loaded(void)
{
    run.limit = fuzz_this.refuse ? run.limit : UINT64_MAX;
}

static void remove_folder(void)
{
    (void)pkm_directory_remove(folder);
}

static void start(void)
{
    const char *parent = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.32s/pkm-fuzz-XXXXXX", parent != NULL ? parent : "/tmp");
    fuzz_check(mkdtemp(folder) != NULL, "TMPDIR is a short path that can be written to");
    (void)atexit(remove_folder);
    if (fuzz_this.prepare != NULL)
        fuzz_this.prepare();
    fuzz_check(pkm_threads_set(1) == PKM_OK,
               "one thread is allowed"); /* a fixed order of allocations */
}

const char *fuzz_path(const char *name)
{
    static char paths[PATHS][PATH_BYTES];
    static int next;
    char *path = paths[next++ % PATHS];

    snprintf(path, PATH_BYTES, "%s%s%s", folder, name[0] != '\0' ? "/" : "", name);
    return path;
}

void fuzz_write(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(fuzz_path(name), "wb");

    fuzz_check(file != NULL && fwrite(data, 1, size, file) == size, "a temporary file is written");
    fuzz_check(fclose(file) == 0, "a temporary file is written");
}

bool fuzz_same(const char *name, const char *other)
{
    pkm_file_map a, b;
    bool same;

    fuzz_check(pkm_file_map_open(&a, fuzz_path(name), 0) == PKM_OK, "a temporary file is there");
    fuzz_check(pkm_file_map_open(&b, fuzz_path(other), 0) == PKM_OK, "a temporary file is there");
    same = a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
    pkm_file_map_close(&a);
    pkm_file_map_close(&b);
    return same;
}

uint64_t fuzz_number(fuzz_input *in, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes && in->size > 0; i++, in->size--)
        value |= (uint64_t)*in->data++ << 8 * i;
    return value;
}

int64_t fuzz_up_to(fuzz_input *in, int64_t max)
{
    return (int64_t)(fuzz_number(in, max < 256 ? 1 : 8) % ((uint64_t)max + 1));
}

int64_t fuzz_size(fuzz_input *in)
{
    uint64_t first = fuzz_number(in, 1);

    if (first < 0xc0)
        return (int64_t)(first % 16);
    if (first < 0xe0)
        return (int64_t)(UINT64_C(1) << first % 32 * 2) - 1 + (int64_t)(first & 1);
    return (int64_t)fuzz_number(in, first < 0xf0 ? 4 : 8);
}

fuzz_input fuzz_section(fuzz_input *in)
{
    static const char line[] = "\n----\n";
    const uint8_t *end = memmem(in->data, in->size, line, sizeof line - 1);
    fuzz_input section = *in;

    if (end == NULL) {
        in->size = 0;
        return section;
    }
    section.size = (size_t)(end - in->data);
    in->data = end + sizeof line - 1;
    in->size -= section.size + sizeof line - 1;
    return section;
}

/* One run over a copy of the input that ends where its allocation ends. */
static void run_once(const uint8_t *data, size_t size, uint64_t failing)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    fuzz_check(copy != NULL, "there is memory for the input");
    if (size > 0)
        memcpy(copy, data, size);
    memset(&run, 0, sizeof run);
    run.failing = failing;
    run.limit = fuzz_this.per_byte * size + fuzz_this.constant;
    (void)pkm_fail(PKM_ERR_ARG, "%s", stale);
    pkm_alloc_set_hook(count_allocation, NULL);
    fuzz_this.run(copy, size);
    pkm_alloc_set_hook(NULL, NULL);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pkm_hash hash;

    if (folder[0] == '\0')
        start();
    run_once(data, size, 0);
    fuzz_check(!run.failed || fuzz_this.refuse, "memory is bounded by a multiple of the input");
    if (run.count == 0)
        return 0;
    pkm_hash_init(&hash);
    pkm_hash_update(&hash, data, size);
    run_once(data, size, 1 + pkm_hash_digest(&hash).low % run.count);
    return 0;
}
