/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile options of training as JSON (pkm train --config), and files of a single memory layer. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "pkm/memory.h"
#include "pkm/train.h"
#include "support/check.h"
#include "support/malformed.h"

static char *folder, *options_file, *layer_file;

static const char good_options[] =
    "{\"layers\":3,\"dim\":64,\"dropout\":0.5,\"memory_layers\":[0,2],\"n_keys\":16,\"topk\":4,"
    "\"query_norm\":\"layer\",\"shared_values\":true,\"value_lr\":0.01}";

static const pkm_memory_config layer_config = {
    .dim = 12, .heads = 2, .n_keys = 5, .key_dim = 6, .topk = 4, .value_dim = 10};

static pkm_memory *create_layer(void)
{
    pkm_memory_options options;
    pkm_memory *memory;

    pkm_memory_options_init(&options);
    options.max_tokens = 4;
    options.train = true;
    check_ok(pkm_memory_create(&memory, &layer_config, &options, NULL));
    return memory;
}

static int make_folder(void **state)
{
    pkm_memory *memory = create_layer();

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&options_file, folder, "config.json"));
    check_ok(pkm_path_join(&layer_file, folder, "layer.safetensors"));
    malformed_write(options_file, good_options, sizeof good_options - 1);
    check_ok(pkm_memory_save(memory, layer_file));
    pkm_memory_destroy(memory);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(options_file);
    pkm_free(layer_file);
    temp_remove(folder);
    return 0;
}

static pkm_status read_options(const char *path)
{
    pkm_option_set *set;
    char *text;
    size_t bytes;
    pkm_status status;

    check_ok(pkm_options_create(&set, pkm_train_option_table()));
    check_ok(pkm_file_read(&text, &bytes, path, 1 << 20));
    status = pkm_options_set_json(set, text, bytes, path, PKM_ORIGIN_FILE);
    pkm_free(text);
    pkm_options_destroy(set);
    return status;
}

static const malformed_case options[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"line 1"}},
    {"a list", {0}, BYTES("[]"), PKM_ERR_FORMAT, {"JSON object"}},
    {"a number", {0}, BYTES("3"), PKM_ERR_FORMAT, {"line 1"}},
    {"YAML", {0}, BYTES("layers: 3\n"), PKM_ERR_FORMAT, {"line 1"}},
    {"text after it", BYTES("}"), BYTES("}\0"), PKM_ERR_FORMAT, {"line 1"}},
    {"duplicate", BYTES("'dim'"), BYTES("'layers'"), PKM_ERR_FORMAT, {"duplicate"}},
    {"unknown", BYTES("'dim'"), BYTES("'dmi'"), PKM_ERR_FORMAT, {"dmi", "did you mean"}},
    {"empty name", BYTES("'dim'"), BYTES("''"), PKM_ERR_FORMAT, {"unknown"}},
    {"a name of 600 letters",
     BYTES("'dim'"),
     BYTES(
         "'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'"),
     PKM_ERR_FORMAT,
     {"unknown option"}},
    {"with dashes", BYTES("'n_keys'"), BYTES("'--n-keys'"), PKM_ERR_FORMAT, {"unknown option"}},
    {"layers 0", BYTES("'layers':3"), BYTES("'layers':0"), PKM_ERR_FORMAT, {"layers is '0'"}},
    {"layers -1", BYTES("'layers':3"), BYTES("'layers':-1"), PKM_ERR_FORMAT, {"layers is '-1'"}},
    {"layers 2^63",
     BYTES("'layers':3"),
     BYTES("'layers':9223372036854775808"),
     PKM_ERR_FORMAT,
     {"too big"}},
    {"layers 3.5", BYTES("'layers':3"), BYTES("'layers':3.5"), PKM_ERR_FORMAT, {"layers is '3.5'"}},
    {"layers a text", BYTES("'layers':3"), BYTES("'layers':'3'"), PKM_ERR_FORMAT, {"layers"}},
    {"layers null",
     BYTES("'layers':3"),
     BYTES("'layers':null"),
     PKM_ERR_FORMAT,
     {"layers is 'null'"}},
    {"layers true",
     BYTES("'layers':3"),
     BYTES("'layers':true"),
     PKM_ERR_FORMAT,
     {"layers is 'true'"}},
    {"layers a list",
     BYTES("'layers':3"),
     BYTES("'layers':[3]"),
     PKM_ERR_FORMAT,
     {"layers is '[3]'"}},
    {"dropout 1", BYTES("0.5"), BYTES("1"), PKM_ERR_FORMAT, {"dropout is '1'"}},
    {"dropout -0.1", BYTES("0.5"), BYTES("-0.1"), PKM_ERR_FORMAT, {"dropout"}},
    {"dropout NaN", BYTES("0.5"), BYTES("NaN"), PKM_ERR_FORMAT, {"line 1"}},
    {"dropout a text", BYTES("0.5"), BYTES("'0.5'"), PKM_ERR_FORMAT, {"dropout"}},
    {"list a number", BYTES("[0,2]"), BYTES("2"), PKM_ERR_FORMAT, {"memory_layers is '2'"}},
    {"list a text", BYTES("[0,2]"), BYTES("'0,2'"), PKM_ERR_FORMAT, {"memory_layers"}},
    {"list of a real", BYTES("[0,2]"), BYTES("[0.5]"), PKM_ERR_FORMAT, {"memory_layers"}},
    {"list of -1", BYTES("[0,2]"), BYTES("[-1]"), PKM_ERR_FORMAT, {"memory_layers is '[-1]'"}},
    {"list of lists", BYTES("[0,2]"), BYTES("[[0]]"), PKM_ERR_FORMAT, {"memory_layers"}},
    {"list of 65",
     BYTES("[0,2]"),
     BYTES("[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,"
           "2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4]"),
     PKM_ERR_FORMAT,
     {"memory_layers"}},
    {"keys 46341", BYTES("'n_keys':16"), BYTES("'n_keys':46341"), PKM_ERR_FORMAT, {"n_keys"}},
    {"topk 0", BYTES("'topk':4"), BYTES("'topk':0"), PKM_ERR_FORMAT, {"topk is '0'"}},
    {"choice unknown", BYTES("'layer'"), BYTES("'rms'"), PKM_ERR_FORMAT, {"query_norm", "batch"}},
    {"choice of two", BYTES("'layer'"), BYTES("'layer|none'"), PKM_ERR_FORMAT, {"query_norm"}},
    {"choice a number", BYTES("'layer'"), BYTES("1"), PKM_ERR_FORMAT, {"query_norm is '1'"}},
    {"NUL in a choice", BYTES("'layer'"), BYTES("'layer\\u0000'"), PKM_ERR_FORMAT, {"line 1"}},
    {"truth a number", BYTES("true"), BYTES("1"), PKM_ERR_FORMAT, {"shared_values is '1'"}},
    {"truth a text", BYTES("true"), BYTES("'true'"), PKM_ERR_FORMAT, {"shared_values"}},
    {"rate -1", BYTES("0.01"), BYTES("-1"), PKM_ERR_FORMAT, {"value_lr is '-1'"}},
    {"rate 1e999", BYTES("0.01"), BYTES("1e999"), PKM_ERR_FORMAT, {"line 1"}},
};

static void test_options(void **state)
{
    const malformed_format format = {
        .name = "options", .file = options_file, .quotes = true, .read = read_options};

    (void)state;
    malformed_check(&format, options, sizeof options / sizeof options[0]);
}

/* Into a fresh layer each time: what is refused may leave it half filled, as the header says. */
static pkm_status read_layer(const char *path)
{
    pkm_memory *memory = create_layer();
    pkm_status status = pkm_memory_load(memory, path);

    pkm_memory_destroy(memory);
    return status;
}

/* Changes that leave every length as it is. */
static const malformed_case layers[] = {
    {"no format", BYTES("pkm_format"), BYTES("pkm_f0rmat"), PKM_ERR_FORMAT, {"lacks pkm_format"}},
    {"no step", BYTES("pkm_step"), BYTES("pkm_stop"), PKM_ERR_FORMAT, {"lacks pkm_step"}},
    {"no sizes", BYTES("pkm_memory"), BYTES("pkm_mem0ry"), PKM_ERR_FORMAT, {"lacks pkm_memory"}},
    {"a step of text",
     BYTES("'pkm_step':'0'"),
     BYTES("'pkm_step':'x'"),
     PKM_ERR_FORMAT,
     {"pkm_step is 'x'"}},
    {"other sizes", BYTES("n_keys 5"), BYTES("n_keys 6"), PKM_ERR_FORMAT, {"n_keys 6", "n_keys 5"}},
    {"another gate", BYTES("gate softmax"), BYTES("gate softmin"), PKM_ERR_FORMAT, {"softmin"}},
    {"a tensor renamed",
     BYTES("'values'"),
     BYTES("'valuez'"),
     PKM_ERR_FORMAT,
     {"'values'", "missing"}},
    {"a moment renamed",
     BYTES("values.exp_avg'"),
     BYTES("values.exp_avh'"),
     PKM_ERR_FORMAT,
     {"'values.exp_avg'"}},
    {"transposed", BYTES("'shape':[25,10]"), BYTES("'shape':[10,25]"), PKM_ERR_SHAPE, {"[10, 25]"}},
    {"integers",
     BYTES("'values':{'dtype':'F32'"),
     BYTES("'values':{'dtype':'I32'"),
     PKM_ERR_UNSUPPORTED,
     {"'values'", "I32"}},
    {"a NaN",
     BYTES("\0\0\x80\x3f\0\0\x80\x3f"),
     BYTES("\0\0\xc0\x7f\0\0\x80\x3f"),
     PKM_ERR_NUMERIC,
     {"tensor '", "a NaN or an infinity"}},
};

static void test_layers(void **state)
{
    const malformed_format format = {
        .name = "memory layer", .file = layer_file, .quotes = true, .read = read_layer};

    (void)state;
    malformed_check(&format, layers, sizeof layers / sizeof layers[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_options, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_layers, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
