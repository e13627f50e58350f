/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of agreement share: a small trained model, prompts, and greedy text with the lead of
 * each choice. Two ways of computing whose logits differ by at most t choose the same token
 * wherever the best logit leads the second by more than 2 t.
 */
#ifndef PKM_TESTS_GREEDY_H
#define PKM_TESTS_GREEDY_H

#include "infer/decoder.h"
#include "pkm/model.h"
#include "support/run.h"

enum { GREEDY_SEQ_LEN = 160, GREEDY_TOKENS = 24, GREEDY_VOCAB = 320, GREEDY_PROMPTS = 6 };

/* Trains 150 steps into the run "memory" or "plain". */
void greedy_train(const small_world *world, const char *run);
pkm_model *greedy_load(const small_world *world, const char *run, pkm_dtype precision);

/* The prompts, committed: words of the world's text. Ids of number `prompt`, [GREEDY_SEQ_LEN]. */
int greedy_prompt(const pkm_model *model, int prompt, int32_t *ids);

/* The most likely token, of equals the lowest id; *lead: by how much. */
int32_t greedy_best(const float *logits, float *lead);

typedef struct greedy_text {
    int32_t ids[GREEDY_TOKENS];
    float lead[GREEDY_TOKENS];
} greedy_text;

/* Continues a prompt token by token through the KV cache; first [GREEDY_VOCAB] (may be NULL): the
 * logits after the prompt. */
void greedy_decode(pkm_model *model, int prompt, float *first, greedy_text *out);

/* Returns how many tokens two texts share from their beginning; fails if the first that differs
 * leads by more than 2 * tolerance in `want`. */
int greedy_compare(const greedy_text *got, const greedy_text *want, double tolerance,
                   const char *label);

#endif
