/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/file.h"
#include "format/json.h"
#include "models/model_dir.h"
#include "pkm/model.h"
#include "pkm/options.h"
#include "support/check.h"

#include <string.h>

static char *folder;

static int make_model(void **state)
{
    const pkm_gpt_config config = {
        .vocab_size = 31,
        .seq_len = 8,
        .dim = 12,
        .layers = 3,
        .attn_heads = 3,
        .ffn_dim = 48,
        .norm_epsilon = 1e-5,
        .memory_layers = {.count = 2, .value = {0, 2}},
        .memory = {.dim = 12, .heads = 2, .n_keys = 5, .key_dim = 6, .topk = 4, .value_dim = 12}};
    pkm_gpt *gpt;

    (void)state;
    folder = temp_create();
    check_ok(pkm_gpt_create(&gpt, &config, false));
    pkm_gpt_init(gpt, 1);
    check_ok(pkm_model_dir_save_config(folder, &config, NULL));
    check_ok(pkm_model_dir_save_weights(folder, gpt, 42));
    pkm_gpt_destroy(gpt);
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    temp_remove(folder);
    return 0;
}

static void write_metrics(const char *text)
{
    char *path;

    check_ok(pkm_path_join(&path, folder, "metrics.jsonl"));
    check_ok(pkm_file_write(path, text, strlen(text)));
    pkm_free(path);
}

static json_t *inspect(void)
{
    json_t *root = NULL;
    char *text = NULL;

    check_ok(pkm_model_inspect(folder, &text));
    check_ok(pkm_json_parse(&root, text, strlen(text), "inspect"));
    pkm_text_free(text);
    return root;
}

static int64_t number(const json_t *object, const char *key)
{
    int64_t value = -1;

    check_ok(pkm_json_int(object, key, 0, INT64_MAX, true, &value, "inspect"));
    return value;
}

static void test_counts_and_tensors(void **state)
{
    json_t *root = inspect(), *tensors = json_object_get(root, "tensors");
    int64_t values = 2 * 25 * 12, bytes = 0, buffers = 2 * 2 * 12; /* running mean and variance */
    const json_t *first = json_array_get(tensors, 0);

    (void)state;
    for (size_t i = 0; i < json_array_size(tensors); i++)
        bytes += number(json_array_get(tensors, i), "bytes");
    assert_int_equal(number(root, "value_parameters"), values);
    assert_int_equal(number(root, "parameters"), number(root, "dense_parameters") + values);
    assert_int_equal(bytes, 4 * (number(root, "parameters") + buffers));
    assert_int_equal(number(root, "step"), 42);
    assert_int_equal(number(json_object_get(root, "config"), "n_layer"), 3);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "h.0.attn.c_attn.bias");
    assert_string_equal(json_string_value(json_object_get(first, "dtype")), "F32");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(first, "shape"), 0)), 36);
    json_decref(root);
}

/* The last line that tells of memories counts, whatever stands around it. */
static void test_usage_of_the_last_evaluation(void **state)
{
    static const char line[] = "{\"step\": 2, \"memory\": [{\"layer\": 2, \"slots\": 25, \"used\": "
                               "0.5, \"mass_curve\": [[1, 1]]}, {\"layer\": 7}, 3]}\n";
    char text[500];
    json_t *root, *memory;

    (void)state;
    root = inspect();
    memory = json_object_get(root, "memory");
    assert_int_equal(json_array_size(memory), 2);
    assert_int_equal(number(json_array_get(memory, 1), "layer"), 2);
    assert_int_equal(number(json_array_get(memory, 1), "slots"), 25);
    assert_null(json_object_get(json_array_get(memory, 1), "used"));
    json_decref(root);

    snprintf(text, sizeof text, "%s%s%s%s",
             "{\"step\": 1, \"memory\": [{\"layer\": 2, \"used\": 0.1}]}\n", line,
             "{\"step\": 3, \"loss\": 1}\n", "{\"step\": 4, \"memory\": [{\"lay");
    write_metrics(text);
    root = inspect();
    memory = json_object_get(root, "memory");
    assert_true(json_real_value(json_object_get(json_array_get(memory, 1), "used")) == 0.5);
    assert_null(json_object_get(json_array_get(memory, 1), "mass_curve"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(memory, 1), "values")),
                        "pkm.values.1");
    assert_null(json_object_get(json_array_get(memory, 0), "used"));
    json_decref(root);
    write_metrics("");
    json_decref(inspect());
}

static void test_refusals(void **state)
{
    char *text = NULL, *path;

    (void)state;
    check_ok(pkm_path_join(&path, folder, "model.safetensors"));
    check_ok(pkm_file_write(path, "short", 5));
    pkm_free(path);
    check_fails(pkm_model_inspect(folder, &text), PKM_ERR_FORMAT, "model.safetensors", NULL);
    check_fails(pkm_model_inspect("/no/such/model", &text), PKM_ERR_IO, "/no/such/model", NULL);
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_tensors),
        cmocka_unit_test(test_usage_of_the_last_evaluation),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, make_model, remove_model);
}
