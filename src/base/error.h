/* SPDX-License-Identifier: Apache-2.0 */
/* How libpkm's own code raises and passes on failures (contract: include/pkm/error.h). */
#ifndef PKM_BASE_ERROR_H
#define PKM_BASE_ERROR_H

#include "pkm/error.h"

/* Records the message (printf style, cut at 1023 bytes) for this thread and returns status. */
pkm_status pkm_fail(pkm_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, followed by ": " and the text of errno as it was on entry. */
pkm_status pkm_fail_errno(pkm_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
/* Tells the static analyser what it cannot see: neither returns PKM_OK. */
#define pkm_fail(status, ...)       (pkm_fail((status), __VA_ARGS__), (status))
#define pkm_fail_errno(status, ...) (pkm_fail_errno((status), __VA_ARGS__), (status))
#endif

/* The errno behind the last failure of this thread; 0 if it was not one of the system. */
int pkm_error_errno(void);

/* The last failure of this thread, kept while a clean-up that may fail too runs. */
typedef struct pkm_error_copy {
    int system;
    char message[1024];
} pkm_error_copy;

void pkm_error_keep(pkm_error_copy *out);
void pkm_error_restore(const pkm_error_copy *copy);

/* Puts "context: " in front of the message of this thread; for callers that know the file. */
void pkm_error_prefix(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Passes a failure on. The one control-flow macro of the library; use goto where cleanup is due. */
#define PKM_TRY(expression)                                                                        \
    do {                                                                                           \
        pkm_status try_status_ = (expression);                                                     \
        if (try_status_ != PKM_OK)                                                                 \
            return try_status_;                                                                    \
    } while (0)

#endif
