/* SPDX-License-Identifier: Apache-2.0 */
#include "support/same_tree.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

enum { PATH_BYTES = 4096, MAX_FILE_BYTES = 1 << 30 };

static bool differ(const char *want, const char *got, const char *how)
{
    fprintf(stderr, "%s: %s that of %s\n", got, how, want);
    return false;
}

static bool read_all(char **out, size_t *bytes, const char *path)
{
    if (pkm_file_read(out, bytes, path, MAX_FILE_BYTES) == PKM_OK)
        return true;
    fprintf(stderr, "%s\n", pkm_last_error());
    return false;
}

/* Removes the fields that tell time, memory, threads, or the length of what tells them. */
static void forget_clocks(json_t *value)
{
    static const char *const clocks[] = {"wall",    "tok_per_s",     "rss_mb",
                                         "threads", "metrics_bytes", "keep_checkpoints"};
    const char *key;
    json_t *member;

    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++)
        (void)json_object_del(value, clocks[i]);
    json_object_foreach(value, key, member) forget_clocks(member);
}

/* Two objects, or as many as there are lines. */
static bool same_json(const char *a, const char *b, bool lines)
{
    bool same = true;

    while (same && (*a != '\0' || *b != '\0')) {
        size_t bytes_a = lines ? strcspn(a, "\n") : strlen(a);
        size_t bytes_b = lines ? strcspn(b, "\n") : strlen(b);
        json_t *object_a = json_loadb(a, bytes_a, JSON_REJECT_DUPLICATES, NULL);
        json_t *object_b = json_loadb(b, bytes_b, JSON_REJECT_DUPLICATES, NULL);

        forget_clocks(object_a);
        forget_clocks(object_b);
        same = object_a != NULL && json_equal(object_a, object_b) == 1;
        json_decref(object_a);
        json_decref(object_b);
        a += bytes_a + (a[bytes_a] == '\n');
        b += bytes_b + (b[bytes_b] == '\n');
    }
    return same;
}

static bool ends_with(const char *text, const char *end)
{
    size_t bytes = strlen(text), end_bytes = strlen(end);

    return bytes >= end_bytes && strcmp(text + bytes - end_bytes, end) == 0;
}

bool same_file(const char *want, const char *got)
{
    char *a = NULL, *b = NULL;
    size_t bytes_a, bytes_b;
    bool same = read_all(&a, &bytes_a, want) && read_all(&b, &bytes_b, got);

    if (same) {
        bool lines = ends_with(got, ".jsonl");

        if (lines || (ends_with(got, ".json") && !ends_with(got, "tokenizer.json")))
            same = same_json(a, b, lines);
        else
            same = bytes_a == bytes_b && memcmp(a, b, bytes_a) == 0;
        if (!same)
            (void)differ(want, got, "its content is not");
    }
    pkm_free(a);
    pkm_free(b);
    return same;
}

static bool passed_over(const char *name, bool whole)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           strcmp(name, "MANIFEST.json") == 0 || (!whole && strstr(name, ".tmp-") != NULL);
}

/* Names under `got` that `want` has not. */
static bool nothing_more(const char *want, const char *got, bool whole)
{
    DIR *stream = opendir(got);
    bool same = stream != NULL;

    while (same) {
        struct dirent *entry = readdir(stream);
        char path[PATH_BYTES];

        if (entry == NULL)
            break;
        snprintf(path, sizeof path, "%s/%s", want, entry->d_name);
        if (!passed_over(entry->d_name, whole) && !pkm_file_exists(path) &&
            !pkm_directory_exists(path)) {
            fprintf(stderr, "%s/%s: should not be there\n", got, entry->d_name);
            same = false;
        }
    }
    if (stream != NULL)
        closedir(stream);
    return same;
}

bool same_tree(const char *want, const char *got, bool whole)
{
    DIR *stream = opendir(want);
    bool same = stream != NULL && nothing_more(want, got, whole);

    while (same) {
        struct dirent *entry = readdir(stream);
        char a[PATH_BYTES], b[PATH_BYTES];

        if (entry == NULL)
            break;
        if (passed_over(entry->d_name, whole))
            continue;
        snprintf(a, sizeof a, "%s/%s", want, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", got, entry->d_name);
        if (!pkm_file_exists(b) && !pkm_directory_exists(b))
            same = !whole || differ(a, b, "it is missing, unlike");
        else
            same = pkm_directory_exists(a) ? same_tree(a, b, whole) : same_file(a, b);
    }
    if (stream != NULL)
        closedir(stream);
    return same;
}
