/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact search by product keys or flat ones: its functions are public (include/pkm/memory.h, ring
 * 1).
 *
 * fp32 addition is monotonic, so a pair of ranks (a, b), counted from 1, can be among the k best
 * only if a * b <= k: pruning by ranks is exact to the last bit.
 */
#ifndef PKM_MEMORY_SEARCH_H
#define PKM_MEMORY_SEARCH_H

#include "kernels/kernels.h"
#include "pkm/memory.h"

/* pkm_search_create with the kernels of a chosen level; they are copied. */
pkm_status pkm_search_create_with(pkm_search **out, const pkm_search_config *config,
                                  const pkm_kernels *kernels);

/* Bytes of the packed keys, which are taken as they are first written. */
size_t pkm_search_bytes(const pkm_search *search);

#endif
