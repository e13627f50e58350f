/* SPDX-License-Identifier: Apache-2.0 */
/* An axis of a drawing: its range, and the round numbers on it. */
#ifndef PKM_REPORT_AXIS_H
#define PKM_REPORT_AXIS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct pkm_axis {
    double lo, hi; /* lo < hi; with log within 1e-140 and 1e140, so that hi / lo is a number */
    bool log, percent;
    const char *label; /* NULL: none */
} pkm_axis;

enum { PKM_TICKS = 8 };

/* From 0 at lo to 1 at hi; NaN for what a logarithm cannot show. */
double pkm_axis_place(const pkm_axis *axis, double value);
/* Makes room above and below, and a range of an empty one; `floor`: not below it. */
void pkm_axis_pad(pkm_axis *axis, double floor);
/* Round numbers in the range, ascending, with at most `most` (2 to PKM_TICKS - 1) steps between
 * them; returns how many there are. */
int pkm_axis_ticks(const pkm_axis *axis, int most, double ticks[PKM_TICKS]);
/* "0.25", "1.5k", "2M", "1e-6", "40 %". */
void pkm_axis_format(const pkm_axis *axis, double value, char *out, size_t bytes);

#endif
