/* SPDX-License-Identifier: Apache-2.0 */
#include "text/batches.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/size.h"

pkm_status pkm_batches_init(pkm_batches *out, const pkm_data *data, int64_t seq_len, uint64_t seed)
{
    int64_t n_tokens = pkm_data_tokens(data);
    int32_t *window;

    if (n_tokens <= seq_len)
        return pkm_fail(PKM_ERR_ARG,
                        "the data set has %lld training tokens: one sequence of seq_len %lld needs "
                        "%lld",
                        (long long)n_tokens, (long long)seq_len, (long long)seq_len + 1);
    PKM_TRY(pkm_alloc_array((void **)&window, pkm_size_sum((size_t)seq_len, 1), sizeof *window,
                            "a window"));
    *out = (pkm_batches){
        .data = data,
        .seq_len = seq_len,
        .n_windows = (n_tokens - 1) / seq_len,
        .seed = seed,
        .window = window,
    };
    return PKM_OK;
}

void pkm_batches_release(pkm_batches *batches)
{
    pkm_free(batches->window);
    *batches = (pkm_batches){0};
}

/* Window of sequence `index`, counted over the whole training. */
static int64_t window_of(const pkm_batches *batches, int64_t index)
{
    pkm_rng order = {
        .seed = batches->seed,
        .stream = pkm_rng_stream("data order") + batches->order,
        .step = (uint32_t)(index / batches->n_windows),
    };

    return (int64_t)pkm_rng_permute(&order, (uint64_t)(index % batches->n_windows),
                                    (uint64_t)batches->n_windows);
}

pkm_status pkm_batches_fill(const pkm_batches *batches, int32_t *ids, int32_t *targets,
                            int64_t first, int64_t count)
{
    int64_t seq_len = batches->seq_len;
    size_t row_bytes = (size_t)seq_len * sizeof *ids;

    for (int64_t i = 0; i < count; i++) {
        int64_t start = window_of(batches, first + i) * seq_len;

        PKM_TRY(pkm_data_read(batches->data, batches->window, start, seq_len + 1));
        memcpy(ids + i * seq_len, batches->window, row_bytes);
        memcpy(targets + i * seq_len, batches->window + 1, row_bytes);
    }
    return PKM_OK;
}
