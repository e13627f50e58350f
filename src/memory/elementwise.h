/* SPDX-License-Identifier: Apache-2.0 */
/* Passes over all elements, or rows, of the layer's matrices, spread over the threads. */
#ifndef PKM_MEMORY_ELEMENTWISE_H
#define PKM_MEMORY_ELEMENTWISE_H

#include <stddef.h>
#include <stdint.h>

#include "pkm/dtype.h"

/* out[i] = in[i] in another (or the same) precision; both PKM_F32 or PKM_BF16. */
void pkm_convert(void *out, pkm_dtype out_dtype, const void *in, pkm_dtype in_dtype, int64_t count);

/* out = bag * silu(gate), out of `dtype`; silu(g) = g / (1 + exp(-g)). */
void pkm_swilu_forward(void *out, pkm_dtype dtype, const float *bag, const float *gate,
                       int64_t count);
/* d (of the product, f32) becomes that of bag; dgate, of `dtype`, that of gate. */
void pkm_swilu_backward(float *d, void *dgate, pkm_dtype dtype, const float *bag, const float *gate,
                        int64_t count);

/* out[i] = in[rows[i]] and out[rows[i]] = in[i], i < n_rows: whole rows of row_bytes. */
void pkm_pack_rows(void *out, const void *in, const int32_t *rows, int64_t n_rows,
                   size_t row_bytes);
void pkm_unpack_rows(void *out, const void *in, const int32_t *rows, int64_t n_rows,
                     size_t row_bytes);

#endif
