/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/round_avx512.h"
#include "kernels/vec_avx512.h"

#include "kernels/row_step_simd.h"

bool pkm_row_adam_f32_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                             const float *restrict upstream, const pkm_row_hits *hits,
                             int64_t first, int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM,
                        PKM_F32);
}

bool pkm_row_adam_bf16_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                              const float *restrict upstream, const pkm_row_hits *hits,
                              int64_t first, int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM,
                        PKM_BF16);
}

bool pkm_row_adagrad_f32_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                                const float *restrict upstream, const pkm_row_hits *hits,
                                int64_t first, int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAGRAD,
                        PKM_F32);
}

bool pkm_row_adagrad_bf16_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                                 const float *restrict upstream, const pkm_row_hits *hits,
                                 int64_t first, int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAGRAD,
                        PKM_BF16);
}

bool pkm_row_sgd_f32_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                            const float *restrict upstream, const pkm_row_hits *hits, int64_t first,
                            int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_SGD, PKM_F32);
}

bool pkm_row_sgd_bf16_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                             const float *restrict upstream, const pkm_row_hits *hits,
                             int64_t first, int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_SGD,
                        PKM_BF16);
}

bool pkm_row_adam_row_f32_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                                 const float *restrict upstream, const pkm_row_hits *hits,
                                 int64_t first, int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM_ROW,
                        PKM_F32);
}

bool pkm_row_adam_row_bf16_avx512(const pkm_rows *table, const pkm_row_rule *rule,
                                  const float *restrict upstream, const pkm_row_hits *hits,
                                  int64_t first, int64_t last, float *restrict scratch)
{
    return row_step_all(table, rule, upstream, hits, first, last, scratch, PKM_VALUES_ADAM_ROW,
                        PKM_BF16);
}
