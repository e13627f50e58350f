/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/store_rows.h"

#include <stddef.h>

#include "kernels/element_ref.h"

static void store_rows(const pkm_store_rows *job, pkm_dtype dtype)
{
    for (int64_t i = 0; i < job->n_rows; i++)
        for (int64_t j = 0; j < job->n_columns; j++) {
            int64_t to = i * job->out_row + j;
            float value = job->in[i * job->in_row + j];

            if (job->factor != NULL)
                value *= job->factor[i];
            element_store(job->out, dtype, to,
                          job->add ? element_load(job->out, dtype, to) + value : value);
        }
}

void pkm_store_rows_f32_ref(const pkm_store_rows *job)
{
    store_rows(job, PKM_F32);
}

void pkm_store_rows_bf16_ref(const pkm_store_rows *job)
{
    store_rows(job, PKM_BF16);
}
