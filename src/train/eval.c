/* SPDX-License-Identifier: Apache-2.0 */
/* The evaluation half of include/pkm/model.h. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/size.h"
#include "base/strbuf.h"
#include "base/system.h"
#include "models/model.h"
#include "pkm/model.h"
#include "train/scorer.h"
#include "train/usage_json.h"

/* Rows scored side by side: enough to keep the products busy, small enough for
 * the caches. */
enum { EVAL_ROWS = 4096 };

void pkm_eval_result_release(pkm_eval_result *result)
{
    pkm_free(result->usage);
    *result = (pkm_eval_result){0};
}

pkm_status pkm_eval_result_json(const pkm_eval_result *result, char **out)
{
    pkm_strbuf text = {0};
    pkm_status status;

    status = pkm_strbuf_printf(&text, "{\"loss\": %.9g, \"perplexity\": %.9g, ", result->loss,
                               result->perplexity);
    if (status == PKM_OK && isfinite(result->bits_per_byte))
        status = pkm_strbuf_printf(&text, "\"bits_per_byte\": %.9g, ", result->bits_per_byte);
    if (status == PKM_OK)
        status = pkm_strbuf_printf(&text, "\"tokens\": %lld, \"tok_per_s\": %.1f, \"memory\": ",
                                   (long long)result->tokens, result->tok_per_s);
    if (status == PKM_OK)
        status = pkm_usage_json(&text, result->usage, result->n_usage);
    if (status == PKM_OK)
        status = pkm_strbuf_printf(&text, "}");
    if (status != PKM_OK) {
        pkm_strbuf_release(&text);
        return status;
    }
    *out = text.data;
    return PKM_OK;
}

/* One evaluation: a scorer, its sums, the clock. */
typedef struct eval_call {
    pkm_scorer scorer;
    pkm_score_sums sums;
    uint64_t start_ns;
} eval_call;

static pkm_status evaluation_begin(eval_call *out, pkm_model *model)
{
    *out = (eval_call){.start_ns = pkm_clock_ns()};
    PKM_TRY(pkm_memory_check(pkm_score_usage_bytes(model->gpt),
                             "counting how the memories are read",
                             "a machine with more of it can evaluate the model"));
    PKM_TRY(pkm_scorer_init(&out->scorer, model->gpt, EVAL_ROWS));
    return pkm_score_usage_start(model->gpt);
}

/* Whatever happened, the model counts no more and keeps nothing of the evaluation. */
static void evaluation_release(eval_call *call, pkm_model *model)
{
    pkm_score_usage_stop(model->gpt);
    pkm_scorer_release(&call->scorer);
}

static pkm_status evaluation_end(eval_call *call, pkm_eval_result *out, double bytes)
{
    pkm_eval_result result = {0};
    double seconds = (double)(pkm_clock_ns() - call->start_ns) * 1e-9;
    double tokens = (double)call->sums.tokens;

    if (call->sums.tokens == 0)
        return pkm_fail(PKM_ERR_ARG, "nothing to evaluate: no token to predict");
    result.tokens = call->sums.tokens;
    result.loss = call->sums.loss / tokens;
    result.perplexity = exp(result.loss);
    result.bits_per_byte = call->sums.loss / (bytes * log(2.0));
    result.tok_per_s = tokens / seconds;
    PKM_TRY(pkm_score_usage_finish(call->scorer.gpt, &result.usage, &result.n_usage));
    *out = result;
    return PKM_OK;
}

/* Ids only mean the same thing under the same tokenizer. */
static pkm_status check_tokenizer(const pkm_model *model, const pkm_data *data)
{
    const pkm_tokenizer *tokenizer = pkm_model_tokenizer(model);

    if (tokenizer != NULL &&
        strcmp(pkm_tokenizer_hash(tokenizer), pkm_data_tokenizer_hash(data)) != 0)
        return pkm_fail(PKM_ERR_ARG,
                        "the data set was made with another tokenizer (%s) than "
                        "the model's (%s)",
                        pkm_data_tokenizer_hash(data), pkm_tokenizer_hash(tokenizer));
    if (pkm_data_vocab_size(data) > pkm_model_vocab_size(model))
        return pkm_fail(PKM_ERR_ARG, "the data set has a vocabulary of %lld, the model one of %lld",
                        (long long)pkm_data_vocab_size(data),
                        (long long)pkm_model_vocab_size(model));
    return PKM_OK;
}

pkm_status pkm_model_eval_data(pkm_model *model, pkm_eval_result *out, const pkm_data *data,
                               int64_t max_tokens, pkm_progress progress, void *user)
{
    pkm_score_source source = {.data = data, .n_tokens = pkm_data_tokens(data)};
    eval_call call;
    pkm_status status;

    PKM_TRY(check_tokenizer(model, data));
    status = evaluation_begin(&call, model);
    if (status == PKM_OK)
        status = pkm_scorer_run(&call.scorer, &call.sums, &source, max_tokens, progress, user);
    if (status == PKM_OK) {
        /* Of a part of the data, the same part of its bytes. */
        double share = (double)call.sums.tokens / (double)source.n_tokens;

        status = evaluation_end(&call, out, share * (double)pkm_data_bytes(data));
    }
    evaluation_release(&call, model);
    return status;
}

/* Scores one file behind an end-of-text token, so that its first token is
 * predicted too. */
static pkm_status score_file(eval_call *call, pkm_encoder *encoder, int32_t end_of_text,
                             const char *path, double *bytes, pkm_progress progress, void *user)
{
    char *text;
    size_t text_bytes;
    const int32_t *ids;
    int32_t *framed = NULL;
    int64_t n_ids;
    pkm_status status;

    PKM_TRY(pkm_file_read(&text, &text_bytes, path, PTRDIFF_MAX));
    status = pkm_encoder_encode(encoder, &ids, &n_ids, text, text_bytes);
    if (status == PKM_OK)
        status =
            pkm_alloc_array((void **)&framed, pkm_size_sum((size_t)n_ids, 1), sizeof *framed, path);
    if (status == PKM_OK) {
        pkm_score_source source = {.ids = framed, .n_tokens = n_ids + 1};

        framed[0] = end_of_text;
        if (n_ids > 0) /* an empty file has no ids to point at */
            memcpy(framed + 1, ids, (size_t)n_ids * sizeof *ids);
        *bytes += (double)text_bytes;
        status = pkm_scorer_run(&call->scorer, &call->sums, &source, 0, progress, user);
    }
    pkm_free(framed);
    pkm_free(text);
    return status;
}

pkm_status pkm_model_eval_text(pkm_model *model, pkm_eval_result *out, const char *const *files,
                               int n_files, pkm_progress progress, void *user)
{
    const pkm_tokenizer *tokenizer = pkm_model_tokenizer(model);
    pkm_encoder *encoder = NULL;
    eval_call call;
    double bytes = 0;
    pkm_status status;

    if (tokenizer == NULL)
        return pkm_fail(PKM_ERR_STATE, "the model has no tokenizer.json: text cannot be encoded");
    status = evaluation_begin(&call, model);
    if (status == PKM_OK)
        status = pkm_encoder_create(&encoder, tokenizer);
    for (int i = 0; i < n_files && status == PKM_OK; i++)
        status = score_file(&call, encoder, pkm_tokenizer_end_of_text(tokenizer), files[i], &bytes,
                            progress, user);
    if (status == PKM_OK)
        status = evaluation_end(&call, out, bytes);
    pkm_encoder_destroy(encoder);
    evaluation_release(&call, model);
    return status;
}
