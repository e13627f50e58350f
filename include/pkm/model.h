/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a model directory, scoring tokens, generating text. */
#ifndef PKM_MODEL_H
#define PKM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkm/data.h"
#include "pkm/dtype.h"
#include "pkm/error.h"
#include "pkm/export.h"
#include "pkm/memory.h"
#include "pkm/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pkm_model pkm_model;

typedef struct pkm_model_options {
    int precision; /* -1: the one it was trained in; else a pkm_dtype, PKM_F32 or PKM_BF16 */
    bool no_mmap;  /* read the weights instead of mapping the file */
} pkm_model_options;

/* dir: a model directory, a run folder or a step folder. options may be NULL. */
PKM_API pkm_status pkm_model_load(pkm_model **out, const char *dir,
                                  const pkm_model_options *options);
PKM_API void pkm_model_destroy(pkm_model *model);

PKM_API int64_t pkm_model_vocab_size(const pkm_model *model);
PKM_API int64_t pkm_model_seq_len(const pkm_model *model);
PKM_API int64_t pkm_model_parameters(const pkm_model *model);
/* The tokenizer beside the weights; NULL if there is none. */
PKM_API const pkm_tokenizer *pkm_model_tokenizer(const pkm_model *model);

/* logits [n_tokens, vocab] f32 of one sequence, n_tokens <= seq_len. */
PKM_API pkm_status pkm_model_logits(pkm_model *model, float *logits, const int32_t *ids,
                                    int64_t n_tokens);

typedef struct pkm_eval_result {
    double loss, perplexity; /* mean -ln p per predicted token; exp(loss) */
    double bits_per_byte;    /* loss * tokens / (bytes * ln 2); NaN if bytes are unknown */
    int64_t tokens;          /* predicted */
    double tok_per_s;
    int n_usage;      /* rows in usage */
    pkm_usage *usage; /* per layer: all heads, then each head; freed by release */
} pkm_eval_result;

/* Windows of seq_len tokens, each token predicted once; at most max_tokens (0 = all). */
PKM_API pkm_status pkm_model_eval_data(pkm_model *model, pkm_eval_result *out, const pkm_data *data,
                                       int64_t max_tokens, pkm_progress progress, void *user);
PKM_API pkm_status pkm_model_eval_text(pkm_model *model, pkm_eval_result *out,
                                       const char *const *files, int n_files, pkm_progress progress,
                                       void *user);
PKM_API void pkm_eval_result_release(pkm_eval_result *result);
/* {"loss", "perplexity", "bits_per_byte", "tokens", "tok_per_s", "memory": [...]}; *out freed with
 * pkm_text_free. */
PKM_API pkm_status pkm_eval_result_json(const pkm_eval_result *result, char **out);

typedef struct pkm_generate_config {
    int64_t max_tokens;
    double temperature; /* 0: the most likely token */
    int64_t top_k;      /* 0: off */
    double top_p;       /* 1: off */
    uint64_t seed;
    const char *const *stop; /* strings that end the text (not printed) */
    int n_stop;
} pkm_generate_config;

/* text: bytes of whole characters, as they come; returning non-zero ends generation. */
typedef int (*pkm_text_sink)(const char *text, size_t bytes, void *user);

/* Continues prompt. *n_generated (may be NULL) = tokens generated. */
PKM_API pkm_status pkm_model_generate(pkm_model *model, const char *prompt, size_t prompt_bytes,
                                      const pkm_generate_config *config, pkm_text_sink sink,
                                      void *user, int64_t *n_generated);

/* Parameters, tensors and memory layers as JSON, headers only; *out freed with pkm_text_free. */
PKM_API pkm_status pkm_model_inspect(const char *dir, char **out);

#ifdef __cplusplus
}
#endif

#endif
