/* SPDX-License-Identifier: Apache-2.0 */
/* A model that is mostly table costs memory as it is used: after the first token the rows that were
 * read are there, not the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "infer/decoder.h"
#include "models/model.h"
#include "models/model_dir.h"
#include "support/check.h"

/* A table of 64 MiB in fp32. */
enum { DIM = 32, N_KEYS = 256, VALUE_DIM = 256, TOPK = 4 };

static pkm_gpt *make(void)
{
    pkm_gpt_config config = {.vocab_size = 31,
                             .seq_len = 8,
                             .dim = DIM,
                             .layers = 2,
                             .attn_heads = 2,
                             .ffn_dim = 64,
                             .norm_epsilon = 1e-5,
                             .memory_layers = {.count = 1, .value = {1}},
                             .memory = {.dim = DIM,
                                        .heads = 1,
                                        .n_keys = N_KEYS,
                                        .key_dim = 8,
                                        .topk = TOPK,
                                        .value_dim = VALUE_DIM,
                                        .query_norm = PKM_NORM_LAYER}};
    pkm_gpt *gpt;

    check_ok(pkm_gpt_create(&gpt, &config, false));
    pkm_gpt_init(gpt, 1);
    return gpt;
}

/* Kilobytes of the mappings whose path ends so: mapped, and of them in memory for this process. */
static void mapped_kb(long *size, long *resident, const char *end)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[4096];
    bool counts = false;

    assert_non_null(file);
    *size = *resident = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        size_t length = strcspn(line, "\n");
        long kb;

        if (line[0] >= 'A' && line[0] <= 'Z') { /* a field; else the line that names a mapping */
            if (counts && sscanf(line, "Size: %ld kB", &kb) == 1)
                *size += kb;
            if (counts && sscanf(line, "Rss: %ld kB", &kb) == 1)
                *resident += kb;
            continue;
        }
        line[length] = '\0';
        counts = length >= strlen(end) && strcmp(line + length - strlen(end), end) == 0;
    }
    (void)fclose(file);
}

static void check_first_token(const char *dir)
{
    const float *logits;
    pkm_decoder *decoder;
    pkm_model *model;
    long size, resident;
    int32_t id = 7;

    check_ok(pkm_model_load(&model, dir, NULL));
    check_ok(pkm_decoder_create(&decoder, model->gpt));
    check_ok(pkm_decoder_feed(decoder, &logits, &id, 1));
    mapped_kb(&size, &resident, "/model.safetensors");
    pkm_decoder_destroy(decoder);
    pkm_model_destroy(model);
    assert_in_range(size, N_KEYS * N_KEYS * VALUE_DIM / 1024, INT32_MAX);
    /* Rows, each with what the system maps beside it, and the scales of an int8 table. */
    assert_in_range(resident, 1, size / 4);
}

static void test_first_token(void **state)
{
    const pkm_quantize_config int8 = {PKM_I8, PKM_I8};
    char *root = temp_create(), *plain, *small;
    pkm_gpt *gpt = make();

    (void)state;
    check_ok(pkm_path_join(&plain, root, "plain"));
    check_ok(pkm_path_join(&small, root, "small"));
    check_ok(pkm_directory_create(plain));
    check_ok(pkm_model_dir_save_config(plain, &gpt->config, NULL));
    check_ok(pkm_model_dir_save_weights(plain, gpt, 0));
    pkm_gpt_destroy(gpt);
    check_ok(pkm_model_quantize(plain, small, &int8, NULL));
    check_first_token(plain);
    check_first_token(small);
    pkm_free(plain);
    pkm_free(small);
    temp_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_token)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
