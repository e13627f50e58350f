/* SPDX-License-Identifier: Apache-2.0 */
#include "train/scorer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "graph/tape.h"
#include "memory/memory_config.h"

pkm_status pkm_scorer_init(pkm_scorer *out, pkm_gpt *gpt, int64_t max_rows)
{
    int64_t seq_len = gpt->config.seq_len;
    pkm_scorer scorer = {.gpt = gpt, .max_rows = pkm_max_i64(max_rows / seq_len, 1) * seq_len};
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&scorer.window, pkm_size_sum((size_t)seq_len, 1),
                            sizeof *scorer.window, "a window"));
    status = pkm_gpt_tape(&scorer.tape, gpt, PKM_MODE_SCORE, scorer.max_rows, false, NULL);
    if (status != PKM_OK) {
        pkm_scorer_release(&scorer);
        return status;
    }
    scorer.ids = pkm_tape_find(scorer.tape, "ids");
    scorer.targets = pkm_tape_find(scorer.tape, "targets");
    scorer.sequence = pkm_tape_find(scorer.tape, "sequence");
    scorer.position = pkm_tape_find(scorer.tape, "position");
    scorer.loss = pkm_tape_find(scorer.tape, "loss");
    *out = scorer;
    return PKM_OK;
}

void pkm_scorer_release(pkm_scorer *scorer)
{
    pkm_tape_destroy(scorer->tape);
    pkm_free(scorer->window);
    *scorer = (pkm_scorer){0};
}

static pkm_status read_tokens(const pkm_score_source *source, int32_t *out, int64_t first,
                              int64_t count)
{
    if (source->data != NULL)
        return pkm_data_read(source->data, out, first, count);
    memcpy(out, source->ids + first, (size_t)count * sizeof *out);
    return PKM_OK;
}

/* Fills the inputs from row `row` on with the window that predicts tokens first + 1 .. first + n.
 */
static pkm_status place_window(pkm_scorer *scorer, const pkm_score_source *source, int64_t row,
                               int32_t sequence, int64_t first, int64_t n)
{
    int32_t *ids = (int32_t *)scorer->ids->data + row;
    int32_t *targets = (int32_t *)scorer->targets->data + row;

    PKM_TRY(read_tokens(source, scorer->window, first, n + 1));
    memcpy(ids, scorer->window, (size_t)n * sizeof *ids);
    memcpy(targets, scorer->window + 1, (size_t)n * sizeof *targets);
    for (int64_t i = 0; i < n; i++) {
        ((int32_t *)scorer->sequence->data)[row + i] = sequence;
        ((int32_t *)scorer->position->data)[row + i] = (int32_t)i;
    }
    return PKM_OK;
}

pkm_status pkm_scorer_run(pkm_scorer *scorer, pkm_score_sums *sums, const pkm_score_source *source,
                          int64_t max_tokens, pkm_progress progress, void *user)
{
    int64_t seq_len = scorer->gpt->config.seq_len;
    int64_t total = pkm_max_i64(source->n_tokens - 1, 0);

    if (max_tokens > 0)
        total = pkm_min_i64(total, max_tokens);
    pkm_params_pack(scorer->gpt->params);
    for (int64_t done = 0; done < total;) {
        pkm_run run = {0};
        const float *loss = scorer->loss->data;

        for (int32_t sequence = 0; done < total && run.n_rows + seq_len <= scorer->max_rows;
             sequence++) {
            int64_t n = pkm_min_i64(seq_len, total - done);

            PKM_TRY(place_window(scorer, source, run.n_rows, sequence, done, n));
            run.n_rows += n;
            done += n;
        }
        PKM_TRY(pkm_tape_forward(scorer->tape, &run));
        for (int64_t i = 0; i < run.n_rows; i++)
            sums->loss += (double)loss[i];
        if (!isfinite(sums->loss)) {
            run.watch = true; /* once more, to name the tensor */
            PKM_TRY(pkm_tape_forward(scorer->tape, &run));
            return pkm_fail(PKM_ERR_NUMERIC, "the loss of scored tokens is not finite");
        }
        sums->tokens += run.n_rows;
        if (progress != NULL && progress("scoring", (uint64_t)done, (uint64_t)total, user) != 0)
            return pkm_fail(PKM_ERR_CANCELLED, "scoring was cancelled");
    }
    return PKM_OK;
}

pkm_status pkm_score_usage_start(pkm_gpt *gpt)
{
    for (int i = 0; i < gpt->n_memories; i++)
        PKM_TRY(pkm_memory_layer_usage_start(gpt->memories[i]));
    return PKM_OK;
}

size_t pkm_score_usage_bytes(const pkm_gpt *gpt)
{
    const pkm_memory_config *memory = &gpt->config.memory;
    int64_t slots = pkm_memory_slots(memory);

    if (gpt->n_memories == 0)
        return 0;
    return pkm_size_sum(
        pkm_size_product((size_t)gpt->n_memories, pkm_usage_bytes(memory->heads, slots)),
        pkm_usage_result_bytes(slots));
}

void pkm_score_usage_stop(pkm_gpt *gpt)
{
    for (int i = 0; i < gpt->n_memories; i++)
        pkm_memory_layer_usage_stop(gpt->memories[i]);
}

pkm_status pkm_score_usage_finish(pkm_gpt *gpt, pkm_usage **out, int *n_usage)
{
    int heads = (int)gpt->config.memory.heads, count = 0;
    pkm_usage *usage = NULL;
    pkm_status status = PKM_OK;

    if (gpt->n_memories > 0)
        PKM_TRY(pkm_alloc_array(
            (void **)&usage,
            pkm_size_product((size_t)gpt->n_memories, pkm_size_sum((size_t)heads, 1)),
            sizeof *usage, "memory usage"));
    for (int i = 0; i < gpt->n_memories; i++) {
        const pkm_usage_counter *counter = pkm_memory_layer_usage(gpt->memories[i]);

        for (int head = -1; head < heads && status == PKM_OK; head++) {
            status = pkm_usage_result(counter, &usage[count], head);
            usage[count++].layer = (int)gpt->config.memory_layers.value[i];
        }
    }
    pkm_score_usage_stop(gpt);
    if (status != PKM_OK) {
        pkm_free(usage);
        return status;
    }
    *out = usage;
    *n_usage = count;
    return PKM_OK;
}
