/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mean loss of a model over tokens: windows of seq_len tokens side by side, each token but a
 * window's context predicted once. Used between training steps and by pkm eval.
 */
#ifndef PKM_TRAIN_SCORER_H
#define PKM_TRAIN_SCORER_H

#include "models/gpt.h"
#include "pkm/model.h"

/* Where tokens come from: a data set, or ids in memory (data NULL). */
typedef struct pkm_score_source {
    const pkm_data *data;
    const int32_t *ids;
    int64_t n_tokens;
} pkm_score_source;

/* Sums of a scoring; start with zeros. */
typedef struct pkm_score_sums {
    double loss;    /* of -ln p over predicted tokens, in nats */
    int64_t tokens; /* predicted */
} pkm_score_sums;

typedef struct pkm_scorer {
    pkm_gpt *gpt;   /* borrowed */
    pkm_tape *tape; /* SCORE, planned for max_rows */
    int64_t max_rows;
    pkm_tensor *ids, *targets, *sequence, *position, *loss;
    int32_t *window; /* [seq_len + 1] scratch */
} pkm_scorer;

/* For batches of about max_rows rows (at least one window). */
pkm_status pkm_scorer_init(pkm_scorer *out, pkm_gpt *gpt, int64_t max_rows);
void pkm_scorer_release(pkm_scorer *scorer);

/* Adds the loss of the source's tokens 1 .. to *sums, at most max_tokens (0 = all). progress may be
 * NULL; non-zero from it gives PKM_ERR_CANCELLED. */
pkm_status pkm_scorer_run(pkm_scorer *scorer, pkm_score_sums *sums, const pkm_score_source *source,
                          int64_t max_tokens, pkm_progress progress, void *user);

/* Usage of the memory layers: counting starts; then figures for each layer, all heads together and
 * each head; *out (NULL without memories) is owned by the caller. */
pkm_status pkm_score_usage_start(pkm_gpt *gpt);
/* Bytes that this takes: 17 for each slot of each head, which can be more than the tables. */
size_t pkm_score_usage_bytes(const pkm_gpt *gpt);
pkm_status pkm_score_usage_finish(pkm_gpt *gpt, pkm_usage **out, int *n_usage);
/* Ends counting without figures, as finish does with them; harmless where nothing counts. */
void pkm_score_usage_stop(pkm_gpt *gpt);

#endif
