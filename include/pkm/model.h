/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a model directory, scoring tokens, generating text.
 *
 * A model directory holds config.json, model.safetensors and tokenizer.json: a GPT-2 in Hugging
 * Face's format (Radford et al. 2019), or one with product-key memories. A run folder of pkm_train,
 * its checkpoints/step-NNNNNNNN and its pointers checkpoints/best and checkpoints/last are models
 * too. Every file is treated as hostile: sizes are compared with the file before memory is taken,
 * and messages name file and field or tensor.
 */
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

/* How much of a folder with a MANIFEST.json is read before it is trusted. */
typedef enum pkm_verify_level {
    PKM_VERIFY_FULL,  /* all of every file it names */
    PKM_VERIFY_QUICK, /* their sizes, and the first and last 16 MiB of each */
    PKM_VERIFY_NONE   /* the manifest itself */
} pkm_verify_level;

typedef struct pkm_model pkm_model;

typedef struct pkm_model_options {
    int precision; /* -1: the one it was trained in; else a pkm_dtype, PKM_F32 or PKM_BF16 */
    bool no_mmap;  /* read the weights instead of mapping the file */
} pkm_model_options;

/**
 * Loads a model to score and generate with.
 *
 * A folder with a MANIFEST.json (a checkpoint) is compared with it first, as by PKM_VERIFY_QUICK.
 *
 * Value tables are read where they lie in the mapped file, so that they cost memory as they are
 * used; the other weights are copied. The file may be replaced (renamed over) meanwhile, but must
 * not be overwritten or shortened: that ends the process with SIGBUS (pkm_mapped_file in error.h).
 * options->no_mmap takes away the condition.
 *
 * options may be NULL: the precision of training, mapped. Without tokenizer.json the model scores
 * ids but neither evaluates nor generates text.
 *
 * Memory:  *out is destroyed by the caller
 * Errors:  PKM_ERR_IO; PKM_ERR_FORMAT, PKM_ERR_SHAPE and PKM_ERR_UNSUPPORTED name file and field or
 *          tensor; PKM_ERR_NUMERIC names a tensor that was copied and is not finite; PKM_ERR_ARG
 *          for an unknown precision; PKM_ERR_NOMEM, also with what is needed and what is available
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_model_load(pkm_model **out, const char *dir,
                                  const pkm_model_options *options);

/**
 * Frees a model; NULL is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_model_destroy(pkm_model *model);

/**
 * Number of token ids the model knows: ids are 0 to this - 1.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int64_t pkm_model_vocab_size(const pkm_model *model);

/**
 * Number of tokens the model sees at once.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int64_t pkm_model_seq_len(const pkm_model *model);

/**
 * Number of trained parameters, value tables included; the embedding counts once.
 *
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API int64_t pkm_model_parameters(const pkm_model *model);

/**
 * The tokenizer beside the weights, NULL if there is none.
 *
 * Memory:  borrowed: lives as long as the model
 * Threads: concurrent calls allowed on a const object
 * Since:   0.1
 */
PKM_API const pkm_tokenizer *pkm_model_tokenizer(const pkm_model *model);

/**
 * Computes the logits of the next token after each token of one sequence.
 *
 * Equation: logits = ln_f(x) wte^T, x the output of the last block (Radford et al. 2019)
 * Shapes:   logits [n_tokens, vocab_size] f32; ids [n_tokens] i32; 0 <= n_tokens <= seq_len
 * Memory:   activations and logits of the longest call so far are kept in the model
 * Errors:   PKM_ERR_SHAPE if n_tokens is out of range; PKM_ERR_ARG for an id outside the
 *           vocabulary; PKM_ERR_NUMERIC if a memory's score is not a number; PKM_ERR_NOMEM
 * Threads:  one thread at a time per object
 * Since:    0.1
 */
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

/**
 * Evaluates a model on one side of a data set: windows of seq_len tokens one after another, each
 * token but the very first predicted once.
 *
 * max_tokens: predicted at most, from the start; 0 = all. progress may be NULL.
 *
 * Equation: loss = mean over tokens of -ln p(token | those before it in its window)
 * Memory:   out->usage is owned by *out: pkm_eval_result_release
 * Errors:   PKM_ERR_ARG if data and model have different tokenizers, or there is nothing to
 *           predict; PKM_ERR_FORMAT names a damaged shard; PKM_ERR_CANCELLED; PKM_ERR_NUMERIC
 * Threads:  one thread at a time per object
 * Since:    0.1
 */
PKM_API pkm_status pkm_model_eval_data(pkm_model *model, pkm_eval_result *out, const pkm_data *data,
                                       int64_t max_tokens, pkm_progress progress, void *user);

/**
 * Evaluates a model on text files, each a document behind an end-of-text token.
 *
 * files [n_files]; otherwise as pkm_model_eval_data.
 *
 * Errors:  PKM_ERR_STATE if the model has no tokenizer; PKM_ERR_IO names the file; PKM_ERR_ARG if
 *          there is nothing to predict; PKM_ERR_CANCELLED; PKM_ERR_NUMERIC
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_model_eval_text(pkm_model *model, pkm_eval_result *out,
                                       const char *const *files, int n_files, pkm_progress progress,
                                       void *user);

/**
 * Frees what a result owns and clears it; once more is allowed.
 *
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API void pkm_eval_result_release(pkm_eval_result *result);

/**
 * Writes a result as JSON: {"loss", "perplexity", "bits_per_byte", "tokens", "tok_per_s",
 * "memory": [...]}.
 *
 * Memory:  *out is freed with pkm_text_free (options.h)
 * Errors:  PKM_ERR_NOMEM
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_eval_result_json(const pkm_eval_result *result, char **out);

typedef struct pkm_generate_config {
    int64_t max_tokens;
    double temperature; /* 0: the most likely token, of equals the lowest id */
    int64_t top_k;      /* choose among the k likeliest; 0: off */
    double top_p;  /* then among the fewest of these that hold this share of their mass; 1: off */
    uint64_t seed; /* the same call with the same seed gives the same text */
    const char *const *stop; /* [n_stop] strings that end the text (and are not shown) */
    int n_stop;
} pkm_generate_config;

/*
 * Takes text as it comes: whole UTF-8 characters. Tokens are bytes, and bytes that can belong to no
 * character become U+FFFD, as in Unicode's recommended practice. What may become a stop string or a
 * character waits. Returning non-zero ends generation, which then succeeds.
 */
typedef int (*pkm_text_sink)(const char *text, size_t bytes, void *user);

/**
 * Continues a text, token by token, until end-of-text, max_tokens, a stop string or the sink says
 * so. The prompt itself is not shown.
 *
 * An empty prompt begins a document: the model is given an end-of-text token. The model sees the
 * last seq_len tokens at most: when its window is full it keeps the last half and goes on from
 * there. Token i is drawn with random numbers of (seed, i).
 *
 * *n_generated (may be NULL) = tokens generated, the end of text not counted.
 *
 * Memory:  a cache of 2 x layers x seq_len x dim numbers for the call
 * Errors:  PKM_ERR_STATE if the model has no tokenizer; PKM_ERR_ARG names a setting out of its
 *          range or an empty stop string; PKM_ERR_NUMERIC if a logit is a NaN; PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_model_generate(pkm_model *model, const char *prompt, size_t prompt_bytes,
                                      const pkm_generate_config *config, pkm_text_sink sink,
                                      void *user, int64_t *n_generated);

/**
 * Describes a model directory from its headers, as JSON: {"parameters", "dense_parameters",
 * "value_parameters", "step", "config": {...}, "memory": [...], "tensors": [{"name", "dtype",
 * "shape", "bytes"}]}.
 *
 * No weight is read, but headers are checked as by pkm_model_load. An element of "memory" is
 * {"layer", "slots", "values"}, for a run folder together with the layer's usage in the last
 * evaluation of its metrics.jsonl, but for the curve of the mass.
 *
 * Memory:  *out is freed with pkm_text_free (options.h)
 * Errors:  those of pkm_model_load
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_model_inspect(const char *dir, char **out);

typedef struct pkm_quantize_config {
    pkm_dtype weights; /* of products and the token embedding: PKM_I8 or PKM_BF16 */
    pkm_dtype values;  /* of value tables: PKM_I8 or PKM_BF16 */
} pkm_quantize_config;

typedef struct pkm_quantize_result {
    int64_t bytes_before, bytes_after; /* of all tensors */
} pkm_quantize_result;

/**
 * Writes a model in fewer bits: int8 with a scale per row, or bf16.
 *
 * A row is the weights of one output, the embedding of one token or one slot's value. Norms,
 * biases, keys and the position embedding stay fp32. The result is scored, generates, and is
 * inspected and verified like any other model, but is neither trained nor quantised again. It
 * appears in out_dir when it is whole; out_dir must not exist or be empty. *result may be NULL.
 *
 * Equation: scale = max_i |x_i| / 127, q_i = round(x_i / scale); x_i is taken for scale q_i
 * Memory:   the quantised model, while it is made
 * Errors:   those of pkm_model_load; PKM_ERR_UNSUPPORTED if the model is quantised already;
 *           PKM_ERR_ARG for other dtypes or an out_dir that holds something; PKM_ERR_IO
 * Threads:  any thread
 * Since:    0.1
 */
PKM_API pkm_status pkm_model_quantize(const char *dir, const char *out_dir,
                                      const pkm_quantize_config *config,
                                      pkm_quantize_result *result);

#ifdef __cplusplus
}
#endif

#endif
