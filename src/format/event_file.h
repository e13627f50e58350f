/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event files as TensorBoard reads them, written only: a file is a row of records
 *
 *     u64 length; u32 check of it; the bytes of an Event; u32 check of them
 *
 * little-endian, where a check is a CRC-32C turned right by 15 bits plus 0xa282ead8. An Event is
 * encoded as protobuf does: 1 wall_time (double), 2 step (int64), and one of 3 file_version
 * (string), 5 summary, 7 session_log. A summary repeats 1 value, each with 1 tag (string) and
 * 2 simple_value (float).
 */
#ifndef PKM_FORMAT_EVENT_FILE_H
#define PKM_FORMAT_EVENT_FILE_H

#include <stdint.h>

#include "base/strbuf.h"

typedef struct pkm_event_scalar {
    const char *tag;
    double value;
} pkm_event_scalar;

/* Each appends a record. wall: seconds since 1970. The version comes first in a file. */
pkm_status pkm_event_version(pkm_strbuf *out, double wall);
/* What readers know of `step` and later ones, from files before or from this one, is void. */
pkm_status pkm_event_restart(pkm_strbuf *out, double wall, int64_t step);
pkm_status pkm_event_scalars(pkm_strbuf *out, double wall, int64_t step,
                             const pkm_event_scalar *scalars, int n_scalars);

#endif
