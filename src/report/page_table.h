/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the page: final figures of the runs, and their settings. */
#ifndef PKM_REPORT_PAGE_TABLE_H
#define PKM_REPORT_PAGE_TABLE_H

#include "base/strbuf.h"
#include "report/run_facts.h"
#include "report/run_log.h"

/* A row for each run: first the settings in which not all agree, then its figures. */
pkm_status pkm_page_figures(pkm_strbuf *out, const pkm_run_log *logs, const pkm_run_facts *facts,
                            int n_runs);

/* All settings, a column for each run. */
pkm_status pkm_page_settings(pkm_strbuf *out, const pkm_run_log *logs, const pkm_run_facts *facts,
                             int n_runs);

#endif
