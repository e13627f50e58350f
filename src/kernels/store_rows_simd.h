/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats stored in another dtype, over vectors; include after a vec_<isa>.h. */
#include <stddef.h>

#include "kernels/row_simd.h"
#include "kernels/store_rows.h"

PKM_INLINE void store_rows_all(const pkm_store_rows *job, pkm_dtype dtype)
{
    for (int64_t i = 0; i < job->n_rows; i++) {
        const float *in = job->in + i * job->in_row;
        const vec factor = vec_set(job->factor != NULL ? job->factor[i] : 1.0f);

        for (int64_t j = 0; j < job->n_columns; j += VEC) {
            const int64_t to = i * job->out_row + j, left = job->n_columns - j;
            vec value = vec_mul(vec_load(in + j, left), factor);

            if (job->add)
                value = vec_add(row_load(job->out, dtype, to, left), value);
            if (dtype == PKM_BF16)
                vec_store_bf16((uint16_t *)job->out + to, value, left);
            else
                vec_store((float *)job->out + to, value, left);
        }
    }
}
