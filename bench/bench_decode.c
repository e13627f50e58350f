/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding one sequence, a token at a time, with a KV cache. Each token needs all weights: the
 * ceiling is a loop that only reads as many bytes in order.
 */
#include "base/alloc.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "base/size.h"
#include "bench_model.h"
#include "infer/decoder.h"
#include "memory/memory_config.h"
#include "row_table.h"

typedef struct decode_values {
    int64_t vocab_size, context, new_tokens, runs;
    int weights; /* index into stored_dtypes */
} decode_values;

/* Of weights and values: as --precision and --value-dtype say, or as pkm quantize writes them. */
#define STORED "model|bf16|int8"
static const pkm_dtype stored_dtypes[] = {PKM_F32, PKM_BF16, PKM_I8};

#define AT(field) offsetof(decode_values, field)

static const pkm_option rows[] = {
    {"vocab_size", PKM_OPTION_INT, AT(vocab_size), 2, 1000000, "8192", NULL, "tokens", NULL,
     "vocabulary of the model"},
    {"context", PKM_OPTION_INT, AT(context), 1, 1 << 20, "32", NULL, "tokens", NULL,
     "that stand before the first one decoded"},
    {"new_tokens", PKM_OPTION_INT, AT(new_tokens), 1, 1 << 20, "16", NULL, "tokens", NULL,
     "decoded by a run"},
    {"weights", PKM_OPTION_CHOICE, AT(weights), 0, 0, "model", STORED, NULL, NULL,
     "weights and values; model: as --precision and --value-dtype say"},
    {"runs", PKM_OPTION_INT, AT(runs), 1, 1000000, "5", NULL, NULL, NULL, "measured runs"},
};

enum { ROW_BYTES = 4096 };

typedef struct decode_bench {
    const decode_values *values;
    pkm_gpt *gpt;
    pkm_decoder *decoder;
    int32_t *ids; /* [context + new_tokens] */
    pkm_row_table weights;
} decode_bench;

static void release(decode_bench *bench)
{
    pkm_row_table_release(&bench->weights);
    pkm_free(bench->ids);
    pkm_decoder_destroy(bench->decoder);
    pkm_gpt_destroy(bench->gpt);
}

/* Bytes of a token: the weights of all maps, the keys, rows and cache it reads. */
static double token_bytes(const decode_bench *bench)
{
    const pkm_gpt *gpt = bench->gpt;
    const pkm_gpt_config *config = &gpt->config;
    const pkm_memory_config *memory = &config->memory;
    const pkm_key_shape keys = pkm_memory_keys(memory);
    double element = (double)pkm_dtype_bytes(config->compute);
    double position = (double)bench->values->context + (double)bench->values->new_tokens / 2;
    double bytes = 2 * position * (double)(config->layers * config->dim) * element;

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);

        if (param->dense != NULL)
            bytes += (double)param->count *
                     (param->dtype == PKM_F32 ? element : (double)pkm_dtype_bytes(param->dtype));
    }
    if (gpt->n_memories == 0)
        return bytes;
    return bytes + gpt->n_memories * (double)memory->heads *
                       ((double)(keys.parts * keys.count * keys.width) * element +
                        (double)(memory->topk * pkm_store_config_of(gpt->stores[0])->value_dim) *
                            (double)pkm_dtype_bytes(config->value_dtype));
}

/* Replaces the model by one of stored weights. */
static pkm_status store(decode_bench *bench, pkm_dtype dtype)
{
    pkm_gpt *stored;

    if (dtype == PKM_F32)
        return PKM_OK;
    PKM_TRY(pkm_gpt_quantize(&stored, bench->gpt, dtype, dtype));
    pkm_gpt_destroy(bench->gpt);
    bench->gpt = stored;
    return PKM_OK;
}

static pkm_status create(decode_bench *bench, const pkm_train_options *training)
{
    const pkm_rng rng = {.seed = 1, .stream = pkm_rng_stream("bench.tokens")};
    const decode_values *values = bench->values;
    int64_t length = values->context + values->new_tokens, bytes;
    const float *logits;

    if (length > training->seq_len)
        return pkm_fail(PKM_ERR_ARG, "context and new_tokens are %lld in all: seq_len is %lld",
                        (long long)length, (long long)training->seq_len);
    PKM_TRY(pkm_bench_model(&bench->gpt, training, values->vocab_size, false));
    PKM_TRY(store(bench, stored_dtypes[values->weights]));
    PKM_TRY(pkm_decoder_create(&bench->decoder, bench->gpt));
    PKM_TRY(pkm_alloc_array((void **)&bench->ids, (size_t)length, sizeof *bench->ids, "tokens"));
    for (int64_t i = 0; i < length; i++)
        bench->ids[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % (uint64_t)values->vocab_size);
    bytes = (int64_t)token_bytes(bench);
    PKM_TRY(pkm_row_table_create(&bench->weights, bytes));
    PKM_TRY(pkm_row_table_lay(&bench->weights, pkm_min_i64(ROW_BYTES, bytes), bytes, false));
    return pkm_decoder_feed(bench->decoder, &logits, bench->ids, values->context);
}

/* The same positions in every run. */
static pkm_status decode(void *user)
{
    const decode_bench *bench = user;
    const float *logits;

    bench->decoder->length = bench->decoder->cached = bench->values->context;
    for (int64_t i = 0; i < bench->values->new_tokens; i++)
        PKM_TRY(
            pkm_decoder_feed(bench->decoder, &logits, bench->ids + bench->values->context + i, 1));
    return PKM_OK;
}

static pkm_status add_tasks(pkm_measure *measure, void *user)
{
    decode_bench *bench = user;
    double tokens = (double)bench->values->new_tokens;
    int read;

    PKM_TRY(pkm_row_probe_add(measure, &read, "as many bytes only read", &bench->weights.walk, 0));
    return pkm_measure_add(measure, NULL,
                           &(pkm_task){.name = "decode",
                                       .body = decode,
                                       .user = bench,
                                       .items = tokens,
                                       .unit = "tokens",
                                       .parts = {{read, tokens * token_bytes(bench)}}});
}

static pkm_status run(const void *values, const pkm_train_options *training, pkm_bench_sink sink,
                      void *user)
{
    decode_bench bench = {.values = values};
    pkm_status status = create(&bench, training);

    if (status == PKM_OK)
        status = pkm_measure_all(bench.values->runs, add_tasks, &bench, sink, user);
    release(&bench);
    return status;
}

const pkm_bench pkm_bench_decode = {
    .name = "decode",
    .options = {rows, sizeof rows / sizeof rows[0], sizeof(decode_values)},
    .run_training = run,
};
