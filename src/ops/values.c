/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/values.h"

#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "kernels/kernels.h"

/* Elements per block of threads: enough work to hand out. */
enum { BLOCK = 16 * PKM_VALUES_CHUNK };

typedef struct chunk_job {
    int64_t count;
    pkm_values_chunk chunk;
    void *user;
} chunk_job;

static void run_chunks(int64_t block, int thread, void *user)
{
    const chunk_job *job = user;
    int64_t last = pkm_min_i64((block + 1) * BLOCK, job->count);

    (void)thread;
    for (int64_t first = block * BLOCK; first < last; first += PKM_VALUES_CHUNK)
        job->chunk(first, pkm_min_i64(last - first, PKM_VALUES_CHUNK), job->user);
}

void pkm_values_parallel(int64_t count, pkm_values_chunk chunk, void *user)
{
    chunk_job job = {count, chunk, user};

    pkm_parallel(pkm_ceil_div(count, BLOCK), run_chunks, &job);
}

const float *pkm_values_read(const void *data, pkm_dtype dtype, int64_t first, int64_t count,
                             float *scratch)
{
    if (dtype == PKM_F32)
        return (const float *)data + first;
    pkm_kernels_get()->bf16_to_f32(scratch, (const uint16_t *)data + first, count);
    return scratch;
}

/* out = bf16(out + values), a chunk at a time. */
static void add_to_bf16(uint16_t *out, const float *values, int64_t count)
{
    const pkm_kernels *kernels = pkm_kernels_get();
    float sum[PKM_VALUES_CHUNK];

    for (int64_t i = 0; i < count; i += PKM_VALUES_CHUNK) {
        int64_t part = pkm_min_i64(count - i, PKM_VALUES_CHUNK);

        kernels->bf16_to_f32(sum, out + i, part);
        kernels->vector_add(sum, sum, values + i, part);
        kernels->f32_to_bf16(out + i, sum, part);
    }
}

void pkm_values_write(void *data, pkm_dtype dtype, int64_t first, int64_t count,
                      const float *values, bool add)
{
    float *f32 = (float *)data + first;
    uint16_t *bf16 = (uint16_t *)data + first;

    if (dtype == PKM_BF16 && add)
        add_to_bf16(bf16, values, count);
    else if (dtype == PKM_BF16)
        pkm_kernels_get()->f32_to_bf16(bf16, values, count);
    else if (add)
        pkm_kernels_get()->vector_add(f32, f32, values, count);
    else if (f32 != values)
        memcpy(f32, values, (size_t)count * sizeof *f32);
}

const float *pkm_values_dropout(float *out, const float *in, int64_t count, float probability,
                                const pkm_rng *rng, uint64_t first)
{
    const pkm_dropout_draws draws = {
        .rng = rng,
        .first = first,
        .threshold = (uint32_t)(probability * 0x1p24f),
        .scale = 1.0f / (1.0f - probability),
    };

    pkm_kernels_get()->dropout(out, in, count, &draws);
    return out;
}
