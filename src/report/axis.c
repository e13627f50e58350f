/* SPDX-License-Identifier: Apache-2.0 */
#include "report/axis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double pkm_axis_place(const pkm_axis *axis, double value)
{
    if (!axis->log)
        return (value - axis->lo) / (axis->hi - axis->lo);
    return value > 0 ? log(value / axis->lo) / log(axis->hi / axis->lo) : NAN;
}

void pkm_axis_pad(pkm_axis *axis, double floor)
{
    const double share = 0.05;
    double room;

    if (axis->log) {
        room = fmax(pow(axis->hi / axis->lo, share), 1 + 1e-6);
        axis->lo /= room;
        axis->hi *= room;
        return;
    }
    room = share * (axis->hi - axis->lo);
    if (room <= 1e-12 * fabs(axis->hi))
        room = axis->hi != 0 ? 0.1 * fabs(axis->hi) : 1;
    axis->lo = fmax(floor, axis->lo - room);
    axis->hi += room;
}

/* The smallest of 1, 2, 5 times a power of ten that is at least `least`. */
static double round_step(double least)
{
    double power = pow(10, floor(log10(least)));

    if (power * (1 + 1e-9) >= least)
        return power;
    if (2 * power >= least)
        return 2 * power;
    return 5 * power >= least ? 5 * power : 10 * power;
}

static int linear_ticks(const pkm_axis *axis, int most, double *ticks)
{
    double step = round_step((axis->hi - axis->lo) / most);
    double first = ceil(axis->lo / step - 1e-9);
    int n = 0;

    for (int i = 0; i <= most && (first + i) * step <= axis->hi + 1e-9 * step; i++)
        ticks[n++] = (first + i) * step;
    return n;
}

/* Powers of ten, every so many of them that they fit; of a short range 2 and 5 times them too. */
static int decade_ticks(const pkm_axis *axis, int most, double *ticks)
{
    static const double between[] = {1, 2, 5};
    double decades = log10(axis->hi / axis->lo);
    int n_between = 3 * decades <= most ? 3 : 1, n = 0;
    int stride = (int)ceil(decades / most);
    int first = (int)floor(log10(axis->lo) / stride) * stride;

    for (int power = first; n <= most && pow(10, power) <= axis->hi; power += stride)
        for (int i = 0; i < n_between && n <= most; i++) {
            double tick = between[i] * pow(10, power);

            if (tick >= axis->lo * (1 - 1e-9) && tick <= axis->hi * (1 + 1e-9))
                ticks[n++] = tick;
        }
    return n;
}

int pkm_axis_ticks(const pkm_axis *axis, int most, double ticks[PKM_TICKS])
{
    const double wide = 10;

    return axis->log && axis->hi / axis->lo >= wide ? decade_ticks(axis, most, ticks)
                                                    : linear_ticks(axis, most, ticks);
}

void pkm_axis_format(const pkm_axis *axis, double value, char *out, size_t bytes)
{
    static const struct {
        double least;
        const char *letter;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {0, ""}};
    double size = fabs(value);
    int exponent = size > 0 ? (int)floor(log10(size) + 1e-9) : 0, unit = 0;

    if (axis->percent) {
        snprintf(out, bytes, "%.4g %%", 100 * value);
    } else if (size > 0 && exponent < (axis->log ? -2 : -3)) {
        snprintf(out, bytes, "%.3ge%d", value * pow(10, -exponent), exponent);
    } else {
        while (size < units[unit].least)
            unit++;
        snprintf(out, bytes, "%.4g%s", unit < 3 ? value / units[unit].least : value,
                 units[unit].letter);
    }
}
