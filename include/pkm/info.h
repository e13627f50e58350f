/* SPDX-License-Identifier: Apache-2.0 */
/* What this build is and what it chose on this machine. */
#ifndef PKM_INFO_H
#define PKM_INFO_H

#include "pkm/error.h"
#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The version of the library, such as "0.1.0".
 *
 * Memory:  a static string
 * Threads: any thread
 * Since:   0.1
 */
PKM_API const char *pkm_version(void);

/**
 * Tells CPU, instruction set, the kernel chosen per family, threads and why, memory in MiB and the
 * versions of the libraries in use, as a JSON object.
 *
 * Memory:  *out is the caller's, freed with pkm_text_free (options.h)
 * Errors:  PKM_ERR_ARG if PKM_ISA names no instruction set or PKM_THREADS is no number of threads,
 *          PKM_ERR_NOMEM
 * Threads: any thread; reads the environment
 * Since:   0.1
 */
PKM_API pkm_status pkm_info_json(char **out);

/**
 * Uses this many threads from now on; 0: PKM_THREADS, else the least of affinity, quota and cores.
 *
 * Errors:  PKM_ERR_ARG outside 0 to 1024, or if PKM_THREADS decides and is no such number
 * Threads: any thread, but not while another computes
 * Since:   0.1
 */
PKM_API pkm_status pkm_set_threads(int threads);

#ifdef __cplusplus
}
#endif

#endif
