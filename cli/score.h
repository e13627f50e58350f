/* SPDX-License-Identifier: Apache-2.0 */
/* What models are scored on: the held-out side of a data set, or text files. */
#ifndef PKM_CLI_SCORE_H
#define PKM_CLI_SCORE_H

#include "pkm/model.h"
#include "progress.h"

typedef struct score_source {
    const char *data;         /* a data set; used if there are no files */
    int64_t max_tokens;       /* of it; 0: all */
    const char *const *files; /* [n_files] */
    int n_files;
} score_source;

pkm_status score_run(pkm_model *model, pkm_eval_result *out, const score_source *source,
                     progress *bar);

#endif
