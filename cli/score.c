/* SPDX-License-Identifier: Apache-2.0 */
#include "score.h"

static pkm_status score_data(pkm_model *model, pkm_eval_result *out, const score_source *source,
                             progress *bar)
{
    pkm_data *data;
    pkm_status status = pkm_data_open(&data, source->data, PKM_SPLIT_VAL);

    if (status == PKM_OK) {
        status = pkm_model_eval_data(model, out, data, source->max_tokens, progress_phase, bar);
        pkm_data_close(data);
    }
    return status;
}

pkm_status score_run(pkm_model *model, pkm_eval_result *out, const score_source *source,
                     progress *bar)
{
    pkm_status status =
        source->n_files > 0
            ? pkm_model_eval_text(model, out, source->files, source->n_files, progress_phase, bar)
            : score_data(model, out, source, bar);

    progress_end(bar);
    return status;
}
