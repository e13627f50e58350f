/* SPDX-License-Identifier: Apache-2.0 */
/* What commands that load a model share: --precision and the loading. */
#ifndef PKM_CLI_MODEL_FILE_H
#define PKM_CLI_MODEL_FILE_H

#include "pkm/model.h"

/* Choices of --precision: the one the model was trained in, or another. */
#define MODEL_PRECISIONS "auto|f32|bf16"

/* precision: index into MODEL_PRECISIONS. */
pkm_status model_open(pkm_model **out, const char *dir, int precision);

#endif
