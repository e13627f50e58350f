/* SPDX-License-Identifier: Apache-2.0 */
/* Where a file of a model lies: in its folder, or in the one that a pointer file names. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/manifest.h"
#include "models/model_dir.h"

enum { POINTER_BYTES = 255 };

static pkm_status not_a_model(const char *path)
{
    return pkm_fail(PKM_ERR_FORMAT,
                    "%s: not a model: expected a folder with a config.json, or a file that names "
                    "one beside it",
                    path);
}

/* Replaces *path, a pointer file, by the folder it names beside itself. */
static pkm_status follow_pointer(char **path)
{
    char *text, *target, *slash;
    size_t bytes;
    pkm_status status;

    status = pkm_file_read(&text, &bytes, *path, POINTER_BYTES);
    if (status == PKM_ERR_FORMAT) /* too long */
        return not_a_model(*path);
    PKM_TRY(status);
    text[strcspn(text, "\n")] = '\0';
    if (text[0] == '\0' || text[0] == '.' || strchr(text, '/') != NULL) {
        pkm_free(text);
        return not_a_model(*path);
    }
    slash = strrchr(*path, '/');
    if (slash != NULL)
        slash[0] = '\0';
    status = slash == NULL ? pkm_string_copy(&target, text)
                           : pkm_path_join(&target, slash == *path ? "/" : *path, text);
    pkm_free(text);
    PKM_TRY(status);
    pkm_free(*path);
    *path = target;
    return PKM_OK;
}

pkm_status pkm_model_dir_path(char **out, const char *dir, const char *name)
{
    char *folder, *path;
    pkm_status status;

    PKM_TRY(pkm_string_copy(&folder, dir));
    status = pkm_file_exists(folder) ? follow_pointer(&folder) : PKM_OK;
    if (status == PKM_OK)
        status = pkm_path_join(&path, folder, name);
    pkm_free(folder);
    PKM_TRY(status);
    *out = path;
    return PKM_OK;
}

pkm_status pkm_model_dir_verify(const char *dir, pkm_verify_level level)
{
    static const char *const needed[] = {"config.json", "model.safetensors"};
    char *folder, *manifest = NULL;
    pkm_status status;

    PKM_TRY(pkm_model_dir_path(&folder, dir, ""));
    status = pkm_path_join(&manifest, folder, PKM_MANIFEST_NAME);
    if (status == PKM_OK && pkm_file_exists(manifest))
        status = pkm_manifest_check(folder, needed, 2, level);
    pkm_free(manifest);
    pkm_free(folder);
    return status;
}
