/* SPDX-License-Identifier: Apache-2.0 */
/* Where an array stops being finite: at the speed of memory, on all threads. */
#ifndef PKM_PARAMS_FINITE_H
#define PKM_PARAMS_FINITE_H

#include <stdint.h>

#include "pkm/dtype.h"

/* Index of the first element that is a NaN or an infinity; `count` if there is none, as among
 * integers. */
int64_t pkm_first_not_finite(const void *data, pkm_dtype dtype, int64_t count);

#endif
