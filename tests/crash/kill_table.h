/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table for base/io.h that counts the calls and ends the process with SIGKILL at a chosen one: a
 * crash at a marked point, without a line of it in the product. What the calls of a process were is
 * kept where its parent can read it.
 */
#ifndef PKM_TESTS_KILL_TABLE_H
#define PKM_TESTS_KILL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { KILL_MAX_CALLS = 1 << 16 };

typedef struct kill_calls {
    _Atomic uint32_t count;            /* calls so far; threads scan files at the same time */
    const char *names[KILL_MAX_CALLS]; /* of the functions called */
} kill_calls;

/* Installs the table: the process dies before call `at` (counted from 1; 0: never), or, if `torn`
 * and the call is a write, after writing half of its bytes. `calls` is zeroed first. */
void kill_table_install(kill_calls *calls, uint32_t at, bool torn);

#endif
