/* SPDX-License-Identifier: Apache-2.0 */
/* A small world for tests of training: text, tokenizer, data set, and runs on it. */
#ifndef PKM_TESTS_RUN_H
#define PKM_TESTS_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "pkm/train.h"

typedef struct small_world {
    char *dir;  /* temporary folder */
    char *data; /* data set with its tokenizer (vocabulary 320) */
} small_world;

void small_world_create(small_world *out);
void small_world_destroy(small_world *world);

/* One world for all tests of a program: setup and teardown of their group. */
extern small_world the_world;
int the_world_create(void **state);
int the_world_destroy(void **state);

/* Path of a run in the world's folder; pkm_free'd by the caller. */
char *small_world_run(const small_world *world, const char *name);

/* Options of a model small enough for tests, over them "name", "value", ..., NULL. */
pkm_option_set *small_options(const char *const *options);

/* Trains into a run of this name with small_options; stops after step stop_at (0: runs to the end).
 */
pkm_status small_train(const small_world *world, const char *run, bool resume, int stop_at,
                       const char *const *options);

/* The same into the folder `out`, told of by a callback (NULL: none). */
pkm_status small_train_watched(const small_world *world, const char *out, bool resume,
                               pkm_train_callback callback, void *user, const char *const *options);

/* Path of a file of a run; pkm_free'd by the caller. */
char *small_run_path(const small_world *world, const char *run, const char *name);

/* The whole of a file of a run; pkm_free'd by the caller. */
char *small_run_file(const small_world *world, const char *run, const char *name, size_t *bytes);

/* Two runs of 12 steps: the same weights, moments and log to the bit? */
bool small_same_run(const small_world *world, const char *run_a, const char *run_b);

/* Line `line` (from 0) of a run's metrics.jsonl, for json_decref; and the number under `key` in it.
 */
json_t *small_run_line(const small_world *world, const char *run, int line);
double small_run_logged(const small_world *world, const char *run, int line, const char *key);

#endif
