/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded model: opening, sizes, and the logits of one sequence. */
#include "models/model.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "models/model_dir.h"

/* The tokenizer beside the weights, if there is one. */
static pkm_status load_tokenizer(pkm_model *model, const char *dir)
{
    int64_t has, vocab = model->gpt->config.vocab_size;
    char *path;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_model_dir_path(&path, dir, "tokenizer.json"));
    if (pkm_file_exists(path))
        status = pkm_tokenizer_load(&model->tokenizer, path);
    if (status == PKM_OK && model->tokenizer != NULL) {
        has = pkm_tokenizer_vocab_size(model->tokenizer);
        if (has > vocab)
            status = pkm_fail(PKM_ERR_SHAPE, "%s: %lld tokens: expected at most the model's %lld",
                              path, (long long)has, (long long)vocab);
    }
    pkm_free(path);
    return status;
}

pkm_status pkm_model_load(pkm_model **out, const char *dir, const pkm_model_options *options)
{
    pkm_model_options settings = {.precision = -1};
    pkm_model *model;
    pkm_status status;

    if (options != NULL)
        settings = *options;
    if (settings.precision < -1 || settings.precision > PKM_BF16)
        return pkm_fail(PKM_ERR_ARG, "precision is %d: expected -1, PKM_F32 or PKM_BF16",
                        settings.precision);
    PKM_TRY(pkm_threads_check());
    PKM_TRY(pkm_alloc_array((void **)&model, 1, sizeof *model, "a model"));
    status = pkm_model_dir_verify(dir, PKM_VERIFY_QUICK);
    if (status == PKM_OK)
        status = pkm_model_dir_open(&model->gpt, &model->weights, dir, settings.precision,
                                    settings.no_mmap);
    if (status == PKM_OK)
        status = load_tokenizer(model, dir);
    if (status != PKM_OK) {
        pkm_model_destroy(model);
        return status;
    }
    *out = model;
    return PKM_OK;
}

void pkm_model_destroy(pkm_model *model)
{
    if (model == NULL)
        return;
    pkm_tape_destroy(model->tape);
    pkm_gpt_destroy(model->gpt);
    pkm_st_close(model->weights);
    pkm_tokenizer_destroy(model->tokenizer);
    pkm_free(model);
}

int64_t pkm_model_vocab_size(const pkm_model *model)
{
    return model->gpt->config.vocab_size;
}

int64_t pkm_model_seq_len(const pkm_model *model)
{
    return model->gpt->config.seq_len;
}

int64_t pkm_model_parameters(const pkm_model *model)
{
    return pkm_gpt_parameters(model->gpt);
}

const pkm_tokenizer *pkm_model_tokenizer(const pkm_model *model)
{
    return model->tokenizer;
}

/* A tape for at least n_rows rows; the one there is, if it is large enough. */
static pkm_status have_tape(pkm_model *model, int64_t n_rows)
{
    pkm_tape *tape;

    if (n_rows <= model->tape_rows)
        return PKM_OK;
    PKM_TRY(pkm_gpt_tape(&tape, model->gpt, PKM_MODE_SCORE, n_rows, true, NULL));
    pkm_tape_destroy(model->tape);
    model->tape = tape;
    model->tape_rows = n_rows;
    return PKM_OK;
}

pkm_status pkm_model_logits(pkm_model *model, float *logits, const int32_t *ids, int64_t n_tokens)
{
    const pkm_gpt_config *config = &model->gpt->config;
    pkm_run run = {.n_rows = n_tokens};

    if (n_tokens < 0 || n_tokens > config->seq_len)
        return pkm_fail(PKM_ERR_SHAPE, "n_tokens is %lld: expected 0 to seq_len, which is %lld",
                        (long long)n_tokens, (long long)config->seq_len);
    if (n_tokens == 0)
        return PKM_OK;
    PKM_TRY(have_tape(model, n_tokens));
    pkm_gpt_fill(model->tape, ids, n_tokens, 0);
    pkm_params_pack(model->gpt->params);
    PKM_TRY(pkm_tape_forward(model->tape, &run));
    memcpy(logits, pkm_tape_find(model->tape, "logits")->data,
           (size_t)(n_tokens * config->vocab_size) * sizeof *logits);
    return PKM_OK;
}
