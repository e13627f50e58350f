/* SPDX-License-Identifier: Apache-2.0 */
/* What the memories read, shown as a scorer runs over tokens. */
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "memory/memory_config.h"
#include "models/model.h"
#include "pkm/inspect.h"
#include "train/scorer.h"

/* Rows side by side at most, as in an evaluation. */
enum { READ_ROWS = 4096 };

/* One memory on its way through the tokens. */
typedef struct watch {
    pkm_reads next; /* what the sink is shown; n_tokens is 0 until it was, in this batch */
    pkm_reads_sink sink;
    void *user;
} watch;

static void show(const int32_t *ids, const float *weights, int64_t n_rows, void *user)
{
    watch *self = user;

    if (self->next.n_tokens != 0)
        return; /* a batch whose loss was not finite comes again, to find out why */
    self->next.n_tokens = n_rows;
    self->next.ids = ids;
    self->next.weights = weights;
    self->sink(&self->next, self->user);
}

static void start_watching(pkm_gpt *gpt, watch *watches, pkm_reads_sink sink, void *user)
{
    const pkm_memory_config *memory = &gpt->config.memory;

    for (int i = 0; i < gpt->n_memories; i++) {
        watches[i] = (watch){.next = {.layer = (int)gpt->config.memory_layers.value[i],
                                      .slots = pkm_memory_slots(memory),
                                      .heads = memory->heads,
                                      .topk = memory->topk},
                             .sink = sink,
                             .user = user};
        pkm_memory_layer_observe(gpt->memories[i], show, &watches[i]);
    }
}

static void stop_watching(pkm_gpt *gpt)
{
    for (int i = 0; i < gpt->n_memories; i++)
        pkm_memory_layer_observe(gpt->memories[i], NULL, NULL);
}

/* Batch by batch. framed [n_tokens + 1]: the scorer runs over all tokens but the last. */
static pkm_status run(pkm_scorer *scorer, watch *watches, const int32_t *framed, int64_t n_tokens,
                      pkm_progress progress, void *user)
{
    for (int64_t done = 0; done < n_tokens;) {
        int64_t n = pkm_min_i64(scorer->max_rows, n_tokens - done);
        const pkm_score_source source = {.ids = framed + done, .n_tokens = n + 1};
        pkm_score_sums sums = {0};

        for (int i = 0; i < scorer->gpt->n_memories; i++) {
            watches[i].next.first = done;
            watches[i].next.n_tokens = 0;
        }
        PKM_TRY(pkm_scorer_run(scorer, &sums, &source, 0, NULL, NULL));
        done += n;
        if (progress != NULL && progress("scoring", (uint64_t)done, (uint64_t)n_tokens, user) != 0)
            return pkm_fail(PKM_ERR_CANCELLED, "reading tokens was cancelled");
    }
    return PKM_OK;
}

pkm_status pkm_model_reads(pkm_model *model, const int32_t *ids, int64_t n_tokens,
                           pkm_reads_sink sink, pkm_progress progress, void *user)
{
    pkm_gpt *gpt = model->gpt;
    watch watches[PKM_LIST_MAX];
    pkm_scorer scorer = {0};
    int32_t *framed;
    pkm_status status;

    if (n_tokens < 0)
        return pkm_fail(PKM_ERR_ARG, "n_tokens is %lld: expected 0 or more", (long long)n_tokens);
    if (n_tokens == 0)
        return PKM_OK;
    PKM_TRY(pkm_alloc_array((void **)&framed, pkm_size_sum((size_t)n_tokens, 1), sizeof *framed,
                            "tokens"));
    memcpy(framed, ids, (size_t)n_tokens * sizeof *framed);
    framed[n_tokens] = ids[0]; /* what the last token is to predict: any */
    status =
        pkm_scorer_init(&scorer, gpt, pkm_min_i64(READ_ROWS, n_tokens + gpt->config.seq_len - 1));
    if (status == PKM_OK) {
        start_watching(gpt, watches, sink, user);
        status = run(&scorer, watches, framed, n_tokens, progress, user);
        stop_watching(gpt);
    }
    pkm_scorer_release(&scorer);
    pkm_free(framed);
    return status;
}
