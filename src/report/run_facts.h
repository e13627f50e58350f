/* SPDX-License-Identifier: Apache-2.0 */
/* What a run folder tells of its model beside the log: settings and size. */
#ifndef PKM_REPORT_RUN_FACTS_H
#define PKM_REPORT_RUN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct pkm_run_facts {
    char **settings;    /* [pkm_train_option_table()->count], as text; NULL: not told */
    double parameters;  /* NaN: there is no model yet, or none that is whole */
    double of_memories; /* the part of them in value tables */
} pkm_run_facts;

/* From the config.json in dir, if there is one, and the headers of its model. */
pkm_status pkm_run_facts_load(pkm_run_facts *out, const char *dir);
void pkm_run_facts_release(pkm_run_facts *facts);

/* Whether runs that tell their settings have another text for this row of the table of options. */
bool pkm_run_facts_differ(const pkm_run_facts *facts, int n_runs, int row);

#endif
