/* SPDX-License-Identifier: Apache-2.0 */
#include "format/manifest.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "format/json.h"

enum {
    BLOCK_BYTES = 16 << 20,
    READ_BYTES = 1 << 16,
    MANIFEST_FORMAT = 1,
    MAX_MANIFEST_BYTES = 64 << 20
};

/* Files are read, not mapped: a bad sector is an error to tell of then, and no signal. */
typedef struct file_reader {
    int fd;
    size_t size_bytes;
    const char *path;
    unsigned char *buffer; /* [READ_BYTES] */
} file_reader;

static int64_t block_count(size_t size_bytes)
{
    return pkm_ceil_div((int64_t)size_bytes, BLOCK_BYTES);
}

/* CRC-32 of the block that begins where the file is read next. */
static pkm_status read_crc(const file_reader *reader, int64_t block, uint32_t *out)
{
    size_t left = reader->size_bytes - (size_t)block * BLOCK_BYTES;

    *out = 0;
    left = left < BLOCK_BYTES ? left : BLOCK_BYTES;
    while (left > 0) {
        size_t bytes = left < READ_BYTES ? left : READ_BYTES;

        PKM_TRY(pkm_file_fill(reader->fd, reader->buffer, bytes, reader->path));
        *out = (uint32_t)crc32_z(*out, reader->buffer, bytes);
        left -= bytes;
    }
    return PKM_OK;
}

static pkm_status reader_open(file_reader *out, const char *path)
{
    file_reader reader = {.path = path};

    PKM_TRY(pkm_alloc((void **)&reader.buffer, READ_BYTES, path));
    if (pkm_file_open(&reader.fd, &reader.size_bytes, path, O_NOFOLLOW) != PKM_OK) {
        pkm_free(reader.buffer);
        return PKM_ERR_IO;
    }
    *out = reader;
    return PKM_OK;
}

static void reader_close(file_reader *reader)
{
    pkm_io()->close(reader->fd);
    pkm_free(reader->buffer);
}

/* ---- writing ---- */

/* Appends {"name", "bytes", "crc32": [...]} of one file. */
static pkm_status describe(json_t *files, const file_reader *reader, const char *name)
{
    json_t *sums = json_array();
    pkm_status status = PKM_OK;
    int failed = 0;

    for (int64_t block = 0; block < block_count(reader->size_bytes) && status == PKM_OK; block++) {
        uint32_t crc;

        status = read_crc(reader, block, &crc);
        failed |= status == PKM_OK && json_array_append_new(sums, json_integer(crc));
    }
    if (status != PKM_OK || failed != 0) {
        json_decref(sums);
        return status != PKM_OK ? status : pkm_json_no_memory();
    }
    failed = json_array_append_new(files, json_pack("{s:s, s:I, s:o}", "name", name, "bytes",
                                                    (json_int_t)reader->size_bytes, "crc32", sums));
    return failed == 0 ? PKM_OK : pkm_json_no_memory();
}

static pkm_status describe_all(json_t *files, const char *dir, const char *const *names, int n)
{
    pkm_status status = PKM_OK;

    for (int i = 0; i < n && status == PKM_OK; i++) {
        file_reader reader;
        char *path;

        PKM_TRY(pkm_path_join(&path, dir, names[i]));
        status = reader_open(&reader, path);
        if (status == PKM_OK) {
            status = describe(files, &reader, names[i]);
            reader_close(&reader);
        }
        pkm_free(path);
    }
    return status;
}

pkm_status pkm_manifest_write(const char *dir, const char *const *names, int n_names)
{
    json_t *files = json_array(), *root;
    char *path;
    pkm_status status;

    root = json_pack("{s:i, s:i, s:o}", "format", (int)MANIFEST_FORMAT, "block_bytes",
                     (int)BLOCK_BYTES, "files", files);
    if (root == NULL)
        return pkm_json_no_memory();
    status = describe_all(files, dir, names, n_names);
    if (status == PKM_OK)
        status = pkm_path_join(&path, dir, PKM_MANIFEST_NAME);
    if (status == PKM_OK) {
        status = pkm_json_save(root, path);
        pkm_free(path);
    }
    json_decref(root);
    return status;
}

/* ---- checking ---- */

static pkm_status check_blocks(const file_reader *reader, const json_t *sums,
                               pkm_verify_level level)
{
    int64_t count = block_count(reader->size_bytes);

    if ((int64_t)json_array_size(sums) != count)
        return pkm_fail(PKM_ERR_FORMAT, "%s: %zu checksums in the manifest, expected %lld",
                        reader->path, json_array_size(sums), (long long)count);
    for (int64_t block = 0; block < count; block++) {
        json_int_t want = json_integer_value(json_array_get(sums, (size_t)block));
        uint32_t crc;

        if (level == PKM_VERIFY_QUICK && block > 0 && block + 1 < count)
            continue;
        if (lseek(reader->fd, (off_t)(block * BLOCK_BYTES), SEEK_SET) < 0)
            return pkm_fail_errno(PKM_ERR_IO, "%s: cannot seek", reader->path);
        PKM_TRY(read_crc(reader, block, &crc));
        if (want != (json_int_t)crc)
            return pkm_fail(PKM_ERR_FORMAT,
                            "%s: the 16 MiB from byte %lld on differ from the checksum in the "
                            "manifest",
                            reader->path, (long long)(block * BLOCK_BYTES));
    }
    return PKM_OK;
}

static pkm_status check_path(const char *path, int64_t bytes, const json_t *sums,
                             pkm_verify_level level)
{
    file_reader reader;
    pkm_status status;

    PKM_TRY(reader_open(&reader, path));
    if (reader.size_bytes != (size_t)bytes)
        status = pkm_fail(PKM_ERR_FORMAT, "%s: %zu bytes, the manifest says %lld", path,
                          reader.size_bytes, (long long)bytes);
    else
        status = check_blocks(&reader, sums, level);
    reader_close(&reader);
    return status;
}

/* One entry of the manifest against the file it names. */
static pkm_status check_entry(const char *dir, const json_t *entry, const char *manifest,
                              pkm_verify_level level)
{
    const char *name;
    const json_t *sums;
    int64_t bytes;
    char *path;
    pkm_status status;

    PKM_TRY(pkm_json_string(entry, "name", true, &name, manifest));
    PKM_TRY(pkm_json_int(entry, "bytes", 0, INT64_MAX, true, &bytes, manifest));
    PKM_TRY(pkm_json_array(entry, "crc32", true, &sums, manifest));
    if (strchr(name, '/') != NULL || name[0] == '.' || name[0] == '\0')
        return pkm_fail(PKM_ERR_FORMAT, "%s: name '%s' is not a plain file name", manifest, name);
    if (level == PKM_VERIFY_NONE)
        return PKM_OK;
    PKM_TRY(pkm_path_join(&path, dir, name));
    status = check_path(path, bytes, sums, level);
    pkm_free(path);
    return status;
}

static bool lists(const json_t *files, const char *name)
{
    for (size_t i = 0; i < json_array_size(files); i++) {
        const char *found = json_string_value(json_object_get(json_array_get(files, i), "name"));

        if (found != NULL && strcmp(found, name) == 0)
            return true;
    }
    return false;
}

static pkm_status check_root(const char *dir, const json_t *root, const char *path,
                             const char *const *names, int n_names, pkm_verify_level level)
{
    const json_t *files;
    int64_t number;

    PKM_TRY(pkm_json_version(root, "format", MANIFEST_FORMAT, path));
    PKM_TRY(pkm_json_int(root, "block_bytes", BLOCK_BYTES, BLOCK_BYTES, true, &number, path));
    PKM_TRY(pkm_json_array(root, "files", true, &files, path));
    for (size_t i = 0; i < json_array_size(files); i++)
        PKM_TRY(check_entry(dir, json_array_get(files, i), path, level));
    for (int i = 0; i < n_names; i++)
        if (!lists(files, names[i]))
            return pkm_fail(PKM_ERR_FORMAT, "%s: does not list %s", path, names[i]);
    return PKM_OK;
}

pkm_status pkm_manifest_check(const char *dir, const char *const *names, int n_names,
                              pkm_verify_level level)
{
    char *path;
    json_t *root = NULL;
    pkm_status status;

    PKM_TRY(pkm_path_join(&path, dir, PKM_MANIFEST_NAME));
    status = pkm_json_load(&root, path, MAX_MANIFEST_BYTES);
    if (status == PKM_OK)
        status = check_root(dir, root, path, names, n_names, level);
    json_decref(root);
    pkm_free(path);
    return status;
}
