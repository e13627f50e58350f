/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes and the message behind the last failure.
 *
 * Every function of libpkm that can fail returns a pkm_status. The place that detects a failure
 * writes one sentence naming the culprit (file, field, tensor, expected and found); callers pass
 * the status on. On failure out-parameters are untouched.
 */
#ifndef PKM_ERROR_H
#define PKM_ERROR_H

#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pkm_status {
    PKM_OK = 0,
    PKM_ERR_ARG = -1,         /* an argument or option is out of its range */
    PKM_ERR_SHAPE = -2,       /* sizes that do not fit together */
    PKM_ERR_NOMEM = -3,       /* memory or disk space is not enough */
    PKM_ERR_IO = -4,          /* the system refused to read or write a file */
    PKM_ERR_FORMAT = -5,      /* a file is not what it claims to be */
    PKM_ERR_UNSUPPORTED = -6, /* valid, but not something this version does */
    PKM_ERR_STATE = -7,       /* calls in the wrong order, or a run folder in use */
    PKM_ERR_NUMERIC = -8,     /* a NaN or an infinity */
    PKM_ERR_COMM = -9,        /* communication between hosts */
    PKM_ERR_CANCELLED = -10,  /* a callback asked to stop */
    PKM_ERR_INTERNAL = -11    /* a broken invariant of ours: please report it */
} pkm_status;

/**
 * The message of the last failure in the calling thread, "" if there was none.
 *
 * Memory:  borrowed; valid until the next libpkm call that fails in the same thread
 * Threads: any thread
 * Since:   0.1
 */
PKM_API const char *pkm_last_error(void);

/**
 * The name of a status, such as "shape"; "unknown" for a number that is none.
 *
 * Memory:  a static string
 * Threads: any thread
 * Since:   0.1
 */
PKM_API const char *pkm_status_name(pkm_status status);

/**
 * The file of a live mapping of libpkm's that holds an address, NULL if it is none.
 *
 * A file that is shortened while it is mapped, or whose disk fails, ends the process with SIGBUS.
 * The library cannot turn that into an error and installs no handler; a program's own handler can
 * ask with si_addr which file it was (as cli/bus_error.c does). Model files need not be mapped:
 * pkm_model_options.no_mmap.
 *
 * Memory:  borrowed; valid while the mapping lives
 * Threads: any thread; may be called from a signal handler
 * Since:   0.1
 */
PKM_API const char *pkm_mapped_file(const void *address);

#ifdef __cplusplus
}
#endif

#endif
