/* SPDX-License-Identifier: Apache-2.0 */
#include "train/manifest.h"

#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/size.h"
#include "format/json.h"

enum { BLOCK_BYTES = 16 << 20, MANIFEST_FORMAT = 1, MAX_MANIFEST_BYTES = 64 << 20 };

static const char manifest_name[] = "MANIFEST.json";

static uint32_t block_crc(const pkm_file_map *map, size_t block)
{
    size_t start = block * BLOCK_BYTES;
    size_t bytes = map->size_bytes - start < BLOCK_BYTES ? map->size_bytes - start : BLOCK_BYTES;

    return (uint32_t)crc32_z(0, map->data + start, bytes);
}

static size_t block_count(const pkm_file_map *map)
{
    return (map->size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* {"name", "bytes", "crc32": [...]} of one file. */
static pkm_status describe(json_t **out, const char *dir, const char *name)
{
    char *path;
    pkm_file_map map;
    json_t *sums = json_array();
    pkm_status status;

    PKM_TRY(pkm_path_join(&path, dir, name));
    status = pkm_file_map_open(&map, path, O_NOFOLLOW);
    pkm_free(path);
    if (status != PKM_OK) {
        json_decref(sums);
        return status;
    }
    for (size_t block = 0; block < block_count(&map); block++)
        json_array_append_new(sums, json_integer((json_int_t)block_crc(&map, block)));
    *out = json_pack("{s:s, s:I, s:o}", "name", name, "bytes", (json_int_t)map.size_bytes, "crc32",
                     sums);
    pkm_file_map_close(&map);
    return *out != NULL ? PKM_OK : pkm_fail(PKM_ERR_NOMEM, "out of memory: a manifest");
}

pkm_status pkm_manifest_write(const char *dir, const char *const *names, int n_names)
{
    json_t *files = json_array(), *root;
    char *path = NULL;
    pkm_status status = PKM_OK;

    for (int i = 0; i < n_names && status == PKM_OK; i++) {
        json_t *file = NULL;

        status = describe(&file, dir, names[i]);
        if (status == PKM_OK && json_array_append_new(files, file) != 0)
            status = pkm_fail(PKM_ERR_NOMEM, "out of memory: a manifest");
    }
    root = json_pack("{s:i, s:i, s:o}", "format", (int)MANIFEST_FORMAT, "block_bytes",
                     (int)BLOCK_BYTES, "files", files);
    if (status == PKM_OK && root == NULL)
        status = pkm_fail(PKM_ERR_NOMEM, "out of memory: a manifest");
    if (status == PKM_OK)
        status = pkm_path_join(&path, dir, manifest_name);
    if (status == PKM_OK)
        status = pkm_json_save(root, path);
    pkm_free(path);
    json_decref(root);
    return status;
}

static pkm_status check_blocks(const pkm_file_map *map, const json_t *sums, const char *path)
{
    if (json_array_size(sums) != block_count(map))
        return pkm_fail(PKM_ERR_FORMAT, "%s: %zu checksums in the manifest, expected %zu", path,
                        json_array_size(sums), block_count(map));
    for (size_t block = 0; block < block_count(map); block++) {
        json_int_t want = json_integer_value(json_array_get(sums, block));

        if (want != (json_int_t)block_crc(map, block))
            return pkm_fail(PKM_ERR_FORMAT,
                            "%s: bytes from %zu on differ from the checksum in the manifest", path,
                            block * (size_t)BLOCK_BYTES);
    }
    return PKM_OK;
}

/* One entry of the manifest against the file it names. */
static pkm_status check_file(const char *dir, const json_t *entry, const char *manifest)
{
    const char *name;
    const json_t *sums;
    int64_t bytes;
    char *path;
    pkm_file_map map;
    pkm_status status;

    PKM_TRY(pkm_json_string(entry, "name", true, &name, manifest));
    PKM_TRY(pkm_json_int(entry, "bytes", 0, INT64_MAX, true, &bytes, manifest));
    PKM_TRY(pkm_json_array(entry, "crc32", true, &sums, manifest));
    if (strchr(name, '/') != NULL || name[0] == '.' || name[0] == '\0')
        return pkm_fail(PKM_ERR_FORMAT, "%s: name '%s' is not a plain file name", manifest, name);
    PKM_TRY(pkm_path_join(&path, dir, name));
    status = pkm_file_map_open(&map, path, O_NOFOLLOW);
    if (status == PKM_OK) {
        if (map.size_bytes != (size_t)bytes)
            status = pkm_fail(PKM_ERR_FORMAT, "%s: %zu bytes, the manifest says %lld", path,
                              map.size_bytes, (long long)bytes);
        else
            status = check_blocks(&map, sums, path);
        pkm_file_map_close(&map);
    }
    pkm_free(path);
    return status;
}

pkm_status pkm_manifest_check(const char *dir)
{
    char *path;
    json_t *root = NULL;
    const json_t *files;
    int64_t number;
    pkm_status status;

    PKM_TRY(pkm_path_join(&path, dir, manifest_name));
    status = pkm_json_load(&root, path, MAX_MANIFEST_BYTES);
    if (status == PKM_OK)
        status = pkm_json_int(root, "format", 1, MANIFEST_FORMAT, true, &number, path);
    if (status == PKM_OK)
        status = pkm_json_int(root, "block_bytes", BLOCK_BYTES, BLOCK_BYTES, true, &number, path);
    if (status == PKM_OK)
        status = pkm_json_array(root, "files", true, &files, path);
    for (size_t i = 0; status == PKM_OK && i < json_array_size(files); i++)
        status = check_file(dir, json_array_get(files, i), path);
    json_decref(root);
    pkm_free(path);
    return status;
}
