/* SPDX-License-Identifier: Apache-2.0 */
/* logits MODEL ID...: a model's logits [ids, vocabulary] as raw f32, for tests/parity/models.py. */
#include <stdio.h>
#include <stdlib.h>

#include "pkm/model.h"

int main(int argc, char **argv)
{
    pkm_model_options options = {.precision = PKM_F32};
    pkm_model *model = NULL;
    int n_ids = argc - 2;
    int32_t *ids = calloc((size_t)argc, sizeof *ids);
    float *logits = NULL;
    size_t count = 0;
    int code = 1;

    for (int i = 0; i < n_ids; i++)
        ids[i] = (int32_t)atol(argv[i + 2]);
    if (argc > 2 && pkm_model_load(&model, argv[1], &options) == PKM_OK) {
        count = (size_t)n_ids * (size_t)pkm_model_vocab_size(model);
        logits = calloc(count, sizeof *logits);
    }
    if (logits != NULL && pkm_model_logits(model, logits, ids, n_ids) == PKM_OK)
        code = fwrite(logits, sizeof *logits, count, stdout) == count ? 0 : 1;
    if (code != 0)
        fprintf(stderr, "logits: %s\n", pkm_last_error());
    free(logits);
    pkm_model_destroy(model);
    free(ids);
    return code;
}
