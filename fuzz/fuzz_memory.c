/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory layer of whatever sizes, then calls in whatever order: everything is either done or
 * refused. What is saved loads into a layer of the same settings, unless it is not finite.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pkm/revive.h"

enum { CALLS_MAX = 24, ROWS_MAX = 64 };

static void read_settings(pkm_memory_config *config, pkm_memory_options *options, fuzz_input *in)
{
    *config = (pkm_memory_config){.dim = fuzz_size(in),
                                  .heads = fuzz_size(in),
                                  .n_keys = fuzz_size(in),
                                  .key_dim = fuzz_size(in),
                                  .topk = fuzz_size(in),
                                  .value_dim = fuzz_size(in),
                                  .query_norm = (pkm_query_norm)fuzz_up_to(in, 3),
                                  .gate = (pkm_gate)fuzz_up_to(in, 3),
                                  .output_gate = (pkm_output_gate)fuzz_up_to(in, 2),
                                  .key_kind = (pkm_key_kind)fuzz_up_to(in, 2)};
    pkm_memory_options_init(options);
    options->max_tokens = fuzz_size(in);
    options->grad_accum = fuzz_size(in);
    options->train = fuzz_up_to(in, 3) != 0;
    options->precision = (pkm_dtype)fuzz_up_to(in, 2);
    options->value_dtype = (pkm_dtype)fuzz_up_to(in, 2);
    options->value_optimizer = (pkm_value_optimizer)fuzz_up_to(in, 4);
    options->clip = (double)fuzz_size(in);
    options->lr = (double)fuzz_size(in) / 16;
}

/* Forward and, now and then, backward over rows of small, huge and broken numbers. */
static void compute(pkm_memory *memory, const pkm_memory_config *config, fuzz_input *in)
{
    static const float values[] = {0, 1, -1, 0.5F, -3, 1e-40F, 1e30F, -1e38F};
    int64_t n_tokens = fuzz_size(in);
    bool train = fuzz_up_to(in, 1) != 0, masked = fuzz_up_to(in, 1) != 0;
    size_t rows = n_tokens > 0 && n_tokens < ROWS_MAX ? (size_t)n_tokens : 0;
    float *x = calloc(rows * (size_t)config->dim + 1, sizeof *x);
    float *y = calloc(rows * (size_t)config->dim + 1, sizeof *y);
    unsigned char *mask = calloc(rows + 1, 1);

    fuzz_check(x != NULL && y != NULL && mask != NULL, "there is memory for the rows");
    for (size_t i = 0; i < rows * (size_t)config->dim; i++)
        x[i] = values[fuzz_up_to(in, 7)];
    for (size_t i = 0; i < rows; i++)
        mask[i] = (unsigned char)fuzz_up_to(in, 1);
    if ((n_tokens <= 0 || rows > 0) &&
        fuzz_ok(pkm_memory_forward(memory, y, x, n_tokens, masked ? mask : NULL, train)) && train)
        (void)fuzz_ok(pkm_memory_backward(memory, y, x));
    free(x);
    free(y);
    free(mask);
}

static void write_tensor(pkm_memory *memory, fuzz_input *in)
{
    pkm_memory_tensor tensor;
    int64_t count = fuzz_size(in);
    float data[16];

    for (int i = 0; i < 16; i++)
        data[i] = (float)fuzz_up_to(in, 255) - 128;
    if (fuzz_ok(pkm_memory_tensor_at(memory, &tensor, (int)fuzz_size(in))) && count <= 16)
        (void)fuzz_ok(pkm_memory_tensor_write(memory, tensor.name, data, count));
    (void)fuzz_ok(pkm_memory_tensor_find(memory, &tensor, "keys"));
}

static void save_and_load(pkm_memory *memory, const pkm_memory_config *config,
                          const pkm_memory_options *options)
{
    pkm_memory *again;
    pkm_status status;

    if (!fuzz_must(pkm_memory_save(memory, fuzz_path("once"))) ||
        !fuzz_must(pkm_memory_create(&again, config, options, NULL)))
        return;
    status = pkm_memory_load(again, fuzz_path("once"));
    fuzz_check(status == PKM_OK || status == PKM_ERR_NUMERIC || fuzz_starved(),
               "a saved layer loads, or is not finite");
    if (fuzz_ok(status) && fuzz_must(pkm_memory_save(again, fuzz_path("twice"))))
        fuzz_check(fuzz_same("once", "twice"), "a saved layer loads equal");
    pkm_memory_destroy(again);
}

static void call(pkm_memory *memory, const pkm_memory_config *config, fuzz_input *in)
{
    pkm_usage usage;

    switch (fuzz_up_to(in, 5)) {
    case 0:
    case 1:
        compute(memory, config, in);
        break;
    case 2:
        (void)fuzz_ok(pkm_memory_step(memory));
        break;
    case 3:
        write_tensor(memory, in);
        break;
    case 4:
        (void)fuzz_ok(pkm_memory_usage_start(memory));
        (void)fuzz_ok(pkm_memory_revive_start(memory));
        break;
    default:
        (void)fuzz_ok(pkm_memory_usage(memory, &usage, (int)fuzz_size(in) - 1));
        pkm_memory_usage_stop(memory);
        (void)fuzz_ok(pkm_memory_revive(memory, 0.5, NULL));
    }
}

static void run(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    pkm_memory_config config;
    pkm_memory_options options;
    pkm_memory *memory;

    read_settings(&config, &options, &in);
    if (!fuzz_ok(pkm_memory_create(&memory, &config, &options, NULL)))
        return;
    for (int i = 0; i < CALLS_MAX && in.size > 0; i++)
        call(memory, &config, &in);
    save_and_load(memory, &config, &options);
    pkm_memory_destroy(memory);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 0, .constant = 32 << 20, .refuse = true};
