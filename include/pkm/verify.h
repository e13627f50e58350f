/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is stored is still what was written, and can be used. May still change before 1.0.
 */
#ifndef PKM_VERIFY_H
#define PKM_VERIFY_H

#include "pkm/error.h"
#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thing that was checked. */
typedef struct pkm_verify_part {
    const char *kind;    /* "checkpoint", "pointer", "log", "model", "weights", "data set",
                            "tokenizer", "run" */
    const char *path;    /* borrowed during the call */
    pkm_status status;   /* PKM_OK, or what using it would give */
    const char *message; /* what is wrong; empty if nothing is */
} pkm_verify_part;

/* Is told of each part as it was checked. */
typedef void (*pkm_verify_sink)(const pkm_verify_part *part, void *user);

/**
 * Checks what lies at path, reading all of it: a run folder, a checkpoint (or the pointers best and
 * last), a model, a data set, a tokenizer, or a safetensors file.
 *
 * A checkpoint is compared with its manifest and loaded as training would, a data set with its
 * checksums and its tokenizer with the one it was made with; in a model no number may be a NaN or
 * an infinity. Of a run, every checkpoint is checked, that pointers name what is there, that the
 * published model is that of a checkpoint, and that the log has whole lines, as far as the newest
 * checkpoint knows of it. Nothing is changed. A run that is being trained may be found in the
 * middle of a save.
 *
 * Memory:  that of the largest checkpoint or model
 * Errors:  the status of the first part that is not whole, its message in pkm_last_error;
 *          PKM_ERR_ARG if path holds nothing of ours; PKM_ERR_NOMEM
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_verify(const char *path, pkm_verify_sink sink, void *user);

#ifdef __cplusplus
}
#endif

#endif
