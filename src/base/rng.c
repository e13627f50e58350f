/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <math.h>

/* Multipliers and Weyl increments of Philox 4x32 (Salmon et al. 2011, section 4.3). */
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

static void philox(uint32_t out[4], const uint32_t counter[4], uint32_t key0, uint32_t key1)
{
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * x0;
        uint64_t p1 = (uint64_t)PHILOX_M1 * x2;

        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ key0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ key1;
        x3 = (uint32_t)p0;
        key0 += PHILOX_W0;
        key1 += PHILOX_W1;
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

uint32_t pkm_rng_stream(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

void pkm_rng_block(uint32_t out[4], const pkm_rng *rng, uint64_t index)
{
    uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), rng->stream, rng->step};

    philox(out, counter, (uint32_t)rng->seed, (uint32_t)(rng->seed >> 32));
}

uint32_t pkm_rng_u32(const pkm_rng *rng, uint64_t index)
{
    uint32_t words[4];

    pkm_rng_block(words, rng, index / 4);
    return words[index % 4];
}

static float unit_float(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

float pkm_rng_uniform(const pkm_rng *rng, uint64_t index)
{
    return unit_float(pkm_rng_u32(rng, index));
}

void pkm_rng_fill_uniform(float *out, int64_t count, const pkm_rng *rng, uint64_t first, float low,
                          float high)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = low + (high - low) * pkm_rng_uniform(rng, first + (uint64_t)i);
}

void pkm_rng_fill_normal(float *out, int64_t count, const pkm_rng *rng, uint64_t first, float std)
{
    for (int64_t i = 0; i < count; i += 2) {
        uint32_t words[4];
        double radius, angle;

        pkm_rng_block(words, rng, (first + (uint64_t)i) / 2);
        /* (0, 1] keeps the logarithm finite; double keeps libm's float variants out of the bits. */
        radius = sqrt(-2.0 * log(((double)words[0] + 1.0) * 0x1p-32));
        angle = 6.283185307179586 * ((double)words[1] * 0x1p-32);
        out[i] = std * (float)(radius * cos(angle));
        if (i + 1 < count)
            out[i + 1] = std * (float)(radius * sin(angle));
    }
}

/* One pass of the Feistel network over 2 * half_bits bits. */
static uint64_t feistel(const pkm_rng *rng, uint64_t value, unsigned half_bits)
{
    uint64_t mask = ((uint64_t)1 << half_bits) - 1;
    uint64_t left = value >> half_bits, right = value & mask;

    for (uint64_t round = 0; round < 4; round++) {
        uint32_t words[4];
        uint64_t mixed;

        pkm_rng_block(words, rng, (round << 40) | right);
        mixed = (left ^ (((uint64_t)words[0] << 32) | words[1])) & mask;
        left = right;
        right = mixed;
    }
    return (left << half_bits) | right;
}

uint64_t pkm_rng_permute(const pkm_rng *rng, uint64_t index, uint64_t size)
{
    unsigned half_bits = 1;

    while (half_bits < 31 && ((uint64_t)1 << (2 * half_bits)) < size)
        half_bits++;
    do
        index = feistel(rng, index, half_bits);
    while (index >= size);
    return index;
}
