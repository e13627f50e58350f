/* SPDX-License-Identifier: Apache-2.0 */
/* Time for profiles and progress. Nothing that is computed depends on it. */
#ifndef PKM_BASE_CLOCK_H
#define PKM_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Monotonic nanoseconds from an arbitrary origin. */
static inline uint64_t pkm_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Seconds since 1970, for records that other programs put in order. */
static inline double pkm_clock_wall(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
