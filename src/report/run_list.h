/* SPDX-License-Identifier: Apache-2.0 */
/* The runs below a folder. */
#ifndef PKM_REPORT_RUN_LIST_H
#define PKM_REPORT_RUN_LIST_H

#include "base/error.h"
#include "pkm/report.h"

typedef struct pkm_run_list {
    char *paths[PKM_REPORT_RUNS]; /* [count], in each folder sorted by name, numbers by size */
    int count;
} pkm_run_list;

/* Folders with a metrics.jsonl, at most 8 levels below dir, or dir itself; nothing in such a folder
 * is looked at, and links are not followed. PKM_ERR_ARG if there is none, or too many. */
pkm_status pkm_run_list_find(pkm_run_list *out, const char *dir);
void pkm_run_list_release(pkm_run_list *list);

#endif
