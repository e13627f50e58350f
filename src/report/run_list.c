/* SPDX-License-Identifier: Apache-2.0 */
#include "report/run_list.h"

#include "base/alloc.h"
#include "base/file.h"

enum { MAX_DEPTH = 8 };

static pkm_status is_run(bool *out, const char *dir)
{
    char *path;

    PKM_TRY(pkm_path_join(&path, dir, "metrics.jsonl"));
    *out = pkm_file_exists(path);
    pkm_free(path);
    return PKM_OK;
}

static pkm_status search(pkm_run_list *list, const char *dir, int depth);

static pkm_status search_below(pkm_run_list *list, const char *dir, int depth)
{
    pkm_names names;
    pkm_status status = pkm_directory_list(&names, dir);

    PKM_TRY(status);
    for (size_t i = 0; i < names.count && status == PKM_OK; i++) {
        char *path;

        status = pkm_path_join(&path, dir, names.name[i]);
        if (status != PKM_OK)
            break;
        if (pkm_directory_is_own(path))
            status = search(list, path, depth + 1);
        pkm_free(path);
    }
    pkm_names_release(&names);
    return status;
}

static pkm_status search(pkm_run_list *list, const char *dir, int depth)
{
    bool found;

    PKM_TRY(is_run(&found, dir));
    if (!found)
        return depth < MAX_DEPTH ? search_below(list, dir, depth) : PKM_OK;
    if (list->count == PKM_REPORT_RUNS)
        return pkm_fail(PKM_ERR_ARG, "more than %d runs: name a folder further down",
                        PKM_REPORT_RUNS);
    PKM_TRY(pkm_string_copy(&list->paths[list->count], dir));
    list->count++;
    return PKM_OK;
}

pkm_status pkm_run_list_find(pkm_run_list *out, const char *dir)
{
    pkm_status status;

    *out = (pkm_run_list){0};
    status = search(out, dir, 0);
    if (status == PKM_OK && out->count == 0)
        status =
            pkm_fail(PKM_ERR_ARG, "%s: no run is here or below: none has a metrics.jsonl", dir);
    if (status != PKM_OK)
        pkm_run_list_release(out);
    return status;
}

void pkm_run_list_release(pkm_run_list *list)
{
    for (int i = 0; i < list->count; i++)
        pkm_free(list->paths[i]);
    *list = (pkm_run_list){0};
}
