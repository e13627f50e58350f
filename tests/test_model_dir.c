/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/file.h"
#include "models/model.h"
#include "models/model_dir.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = temp_create();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temp_remove(folder);
    return 0;
}

static void write_text(const char *name, const char *text)
{
    char *path;

    check_ok(pkm_path_join(&path, folder, name));
    check_ok(pkm_file_write(path, text, strlen(text)));
    pkm_free(path);
}

static pkm_gpt_config plain_config(void)
{
    return (pkm_gpt_config){.vocab_size = 31,
                            .seq_len = 8,
                            .dim = 12,
                            .layers = 2,
                            .attn_heads = 3,
                            .ffn_dim = 48,
                            .norm_epsilon = 1e-5};
}

static pkm_gpt_config memory_config(void)
{
    pkm_gpt_config config = plain_config();

    config.ffn_dim = 20;
    config.dropout = 0.25;
    config.compute = PKM_BF16;
    config.memory_layers = (pkm_int_list){.count = 2, .value = {0, 1}};
    config.memory_mode = PKM_MEMORY_ADD;
    config.memory = (pkm_memory_config){.dim = 12,
                                        .heads = 2,
                                        .n_keys = 5,
                                        .key_dim = 6,
                                        .topk = 4,
                                        .value_dim = 10,
                                        .query_norm = PKM_NORM_BATCH,
                                        .gate = PKM_GATE_RELU,
                                        .output_gate = PKM_OUTPUT_GATE_SWILU};
    config.shared_values = true;
    config.value_dtype = PKM_BF16;
    config.value_optimizer = PKM_VALUES_ADAGRAD;
    return config;
}

static pkm_gpt *save(const pkm_gpt_config *config)
{
    pkm_gpt *gpt = NULL;

    check_ok(pkm_gpt_create(&gpt, config, false));
    pkm_gpt_init(gpt, 3);
    check_ok(pkm_model_dir_save_config(folder, config, "{\"batch\": 4, \"topk\": 999}"));
    check_ok(pkm_model_dir_save_weights(folder, gpt, 77));
    return gpt;
}

static void check_same_tensors(const pkm_gpt *a, const pkm_gpt *b)
{
    assert_int_equal(pkm_params_count(a->params), pkm_params_count(b->params));
    for (int i = 0; i < pkm_params_count(a->params); i++) {
        const pkm_param *x = pkm_params_at(a->params, i), *y = pkm_params_at(b->params, i);

        assert_string_equal(x->spec.name, y->spec.name);
        assert_int_equal(x->dtype, y->dtype);
        assert_memory_equal(x->data, y->data, (size_t)x->count * (x->dtype == PKM_BF16 ? 2 : 4));
    }
}

static void test_round_trip(void **state)
{
    const pkm_gpt_config configs[] = {plain_config(), memory_config()};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pkm_gpt *before = save(&configs[i]), *after = NULL, *opened = NULL;
        pkm_st_reader *weights = NULL;
        pkm_gpt_config config;

        check_ok(pkm_model_dir_load_config(&config, folder));
        assert_memory_equal(&config, &configs[i], sizeof config);
        check_ok(pkm_gpt_create(&after, &config, true));
        check_ok(pkm_model_dir_load_weights(after, folder, i == 0));
        check_same_tensors(before, after);
        check_ok(pkm_model_dir_open(&opened, &weights, folder, PKM_F32, false));
        check_same_tensors(before, opened);
        assert_int_equal(opened->config.compute, PKM_F32);
        assert_string_equal(pkm_st_metadata(weights, "pkm_step"), "77");
        if (i == 1) { /* the table is read where it lies */
            const pkm_param *values = pkm_params_find(opened->params, "pkm.values.0");

            assert_ptr_equal(values->data, pkm_st_find(weights, "pkm.values.0")->data);
        }
        pkm_gpt_destroy(opened);
        pkm_st_close(weights);
        pkm_gpt_destroy(after);
        pkm_gpt_destroy(before);
    }
}

/* The tensors of a plain model, as the writer takes them. */
enum { MOST = 64 };

typedef struct tensors {
    pkm_st_entry entry[MOST];
    char name[MOST][128];
    int count;
} tensors;

static tensors list_of(const pkm_gpt *gpt, const char *prefix)
{
    tensors list = {.count = pkm_params_count(gpt->params)};

    for (int i = 0; i < list.count; i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);

        list.entry[i] = (pkm_st_entry){
            .dtype = param->dtype, .n_dims = param->spec.n_dims, .data = param->data};
        memcpy(list.entry[i].dims, param->spec.dims, sizeof param->spec.dims);
        snprintf(list.name[i], sizeof list.name[i], "%s%s", prefix, param->spec.name);
    }
    return list;
}

static void write_tensors(tensors *list)
{
    char *path;

    for (int i = 0; i < list->count; i++)
        list->entry[i].name = list->name[i];
    check_ok(pkm_path_join(&path, folder, "model.safetensors"));
    check_ok(pkm_st_write(path, list->entry, list->count, NULL, 0));
    pkm_free(path);
}

static void add_tensor(tensors *list, const char *name, const void *data)
{
    list->entry[list->count] =
        (pkm_st_entry){.dtype = PKM_F32, .n_dims = 1, .dims = {1}, .data = data};
    snprintf(list->name[list->count++], sizeof list->name[0], "%s", name);
}

/* With the prefix of GPT2LMHeadModel, masks and a tied head, as GPT-2's own files are. */
static void test_weights_by_others(void **state)
{
    static const float one = 1;
    pkm_gpt_config config = plain_config();
    pkm_gpt *gpt = save(&config), *after = NULL;
    tensors list = list_of(gpt, "transformer.");

    (void)state;
    add_tensor(&list, "transformer.h.0.attn.bias", &one);
    add_tensor(&list, "transformer.h.1.attn.masked_bias", &one);
    add_tensor(&list, "lm_head.weight", &one);
    write_tensors(&list);
    check_ok(pkm_gpt_create(&after, &config, false));
    check_ok(pkm_model_dir_load_weights(after, folder, false));
    check_same_tensors(gpt, after);
    pkm_gpt_destroy(after);
    pkm_gpt_destroy(gpt);
}

static void test_weights_in_other_forms(void **state)
{
    pkm_gpt_config config = plain_config();
    pkm_st_reader *weights = NULL;
    pkm_gpt *gpt = NULL;

    (void)state;
    check_ok(pkm_model_dir_save_config(folder, &config, NULL));
    check_fails(pkm_model_dir_open(&gpt, &weights, folder, -1, false), PKM_ERR_IO,
                "model.safetensors", "cannot open", NULL);
    write_text("model.safetensors.index.json", "{}");
    check_fails(pkm_model_dir_open(&gpt, &weights, folder, -1, false), PKM_ERR_UNSUPPORTED,
                "model.safetensors.index.json", "several files", NULL);
    write_text("pytorch_model.bin", "x");
    check_fails(pkm_model_dir_open(&gpt, &weights, folder, -1, false), PKM_ERR_UNSUPPORTED,
                "pytorch_model.bin", "never read", NULL);
}

/* checkpoints/best of a run is a file that names a folder beside it. */
static void test_pointer_files(void **state)
{
    pkm_gpt_config config = plain_config();
    char pointer[500];

    (void)state;
    pkm_gpt_destroy(save(&config));
    snprintf(pointer, sizeof pointer, "%s/best", folder);
    write_text("best", "step-00000001\n");
    check_fails(pkm_model_dir_load_config(&config, pointer), PKM_ERR_IO, "step-00000001", NULL);
    {
        char step[500], from[600], to[600];

        snprintf(step, sizeof step, "%s/step-00000001", folder);
        snprintf(from, sizeof from, "%s/config.json", folder);
        snprintf(to, sizeof to, "%s/config.json", step);
        check_ok(pkm_directory_create(step));
        assert_int_equal(rename(from, to), 0);
    }
    check_ok(pkm_model_dir_load_config(&config, pointer));
    check_fails(pkm_model_dir_load_config(&config, "/no/such/model"), PKM_ERR_IO, "/no/such/model",
                NULL);
}

static void test_model(void **state)
{
    pkm_gpt_config config = memory_config();
    pkm_gpt *gpt = save(&config);
    pkm_model_options options = {.precision = PKM_F32, .no_mmap = true};
    pkm_model *model = NULL;
    const int32_t ids[2] = {1, 2}, wrong[1] = {31};
    float logits[2 * 31];

    (void)state;
    check_ok(pkm_model_load(&model, folder, NULL));
    assert_int_equal(pkm_model_vocab_size(model), 31);
    assert_int_equal(pkm_model_seq_len(model), 8);
    assert_int_equal(pkm_model_parameters(model), pkm_gpt_parameters(gpt));
    assert_null(pkm_model_tokenizer(model));
    pkm_model_destroy(model);
    check_ok(pkm_model_load(&model, folder, &options));
    check_ok(pkm_model_logits(model, logits, ids, 0));
    check_ok(pkm_model_logits(model, logits, ids, 1));
    check_ok(pkm_model_logits(model, logits, ids, 2));
    check_fails(pkm_model_logits(model, logits, wrong, 1), PKM_ERR_ARG, "31", NULL);
    check_fails(pkm_model_logits(model, logits, ids, 9), PKM_ERR_SHAPE, "n_tokens is 9", "8", NULL);
    pkm_model_destroy(model);
    options.precision = 2;
    check_fails(pkm_model_load(&model, folder, &options), PKM_ERR_ARG, "precision", NULL);
    pkm_gpt_destroy(gpt);
}

static bool count_down(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int *)user == 0;
}

static void test_out_of_memory(void **state)
{
    pkm_gpt_config config = memory_config();
    pkm_status status = PKM_ERR_NOMEM;
    pkm_model *model = NULL;

    (void)state;
    pkm_gpt_destroy(save(&config));
    for (int n = 1; status != PKM_OK; n++) {
        int left = n;

        pkm_alloc_set_hook(count_down, &left);
        status = pkm_model_load(&model, folder, NULL);
        pkm_alloc_set_hook(NULL, NULL);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
    }
    pkm_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_weights_by_others, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_weights_in_other_forms, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_pointer_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_model, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_out_of_memory, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
