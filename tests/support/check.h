/* SPDX-License-Identifier: Apache-2.0 */
/* What all tests share: cmocka with its includes, assertions on statuses and floats, guard pages.
 */
#ifndef PKM_TESTS_CHECK_H
#define PKM_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"

/* Fails with the library's message unless the call succeeds. */
void check_ok(pkm_status status);

/* Fails unless the status is the expected one and the message contains every part (NULL ends). */
void check_fails(pkm_status status, pkm_status expected, const char *part, ...)
    __attribute__((sentinel));

/* |got - want| <= absolute + relative * |want| for every element; prints the worst. */
void check_close(const float *got, const float *want, int64_t count, double absolute,
                 double relative, const char *what);

/* `bytes` writable bytes that end exactly at an unmapped page: an overrun of one byte faults. */
void *guard_alloc(size_t bytes);
void guard_free(void *block, size_t bytes);

/* A fresh folder under TMPDIR, removed by temp_remove. */
char *temp_create(void);
void temp_remove(char *path);

/* Deterministic values: small integers as floats; standard normal. */
void fill_integers(float *out, int64_t count, uint64_t seed, int low, int high);
void fill_normal(float *out, int64_t count, uint64_t seed);

#endif
