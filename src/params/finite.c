/* SPDX-License-Identifier: Apache-2.0 */
#include "params/finite.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/dtype.h"
#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"

enum { BLOCK = 16384, CHUNK = 1024 };

typedef struct finite_scan {
    const void *data;
    pkm_dtype dtype;
    int64_t count;
    _Atomic int64_t block; /* first that holds something not finite */
} finite_scan;

/* A sum of squares is not finite only if an element is not. */
static bool all_finite(const finite_scan *scan, int64_t first, int64_t count)
{
    float part[CHUNK];

    if (scan->dtype == PKM_F32)
        return isfinite(pkm_kernels_get()->sum_squares((const float *)scan->data + first, count));
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t n = pkm_min_i64(CHUNK, count - i);

        pkm_kernels_get()->bf16_to_f32(part, (const uint16_t *)scan->data + first + i, n);
        if (!isfinite(pkm_kernels_get()->sum_squares(part, n)))
            return false;
    }
    return true;
}

static void scan_block(int64_t block, int thread, void *user)
{
    finite_scan *scan = user;
    int64_t first = block * BLOCK, count = pkm_min_i64(BLOCK, scan->count - first);
    int64_t known = atomic_load(&scan->block);

    (void)thread;
    if (block > known || all_finite(scan, first, count))
        return;
    while (block < known && !atomic_compare_exchange_weak(&scan->block, &known, block))
        ;
}

int64_t pkm_first_not_finite(const void *data, pkm_dtype dtype, int64_t count)
{
    int64_t n_blocks = pkm_ceil_div(count, BLOCK), at;
    finite_scan scan = {data, dtype, count, n_blocks};

    if (dtype != PKM_F32 && dtype != PKM_BF16)
        return count;
    pkm_parallel(n_blocks, scan_block, &scan);
    if (scan.block == n_blocks)
        return count;
    for (at = scan.block * BLOCK; all_finite(&scan, at, 1); at++)
        ;
    return at;
}

pkm_status pkm_finite_check(const void *data, pkm_dtype dtype, int64_t count, const char *path,
                            const char *name)
{
    int64_t at = pkm_first_not_finite(data, dtype, count);

    if (at < count)
        return pkm_fail(PKM_ERR_NUMERIC,
                        "%s: tensor '%s' holds a NaN or an infinity at element %lld of %lld", path,
                        name, (long long)at, (long long)count);
    return PKM_OK;
}
