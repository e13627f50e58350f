/* SPDX-License-Identifier: Apache-2.0 */
/* What the system grants this process: memory, and how much of it is in use. 0 = unknown. */
#ifndef PKM_BASE_SYSTEM_H
#define PKM_BASE_SYSTEM_H

#include <stdint.h>

/* Physical memory in bytes, or the cgroup's limit if that is lower. */
uint64_t pkm_memory_limit(void);

/* Bytes that could be had now: the limit less what is in use and cannot be reclaimed. */
uint64_t pkm_memory_available(void);

/* Resident bytes of this process. */
uint64_t pkm_memory_resident(void);

#endif
