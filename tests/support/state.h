/* SPDX-License-Identifier: Apache-2.0 */
/* Every number a training step changes, as a list of arrays: to spoil them, keep them, compare. */
#ifndef PKM_TESTS_STATE_H
#define PKM_TESTS_STATE_H

#include "models/gpt.h"

enum { STATE_ARRAYS = 160 };

typedef struct state_array {
    char name[PKM_PARAM_NAME + 16]; /* of the tensor, or <tensor>.exp_avg and so on */
    void *data;
    pkm_dtype dtype;
    int64_t count;
    int64_t rows; /* of a value table or its moments; 0: another array */
} state_array;

typedef struct model_state {
    pkm_gpt *gpt;
    int count;
    state_array arrays[STATE_ARRAYS];
    void *copies[STATE_ARRAYS];
} model_state;

/* Lists the weights, statistics, moments and values of a model in training, and keeps a copy. */
void state_keep(model_state *out, pkm_gpt *gpt);
void state_release(model_state *state);

/* Puts the copy back. */
void state_restore(model_state *state);

/* Fails naming the first array whose bits are not those of the copy. */
void check_state_same(const model_state *state);
/* Fails naming the first array that differs between two models. */
void check_models_same(const model_state *a, const model_state *b);
/* Whether anything differs. */
bool models_differ(const model_state *a, const model_state *b);

/* Writes `value` into the middle of an array; of a table, into each row. */
void state_spoil(model_state *state, int array, float value);

#endif
