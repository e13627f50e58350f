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

#define PLAIN                                                                                      \
    "\"model_type\":\"gpt2\",\"vocab_size\":31,\"n_positions\":8,\"n_embd\":12,\"n_layer\":2,"     \
    "\"n_head\":3"
#define MEMORY                                                                                     \
    "\"model_type\":\"pkm_gpt2\",\"vocab_size\":31,\"n_positions\":8,\"n_embd\":12,"               \
    "\"n_layer\":2,\"n_head\":3,\"pkm\":"
#define LAYER                                                                                      \
    "\"memory_heads\":2,\"n_keys\":5,\"topk\":4,\"key_dim\":6,\"value_dim\":10,"                   \
    "\"memory_mode\":\"add\",\"query_norm\":\"none\",\"gate\":\"raw\",\"output_gate\":\"none\","   \
    "\"value_dtype\":\"f32\",\"value_optimizer\":\"sgd\",\"shared_values\":false"

typedef struct malformed {
    const char *text;
    pkm_status status;
    const char *culprit, *reason;
} malformed;

static const malformed configs[] = {
    {"", PKM_ERR_FORMAT, "line", ""},
    {"[]", PKM_ERR_FORMAT, "not an object", ""},
    {"{}", PKM_ERR_FORMAT, "model_type", "missing"},
    {"{\"model_type\":\"llama\"}", PKM_ERR_UNSUPPORTED, "model_type", "llama"},
    {"{\"model_type\":7}", PKM_ERR_FORMAT, "model_type", "a string"},
    {"{\"model_type\":\"gpt2\"}", PKM_ERR_FORMAT, "vocab_size", "missing"},
    {"{" PLAIN ",\"n_layer\":3}", PKM_ERR_FORMAT, "duplicate", ""},
    {"{" PLAIN ",\"n_inner\":0}", PKM_ERR_FORMAT, "n_inner is 0", "1 to"},
    {"{" PLAIN ",\"n_inner\":1e3}", PKM_ERR_FORMAT, "n_inner", "integer"},
    {"{" PLAIN ",\"layer_norm_epsilon\":0}", PKM_ERR_FORMAT, "layer_norm_epsilon", ""},
    {"{" PLAIN ",\"layer_norm_epsilon\":\"1e-5\"}", PKM_ERR_FORMAT, "layer_norm_epsilon", "number"},
    {"{" PLAIN ",\"resid_pdrop\":1}", PKM_ERR_FORMAT, "resid_pdrop", ""},
    {"{" PLAIN ",\"activation_function\":\"relu\"}", PKM_ERR_UNSUPPORTED, "activation_function",
     "relu"},
    {"{" PLAIN ",\"scale_attn_weights\":false}", PKM_ERR_UNSUPPORTED, "scale_attn_weights", "true"},
    {"{" PLAIN ",\"scale_attn_weights\":1}", PKM_ERR_FORMAT, "scale_attn_weights", "true or false"},
    {"{" PLAIN ",\"tie_word_embeddings\":false}", PKM_ERR_UNSUPPORTED, "tie_word_embeddings", ""},
    {"{" PLAIN ",\"scale_attn_by_inverse_layer_idx\":true}", PKM_ERR_UNSUPPORTED,
     "scale_attn_by_inverse_layer_idx", "false"},
    {"{" PLAIN ",\"add_cross_attention\":true}", PKM_ERR_UNSUPPORTED, "add_cross_attention", ""},
    {"{" PLAIN ",\"position_embedding_type\":\"rotary\"}", PKM_ERR_UNSUPPORTED,
     "position_embedding_type", "rotary"},
    {"{\"model_type\":\"gpt2\",\"vocab_size\":31,\"n_positions\":8,\"n_embd\":13,\"n_layer\":2,"
     "\"n_head\":3}",
     PKM_ERR_FORMAT, "dim is 13", "attn_heads"},
    {"{\"model_type\":\"gpt2\",\"vocab_size\":31,\"n_positions\":8,\"n_embd\":12,\"n_layer\":-2,"
     "\"n_head\":3}",
     PKM_ERR_FORMAT, "n_layer is -2", "1 to"},
    {"{\"model_type\":\"gpt2\",\"vocab_size\":4000001}", PKM_ERR_FORMAT, "vocab_size is 4000001",
     ""},
    {"{" PLAIN ",\"pkm\":[]}", PKM_ERR_FORMAT, "pkm is an array", "object"},
    {"{" PLAIN ",\"pkm\":{}}", PKM_ERR_FORMAT, "pkm: format_version", "missing"},
    {"{" PLAIN ",\"pkm\":{\"format_version\":2}}", PKM_ERR_FORMAT, "format_version is 2", "1 to 1"},
    {"{" PLAIN ",\"pkm\":{\"format_version\":1,\"precision\":\"f16\"}}", PKM_ERR_UNSUPPORTED,
     "precision", "f16"},
    {"{" PLAIN ",\"pkm\":{\"format_version\":1,\"memory_layers\":[1]," LAYER "}}", PKM_ERR_FORMAT,
     "model_type is \"gpt2\"", "memory_layers"},
    {"{" MEMORY "null}", PKM_ERR_FORMAT, "pkm is missing", ""},
    {"{" MEMORY "{\"format_version\":1}}", PKM_ERR_FORMAT, "pkm_gpt2", "memory_layers has 0"},
    {"{" MEMORY "{\"format_version\":1,\"memory_layers\":[2]," LAYER "}}", PKM_ERR_FORMAT,
     "memory_layers is 2", "0 to 1"},
    {"{" MEMORY "{\"format_version\":1,\"memory_layers\":[1,1]," LAYER "}}", PKM_ERR_FORMAT,
     "memory_layers", "ascending"},
    {"{" MEMORY "{\"format_version\":1,\"memory_layers\":[1.0]," LAYER "}}", PKM_ERR_FORMAT,
     "memory_layers[0]", "integer"},
    {"{" MEMORY "{\"format_version\":1,\"memory_layers\":1," LAYER "}}", PKM_ERR_FORMAT,
     "memory_layers is an integer", "an array"},
    {"{" MEMORY "{\"format_version\":1,\"memory_layers\":[1]}}", PKM_ERR_FORMAT,
     "pkm: memory_heads", "missing"},
};

static void test_malformed_configs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        pkm_gpt_config config;

        write_text("config.json", configs[i].text);
        check_fails(pkm_model_dir_load_config(&config, folder), configs[i].status, "config.json",
                    configs[i].culprit, configs[i].reason, NULL);
    }
}

/* A minimal file by others, and one by us cut at every byte: nothing but errors or a config. */
static void test_configs_by_others(void **state)
{
    static const char text[] =
        "{" MEMORY "{\"format_version\":1,\"memory_layers\":[1]," LAYER ",\"new_key\":{}}}";
    pkm_gpt_config config;

    (void)state;
    write_text("config.json", "{" PLAIN ",\"n_inner\":null,\"unknown\":[1]}");
    check_ok(pkm_model_dir_load_config(&config, folder));
    assert_int_equal(config.ffn_dim, 48);
    for (size_t bytes = 0; bytes + 1 < sizeof text; bytes++) {
        char cut[sizeof text];

        memcpy(cut, text, bytes);
        cut[bytes] = '\0';
        write_text("config.json", cut);
        check_fails(pkm_model_dir_load_config(&config, folder), PKM_ERR_FORMAT, "config.json",
                    NULL);
    }
    write_text("config.json", text);
    check_ok(pkm_model_dir_load_config(&config, folder));
    assert_int_equal(config.memory.topk, 4);
}

/* The tensors of a plain model, as the writer takes them; each test spoils one. */
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

static void refuse(const pkm_gpt_config *config, tensors *list, pkm_status status,
                   const char *culprit, const char *reason)
{
    pkm_gpt *gpt = NULL;
    pkm_st_reader *weights = NULL;

    write_tensors(list);
    check_fails(pkm_model_dir_open(&gpt, &weights, folder, -1, false), status, "model.safetensors",
                culprit, reason, NULL);
    check_ok(pkm_gpt_create(&gpt, config, false));
    check_fails(pkm_model_dir_load_weights(gpt, folder, false), status, "model.safetensors",
                culprit, reason, NULL);
    pkm_gpt_destroy(gpt);
}

static void test_malformed_weights(void **state)
{
    static const float one = 1;
    pkm_gpt_config config = plain_config();
    pkm_gpt *gpt = save(&config);
    const tensors good = list_of(gpt, "");
    tensors list = good;

    (void)state;
    snprintf(list.name[3], sizeof list.name[3], "h.0.ln_1.biass");
    refuse(&config, &list, PKM_ERR_FORMAT, "'h.0.ln_1.bias'", "missing");
    list = good;
    list.entry[0].dims[0]--;
    refuse(&config, &list, PKM_ERR_SHAPE, "'wte.weight'", "expected [31, 12]");
    list = good;
    list.entry[2].dtype = PKM_I32;
    refuse(&config, &list, PKM_ERR_UNSUPPORTED, "'h.0.ln_1.weight'", "I32");
    list = good;
    add_tensor(&list, "h.2.ln_1.weight", &one);
    refuse(&config, &list, PKM_ERR_FORMAT, "'h.2.ln_1.weight'", "no part");
    list = good;
    add_tensor(&list, "transformer.wte.weight", &one);
    refuse(&config, &list, PKM_ERR_SHAPE, "'transformer.wte.weight'", "[1]");
    pkm_gpt_destroy(gpt);
}

static bool refuse_large(size_t bytes, void *user)
{
    *(bool *)user |= bytes > 1 << 20;
    return bytes > 1 << 20;
}

/* Sizes that a config claims are compared with the file before memory is taken. */
static void test_config_that_lies(void **state)
{
    pkm_gpt_config config = memory_config();
    pkm_gpt *gpt = save(&config);
    pkm_st_reader *weights = NULL;
    bool asked = false;

    (void)state;
    pkm_gpt_destroy(gpt);
    pkm_alloc_set_hook(refuse_large, &asked);
    config.memory.heads = 256;
    config.memory.key_dim = 65536;
    check_ok(pkm_model_dir_save_config(folder, &config, NULL));
    check_fails(pkm_model_dir_open(&gpt, &weights, folder, -1, false), PKM_ERR_SHAPE,
                "model.safetensors", "'h.0.pkm.keys'", NULL);
    config.memory.n_keys = 46340;
    config.memory.value_dim = 65536;
    check_ok(pkm_model_dir_save_config(folder, &config, NULL));
    check_fails(pkm_model_dir_open(&gpt, &weights, folder, -1, false), PKM_ERR_SHAPE,
                "model.safetensors", "'pkm.values.0'", NULL);
    pkm_alloc_set_hook(NULL, NULL);
    assert_false(asked);
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
    static const char *const bad[] = {"", "\n", "../x", "/etc", ".."};
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
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_text("best", bad[i]);
        check_fails(pkm_model_dir_load_config(&config, pointer), PKM_ERR_FORMAT, "best", "beside",
                    NULL);
    }
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
        cmocka_unit_test_setup_teardown(test_malformed_configs, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_configs_by_others, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_weights_by_others, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_malformed_weights, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_config_that_lies, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_weights_in_other_forms, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_pointer_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_model, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_out_of_memory, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
