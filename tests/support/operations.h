/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations to fail: saving, resuming, a step, a whole training, loading, preparing data, learning
 * a tokenizer, on a tiny world; each with what must hold whether it succeeded or not.
 */
#ifndef PKM_TESTS_OPERATIONS_H
#define PKM_TESTS_OPERATIONS_H

#include <stdbool.h>

#include "base/error.h"

typedef struct operation {
    const char *name;
    void (*prepare)(void);   /* the state to start from; nothing fails here */
    pkm_status (*run)(void); /* under fire */
    /* What was good before still is, what claims success is whole. tidy: files could be removed. */
    void (*check)(pkm_status status, bool tidy);
    bool tells; /* goes on after some failures, and warns of them */
} operation;

enum { N_OPERATIONS = 8 };
extern const operation operations[N_OPERATIONS];
const operation *operation_find(const char *name);

/* The folder everything is in. */
const char *operations_dir(void);
/* How often the last operation has warned. */
int operations_warnings(void);

void operations_create(void);
/* Closes what a failed test left open. */
void operations_abort(void);
void operations_destroy(void);

#endif
