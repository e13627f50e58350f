/* SPDX-License-Identifier: Apache-2.0 */
/* What the system grants this process: memory, and how much of it is in use. 0 = unknown. */
#ifndef PKM_BASE_SYSTEM_H
#define PKM_BASE_SYSTEM_H

#include <stdint.h>

#include "base/error.h"

/* Physical memory in bytes, or the cgroup's limit if that is lower. */
uint64_t pkm_memory_limit(void);

/* Bytes that could be had now: the limit less what is in use and cannot be reclaimed. */
uint64_t pkm_memory_available(void);

/* "1.50 GiB", "12.00 KiB": an amount in words, in the unit that shows it. */
enum { PKM_AMOUNT_TEXT = 32 };
void pkm_amount_text(char out[PKM_AMOUNT_TEXT], uint64_t bytes);

/* PKM_ERR_NOMEM if `needed` bytes are more than that: "<what> needs ... and ... are available:
 * <advice>". Before they are taken: an allocation that is only granted on credit ends the process.
 */
pkm_status pkm_memory_check(uint64_t needed, const char *what, const char *advice);

/* Resident bytes of this process. */
uint64_t pkm_memory_resident(void);

#endif
