/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_model.h"

#include "base/system.h"

pkm_status pkm_bench_model(pkm_gpt **out, const pkm_train_options *training, int64_t vocab_size,
                           bool train)
{
    pkm_gpt_config config;
    size_t bytes;

    if (training->map_values)
        return pkm_fail(PKM_ERR_ARG, "map_values: a benchmark has no folder to map values from");
    PKM_TRY(pkm_gpt_config_from_options(&config, training, vocab_size));
    PKM_TRY(pkm_gpt_bytes(&config, train, &bytes));
    PKM_TRY(pkm_memory_check(bytes, "this model", "a smaller model or table would fit"));
    PKM_TRY(pkm_gpt_create(out, &config, train));
    pkm_gpt_init(*out, 1);
    return PKM_OK;
}
