/* SPDX-License-Identifier: Apache-2.0 */
/* Where an array stops being finite: at the speed of memory, on all threads. */
#ifndef PKM_PARAMS_FINITE_H
#define PKM_PARAMS_FINITE_H

#include <stdint.h>

#include "base/error.h"
#include "pkm/dtype.h"

/* Index of the first element that is a NaN or an infinity; `count` if there is none, as among
 * integers. */
int64_t pkm_first_not_finite(const void *data, pkm_dtype dtype, int64_t count);

/* PKM_ERR_NUMERIC names tensor and file if what was read of it is not all finite. */
pkm_status pkm_finite_check(const void *data, pkm_dtype dtype, int64_t count, const char *path,
                            const char *name);

#endif
