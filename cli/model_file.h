/* SPDX-License-Identifier: Apache-2.0 */
/* What commands that load a model share: --precision, --no-mmap and the loading. */
#ifndef PKM_CLI_MODEL_FILE_H
#define PKM_CLI_MODEL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "pkm/model.h"
#include "pkm/options.h"

/* Choices of --precision: the one the model was trained in, or another. */
#define MODEL_PRECISIONS "auto|f32|bf16"

/* What these two rows set, and the rows, for a model_choice at `place` in the struct of options. */
typedef struct model_choice {
    int precision; /* index into MODEL_PRECISIONS */
    bool mmap;
} model_choice;

#define MODEL_ROWS(place)                                                                          \
    {.name = "precision",                                                                          \
     .type = PKM_OPTION_CHOICE,                                                                    \
     .offset = (place) + offsetof(model_choice, precision),                                        \
     .preset = "auto",                                                                             \
     .choices = MODEL_PRECISIONS,                                                                  \
     .help = "of products and activations; auto: as in training"},                                 \
    {                                                                                              \
        .name = "mmap", .type = PKM_OPTION_BOOL, .offset = (place) + offsetof(model_choice, mmap), \
        .preset = "true", .help = "read the weights at the start instead of mapping their file",   \
    }

pkm_status model_open(pkm_model **out, const char *dir, const model_choice *choice);

#endif
