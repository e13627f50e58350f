/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/dense_check.h"

#include "base/size.h"

/* Element counts stay far below 2^63, and each side below oneDNN's limits. */
static const int64_t MAX_SIDE = (int64_t)1 << 31;

pkm_status pkm_dense_check_config(const pkm_dense_config *config)
{
    enum { PACKED_BYTES = 2 * sizeof(float) }; /* of an element, in both directions */
    size_t bytes;

    if (config->n_in < 1 || config->n_in > MAX_SIDE || config->n_out < 1 ||
        config->n_out > MAX_SIDE)
        return pkm_fail(PKM_ERR_SHAPE, "dense map [%lld, %lld]: each side must be 1 to 2^31",
                        (long long)config->n_in, (long long)config->n_out);
    if (!pkm_size_shape((const int64_t[]){config->n_in, config->n_out}, 2, PACKED_BYTES, &bytes))
        return pkm_fail(PKM_ERR_SHAPE, "dense map [%lld, %lld] is too large to address",
                        (long long)config->n_in, (long long)config->n_out);
    if (config->max_rows < 0 || config->max_rows > MAX_SIDE)
        return pkm_fail(PKM_ERR_SHAPE, "dense map for %lld rows: expected 0 to 2^31",
                        (long long)config->max_rows);
    if (config->compute != PKM_F32 && config->compute != PKM_BF16)
        return pkm_fail(PKM_ERR_ARG, "dense map computes in dtype %d: expected f32 or bf16",
                        (int)config->compute);
    return PKM_OK;
}

pkm_status pkm_dense_check_rows(const pkm_dense_config *config, int64_t n_rows)
{
    if (n_rows < 0 || n_rows > config->max_rows)
        return pkm_fail(PKM_ERR_SHAPE,
                        "dense map [%lld, %lld]: %lld rows, planned for at most %lld",
                        (long long)config->n_in, (long long)config->n_out, (long long)n_rows,
                        (long long)config->max_rows);
    return PKM_OK;
}

pkm_status pkm_dense_check_result(const pkm_dense_config *config, pkm_dtype dtype)
{
    if (dtype != PKM_F32 && dtype != config->compute)
        return pkm_fail(PKM_ERR_ARG, "dense map [%lld, %lld]: result dtype %d, expected f32 or %d",
                        (long long)config->n_in, (long long)config->n_out, (int)dtype,
                        (int)config->compute);
    return PKM_OK;
}
