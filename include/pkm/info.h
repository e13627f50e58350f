/* SPDX-License-Identifier: Apache-2.0 */
/* What this build is and what it chose on this machine. */
#ifndef PKM_INFO_H
#define PKM_INFO_H

#include "pkm/error.h"
#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0" */
PKM_API const char *pkm_version(void);

/* CPU, instruction set, kernels chosen, threads and why, memory, versions of the libraries in use,
 * as a JSON object; *out freed with pkm_text_free (options.h). */
PKM_API pkm_status pkm_info_json(char **out);

/* Uses this many threads from now on, 0 = automatic (PKM_THREADS, affinity, quota, cores). */
PKM_API pkm_status pkm_set_threads(int threads);

#ifdef __cplusplus
}
#endif

#endif
