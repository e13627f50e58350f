/* SPDX-License-Identifier: Apache-2.0 */
#include "report/run_list.h"

#include <stdlib.h>
#include <string.h>

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

/* The number at *text, without zeros before it, and how many digits it has; *text: behind it. */
static const char *take_number(const char **text, size_t *digits)
{
    const char *number = *text + strspn(*text, "0");

    *digits = strspn(number, "0123456789");
    *text = number + *digits;
    return number;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* By bytes, but digits as the number they are, however long: run2, run10. Names that differ only in
 * zeros before a number are in the order of their bytes. */
static int by_number(const void *left, const void *right)
{
    const char *whole_a = *(char *const *)left, *whole_b = *(char *const *)right;
    const char *a = whole_a, *b = whole_b;

    while (*a != '\0' && *b != '\0') {
        int order;

        if (is_digit(*a) && is_digit(*b)) {
            size_t n, m;
            const char *number_a = take_number(&a, &n), *number_b = take_number(&b, &m);

            order = n != m ? (n > m) - (n < m) : memcmp(number_a, number_b, n);
        } else {
            order = (unsigned char)*a++ - (unsigned char)*b++;
        }
        if (order != 0)
            return order;
    }
    return *a != *b ? (*a != '\0') - (*b != '\0') : strcmp(whole_a, whole_b);
}

static pkm_status search(pkm_run_list *list, const char *dir, int depth);

static pkm_status search_below(pkm_run_list *list, const char *dir, int depth)
{
    pkm_names names;
    pkm_status status = pkm_directory_list(&names, dir);

    PKM_TRY(status);
    if (names.count > 0)
        qsort(names.name, names.count, sizeof *names.name, by_number);
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
