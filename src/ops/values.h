/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of tensors in fp32, whatever their dtype (f32 or bf16): operations compute in floats on
 * stretches that stay in the nearest cache.
 */
#ifndef PKM_OPS_VALUES_H
#define PKM_OPS_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "pkm/dtype.h"

/* Elements an elementwise operation handles at a time, on its stack. */
enum { PKM_VALUES_CHUNK = 1024 };

/* Runs chunk for stretches of at most PKM_VALUES_CHUNK elements that cover [0, count), in parallel;
 * where they are cut does not depend on the number of threads. */
typedef void (*pkm_values_chunk)(int64_t first, int64_t count, void *user);
void pkm_values_parallel(int64_t count, pkm_values_chunk chunk, void *user);

/* Elements [first, first + count) of `data` as floats: in place if f32, else in `scratch`. */
const float *pkm_values_read(const void *data, pkm_dtype dtype, int64_t first, int64_t count,
                             float *scratch);

/* Elements [first, first + count) of `data` = or += values (which may be those elements). */
void pkm_values_write(void *data, pkm_dtype dtype, int64_t first, int64_t count,
                      const float *values, bool add);

/* out[i] = 0 with this probability, else in[i] / (1 - probability); the draw is that of index
 * first + i. out may be in; returns out. */
const float *pkm_values_dropout(float *out, const float *in, int64_t count, float probability,
                                const pkm_rng *rng, uint64_t first);

#endif
