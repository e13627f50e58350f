/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counter-based random numbers (Philox 4x32-10; Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3"). A draw is a pure function of (seed, stream, step, index): neither threads nor
 * micro-batches nor stop-and-resume can change it, and there is no state to save.
 */
#ifndef PKM_BASE_RNG_H
#define PKM_BASE_RNG_H

#include <stdint.h>

typedef struct pkm_rng {
    uint64_t seed;   /* of the run */
    uint32_t stream; /* what the numbers are for: pkm_rng_stream("dropout.h.3") */
    uint32_t step;   /* training step, 0 where there is none; at most 2^32 - 1 */
} pkm_rng;

/* A stream number from a name (FNV-1a): the same name gives the same numbers for ever. */
uint32_t pkm_rng_stream(const char *name);

/* The four 32-bit words at counter `index`. */
void pkm_rng_block(uint32_t out[4], const pkm_rng *rng, uint64_t index);

/* One word: word index % 4 of block index / 4. */
uint32_t pkm_rng_u32(const pkm_rng *rng, uint64_t index);

/* Uniform in [0, 1) with 24 bits. */
float pkm_rng_uniform(const pkm_rng *rng, uint64_t index);

/* out[i] = low + (high - low) * uniform(first + i), i < count. */
void pkm_rng_fill_uniform(float *out, int64_t count, const pkm_rng *rng, uint64_t first, float low,
                          float high);

/*
 * out[i] = std * normal(first + i), Box-Muller on the words of block (first + i) / 2; `first` even.
 */
void pkm_rng_fill_normal(float *out, int64_t count, const pkm_rng *rng, uint64_t first, float std);

/*
 * Element `index` of a pseudo-random permutation of [0, size): a 4-round Feistel network with cycle
 * walking, keyed by rng. Constant memory, any order of access.
 */
uint64_t pkm_rng_permute(const pkm_rng *rng, uint64_t index, uint64_t size);

#endif
