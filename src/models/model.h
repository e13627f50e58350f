/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind pkm_model (include/pkm/model.h): for src/train and src/infer, which use it. */
#ifndef PKM_MODELS_MODEL_H
#define PKM_MODELS_MODEL_H

#include "format/safetensors.h"
#include "models/gpt.h"
#include "pkm/model.h"

struct pkm_model {
    pkm_gpt *gpt;
    pkm_st_reader *weights;   /* value tables may lie in it: closed after gpt is gone */
    pkm_tokenizer *tokenizer; /* NULL if the directory has none */
    pkm_tape *tape;    /* of pkm_model_logits: SCORE with logits; NULL before its first call */
    int64_t tape_rows; /* what tape is planned for */
};

#endif
