/* SPDX-License-Identifier: Apache-2.0 */
#define ROW_VECTOR 64
#include "row_loop.h"

uint32_t pkm_row_loop_avx512(const pkm_row_walk *walk, int64_t first, int64_t last)
{
    return walk_rows(walk, first, last);
}
