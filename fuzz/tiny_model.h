/* SPDX-License-Identifier: Apache-2.0 */
/* A folder with a model of a few numbers, for the targets that need one. */
#ifndef PKM_FUZZ_TINY_MODEL_H
#define PKM_FUZZ_TINY_MODEL_H

#include "base/file.h"
#include "fuzz.h"
#include "models/model_dir.h"
#include "text/vocabulary.h"

enum { TINY_VOCAB = 257, TINY_SEQ = 12 };

static inline pkm_gpt_config tiny_model_config(int64_t vocab_size, bool memory)
{
    return (pkm_gpt_config){
        .vocab_size = vocab_size,
        .seq_len = TINY_SEQ,
        .dim = 4,
        .layers = 2,
        .attn_heads = 2,
        .ffn_dim = 8,
        .norm_epsilon = 1e-5,
        .memory_layers = {.count = memory, .value = {1}},
        .memory = {.dim = 4, .heads = 2, .n_keys = 4, .key_dim = 4, .topk = 2, .value_dim = 4}};
}

/* Makes `folder`, with or without a memory layer. */
static inline void tiny_model_make(const char *folder, bool memory)
{
    pkm_gpt_config config = tiny_model_config(TINY_VOCAB, memory);
    pkm_tokenizer *tokenizer = NULL;
    pkm_gpt *gpt = NULL;

    fuzz_check(pkm_directory_create(fuzz_path(folder)) == PKM_OK &&
                   pkm_gpt_create(&gpt, &config, false) == PKM_OK &&
                   pkm_vocabulary_from_merges(&tokenizer, NULL, 0) == PKM_OK,
               "a tiny model can be made");
    pkm_gpt_init(gpt, 1);
    fuzz_check(pkm_model_dir_save_config(fuzz_path(folder), &config, NULL) == PKM_OK &&
                   pkm_model_dir_save_weights(fuzz_path(folder), gpt, 1) == PKM_OK &&
                   pkm_tokenizer_save(tokenizer, fuzz_path(folder)) == PKM_OK,
               "a tiny model can be saved");
    pkm_tokenizer_destroy(tokenizer);
    pkm_gpt_destroy(gpt);
}

#endif
