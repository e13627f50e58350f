/* SPDX-License-Identifier: Apache-2.0 */
/* Weights that are a good safetensors file but not of this model, and models that do not fit
 * memory. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "models/model.h"
#include "models/model_dir.h"
#include "support/check.h"
#include "support/malformed.h"

static char *folder, *weights, *config_file;
static size_t data_bytes; /* behind the header of the good file */

static pkm_gpt_config small_config(void)
{
    return (pkm_gpt_config){.vocab_size = 31,
                            .seq_len = 8,
                            .dim = 12,
                            .layers = 2,
                            .attn_heads = 3,
                            .ffn_dim = 20,
                            .norm_epsilon = 1e-5,
                            .memory_layers = {.count = 1, .value = {1}},
                            .memory_mode = PKM_MEMORY_ADD,
                            .memory = {.dim = 12,
                                       .heads = 2,
                                       .n_keys = 5,
                                       .key_dim = 6,
                                       .topk = 4,
                                       .value_dim = 12,
                                       .query_norm = PKM_NORM_BATCH}};
}

static void save(const pkm_gpt_config *config)
{
    pkm_gpt *gpt;

    check_ok(pkm_gpt_create(&gpt, config, false));
    pkm_gpt_init(gpt, 3);
    check_ok(pkm_model_dir_save_config(folder, config, NULL));
    check_ok(pkm_model_dir_save_weights(folder, gpt, 77));
    pkm_gpt_destroy(gpt);
}

static int make_folder(void **state)
{
    pkm_gpt_config config = small_config();
    char *data;
    size_t bytes;

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&weights, folder, "model.safetensors"));
    check_ok(pkm_path_join(&config_file, folder, "config.json"));
    save(&config);
    check_ok(pkm_file_read(&data, &bytes, weights, 1 << 20));
    data_bytes = bytes - 8 - ((unsigned char)data[0] + (size_t)256 * (unsigned char)data[1]);
    pkm_free(data);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(weights);
    pkm_free(config_file);
    temp_remove(folder);
    return 0;
}

/* The length of a header that was changed, data being what it was. */
static void repair(unsigned char *data, size_t bytes)
{
    size_t length = bytes < 8 + data_bytes ? 0 : bytes - 8 - data_bytes;

    for (int i = 0; i < 8; i++)
        data[i] = (unsigned char)(length >> (8 * i));
}

/* Mapped and read, the same is said; and what can be computed with can be inspected. */
static pkm_status load(const char *path)
{
    const pkm_model_options read = {.precision = -1, .no_mmap = true};
    pkm_model *model = NULL;
    char *message, *report = NULL;
    pkm_status status = pkm_model_load(&model, folder, NULL);

    (void)path;
    pkm_model_destroy(model);
    model = NULL;
    message = strdup(pkm_last_error());
    assert_int_equal(pkm_model_load(&model, folder, &read), status);
    assert_string_equal(pkm_last_error(), message);
    pkm_model_destroy(model);
    if (pkm_model_inspect(folder, &report) != PKM_OK)
        assert_int_not_equal(status, PKM_OK);
    pkm_free(report);
    pkm_fail(status, "%s", message);
    free(message);
    return status;
}

#define ONES "\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f"

static const malformed_case tensors[] = {
    {"a tensor renamed",
     BYTES("'h.0.ln_1.bias'"),
     BYTES("'h.0.ln_1.biass'"),
     PKM_ERR_FORMAT,
     {"'h.0.ln_1.bias'", "missing"}},
    {"in upper case", BYTES("'wte.weight'"), BYTES("'WTE.weight'"), PKM_ERR_FORMAT, {"missing"}},
    {"a mask in place of a weight",
     BYTES("'h.0.ln_1.bias'"),
     BYTES("'h.0.attn.bias'"),
     PKM_ERR_FORMAT,
     {"'h.0.ln_1.bias'", "missing"}},
    {"one prefix alone",
     BYTES("'wte.weight'"),
     BYTES("'transformer.wte.weight'"),
     PKM_ERR_FORMAT,
     {"missing"}},
    {"a tensor more",
     BYTES("'wte.weight':"),
     BYTES("'h.2.ln_1.bias':{'dtype':'F32','shape':[0],'data_offsets':[0,0]},'wte.weight':"),
     PKM_ERR_FORMAT,
     {"'h.2.ln_1.bias'", "no part"}},
    {"a table too many",
     BYTES("'wte.weight':"),
     BYTES("'pkm.values.1':{'dtype':'F32','shape':[0],'data_offsets':[0,0]},'wte.weight':"),
     PKM_ERR_FORMAT,
     {"'pkm.values.1'", "no part"}},
    {"a tensor of an optimiser",
     BYTES("'wte.weight':"),
     BYTES("'wte.weight.exp_avg':{'dtype':'F32','shape':[0],'data_offsets':[0,0]},'wte.weight':"),
     PKM_ERR_FORMAT,
     {"'wte.weight.exp_avg'", "no part"}},
    {"transposed",
     BYTES("'wte.weight':{'dtype':'F32','shape':[31,12]"),
     BYTES("'wte.weight':{'dtype':'F32','shape':[12,31]"),
     PKM_ERR_SHAPE,
     {"'wte.weight'", "[12, 31]: expected [31, 12]"}},
    {"flattened",
     BYTES("'wte.weight':{'dtype':'F32','shape':[31,12]"),
     BYTES("'wte.weight':{'dtype':'F32','shape':[372]"),
     PKM_ERR_SHAPE,
     {"'wte.weight'", "[372]"}},
    {"a dimension more",
     BYTES("'wte.weight':{'dtype':'F32','shape':[31,12]"),
     BYTES("'wte.weight':{'dtype':'F32','shape':[31,12,1]"),
     PKM_ERR_SHAPE,
     {"'wte.weight'", "[31, 12, 1]"}},
    {"keys of other halves",
     BYTES("'shape':[2,2,5,3]"),
     BYTES("'shape':[2,2,3,5]"),
     PKM_ERR_SHAPE,
     {"pkm.keys", "expected [2, 2, 5, 3]"}},
    {"a table of other width",
     BYTES("'shape':[25,12]"),
     BYTES("'shape':[12,25]"),
     PKM_ERR_SHAPE,
     {"'pkm.values.0'", "expected [25, 12]"}},
    {"integers of the same size",
     BYTES("'h.0.ln_1.bias':{'dtype':'F32'"),
     BYTES("'h.0.ln_1.bias':{'dtype':'I32'"),
     PKM_ERR_UNSUPPORTED,
     {"'h.0.ln_1.bias'", "I32: expected F32, BF16 or F16"}},
    {"a table of integers",
     BYTES("'pkm.values.0':{'dtype':'F32'"),
     BYTES("'pkm.values.0':{'dtype':'U32'"),
     PKM_ERR_UNSUPPORTED,
     {"'pkm.values.0'", "U32"}},
    {"right bytes, half the type",
     BYTES("'h.0.ln_1.bias':{'dtype':'F32','shape':[12]"),
     BYTES("'h.0.ln_1.bias':{'dtype':'F16','shape':[24]"),
     PKM_ERR_SHAPE,
     {"'h.0.ln_1.bias'", "[24]"}},
    {"right bytes, twice the type",
     BYTES("'h.0.ln_1.bias':{'dtype':'F32','shape':[12]"),
     BYTES("'h.0.ln_1.bias':{'dtype':'F64','shape':[6]"),
     PKM_ERR_SHAPE,
     {"'h.0.ln_1.bias'", "[6]"}},
    {"right count, narrower type",
     BYTES("'h.0.ln_1.bias':{'dtype':'F32'"),
     BYTES("'h.0.ln_1.bias':{'dtype':'F16'"),
     PKM_ERR_FORMAT,
     {"'h.0.ln_1.bias'", "need 24"}},
    {"a NaN",
     BYTES(ONES),
     BYTES("\0\0\xc0\x7f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f"),
     PKM_ERR_NUMERIC,
     {"tensor 'h.", "a NaN or an infinity at element 0 of 12"}},
    {"an infinity",
     BYTES(ONES),
     BYTES("\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\x3f\0\0\x80\xff"),
     PKM_ERR_NUMERIC,
     {"tensor 'h.", "element 3 of 12"}},
    {"no tensor", {0}, BYTES("\2\0\0\0\0\0\0\0{}"), PKM_ERR_FORMAT, {"header"}},
};

static void test_tensors(void **state)
{
    const malformed_format format = {.name = "model.safetensors",
                                     .file = weights,
                                     .quotes = true,
                                     .read = load,
                                     .repair = repair};

    (void)state;
    malformed_check(&format, tensors, sizeof tensors / sizeof tensors[0]);
}

/* A config.json that is good in itself, and lies about the weights beside it. */
static const malformed_case claims[] = {
    {"another vocabulary",
     BYTES("': 31"),
     BYTES("': 32"),
     PKM_ERR_SHAPE,
     {"'wte.weight'", "[32, 12]"}},
    {"a vocabulary of 1",
     BYTES("': 31"),
     BYTES("': 1"),
     PKM_ERR_SHAPE,
     {"'wte.weight'", "[1, 12]"}},
    {"the largest vocabulary",
     BYTES("': 31"),
     BYTES("': 4000000"),
     PKM_ERR_SHAPE,
     {"'wte.weight'"}},
    {"more positions",
     BYTES("'n_positions': 8"),
     BYTES("'n_positions': 1048576"),
     PKM_ERR_SHAPE,
     {"'wpe.weight'", "[1048576, 12]"}},
    {"another width",
     BYTES("'n_embd': 12"),
     BYTES("'n_embd': 24"),
     PKM_ERR_SHAPE,
     {"'h.0.ln_1.weight'"}},
    {"the largest width",
     BYTES("'n_embd': 12,\n  'n_layer': 2,\n  'n_head': 3"),
     BYTES("'n_embd': 65536,\n  'n_layer': 2,\n  'n_head': 1"),
     PKM_ERR_SHAPE,
     {"'h.0.ln_1.weight'", "[65536]"}},
    {"a layer more", BYTES("'n_layer': 2"), BYTES("'n_layer': 3"), PKM_ERR_FORMAT, {"'h.2."}},
    {"the most layers", BYTES("'n_layer': 2"), BYTES("'n_layer': 1024"), PKM_ERR_FORMAT, {"'h.2."}},
    {"another inner width",
     BYTES("'n_inner': 20"),
     BYTES("'n_inner': 1048576"),
     PKM_ERR_SHAPE,
     {"mlp.c_fc.weight", "[12, 1048576]"}},
    {"another place of the memory",
     BYTES("[\n      1\n"),
     BYTES("[\n      0\n"),
     PKM_ERR_FORMAT,
     {"'h.0.pkm.keys'", "missing"}},
    {"a memory more", BYTES("[\n      1\n"), BYTES("[\n      0,1\n"), PKM_ERR_FORMAT, {"missing"}},
    {"more keys",
     BYTES("'n_keys': 5"),
     BYTES("'n_keys': 46340"),
     PKM_ERR_SHAPE,
     {"'pkm.values.0'"}},
    {"more memory heads",
     BYTES("'memory_heads': 2"),
     BYTES("'memory_heads': 1024"),
     PKM_ERR_SHAPE,
     {"'h.1.pkm.keys'"}},
    {"wider keys", BYTES("'key_dim': 6"), BYTES("'key_dim': 32768"), PKM_ERR_SHAPE, {"pkm.keys"}},
    {"flat keys",
     BYTES("'product'"),
     BYTES("'flat'"),
     PKM_ERR_SHAPE,
     {"'h.1.pkm.keys'", "[2, 2, 5, 3]: expected [2, 25, 6]"}},
    {"wider values",
     BYTES("'value_dim': 12"),
     BYTES("'value_dim': 65536"),
     PKM_ERR_SHAPE,
     {"'pkm.values.0'", "expected [25, 65536]"}},
    {"another norm of queries",
     BYTES("'query_norm': 'batch'"),
     BYTES("'query_norm': 'none'"),
     PKM_ERR_FORMAT,
     {"no part of the model"}},
    {"an output gate that is not there",
     BYTES("'output_gate': 'none'"),
     BYTES("'output_gate': 'swilu'"),
     PKM_ERR_FORMAT,
     {"missing"}},
    {"a plain model", BYTES("pkm_gpt2"), BYTES("pkm_gpt"), PKM_ERR_UNSUPPORTED, {"config.json"}},
};

static void test_claims(void **state)
{
    const malformed_format format = {.name = "config.json beside weights",
                                     .file = config_file,
                                     .names = "/",
                                     .quotes = true,
                                     .read = load};

    (void)state;
    malformed_check(&format, claims, sizeof claims / sizeof claims[0]);
}

/* The good file's tensors with those of the memory at the sizes of `memory`: a header, and holes.
 */
static void write_holes(const pkm_memory_config *memory)
{
    int64_t slots = memory->n_keys * memory->n_keys, at = 0;
    pkm_strbuf text = {0};
    pkm_st_reader *reader;
    uint64_t length;
    int fd;

    check_ok(pkm_st_open(&reader, weights, PKM_ST_HEADER));
    check_ok(pkm_strbuf_printf(&text, "{"));
    for (int64_t i = 0; i < pkm_st_count(reader); i++) {
        pkm_st_tensor tensor = *pkm_st_at(reader, i);
        int64_t bytes = 4;

        if (strstr(tensor.name, "pkm.keys") != NULL)
            tensor.dims[2] = memory->n_keys;
        if (strstr(tensor.name, "pkm.values") != NULL)
            tensor.dims[0] = slots;
        check_ok(pkm_strbuf_printf(&text, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[",
                                   i == 0 ? "" : ",", tensor.name));
        for (int d = 0; d < tensor.n_dims; d++) {
            check_ok(
                pkm_strbuf_printf(&text, "%s%lld", d == 0 ? "" : ",", (long long)tensor.dims[d]));
            bytes *= tensor.dims[d];
        }
        check_ok(pkm_strbuf_printf(&text, "],\"data_offsets\":[%lld,%lld]}", (long long)at,
                                   (long long)(at + bytes)));
        at += bytes;
    }
    check_ok(pkm_strbuf_printf(&text, "}"));
    pkm_st_close(reader);
    length = text.length;
    fd = open(weights, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, &length, 8), 8);
    assert_int_equal(write(fd, text.data, text.length), length);
    assert_int_equal(ftruncate(fd, (off_t)(8 + length) + at), 0);
    close(fd);
    pkm_strbuf_release(&text);
}

/* A table of 2 TiB that is there on disk, as holes, and would have to be converted or read: refused
 * with numbers before it is tried. */
static void test_table_beyond_memory(void **state)
{
    const pkm_model_options read = {.precision = -1, .no_mmap = true};
    pkm_gpt_config config = small_config();
    pkm_model *model = NULL;

    (void)state;
    config.memory.value_dim = 256;
    save(&config);
    config.value_dtype = PKM_BF16;
    check_ok(pkm_model_dir_save_config(folder, &config, NULL));
    check_ok(pkm_model_load(&model, folder, NULL)); /* a small one is converted */
    pkm_model_destroy(model);
    config.memory.n_keys = 46340;
    check_ok(pkm_model_dir_save_config(folder, &config, NULL));
    write_holes(&config.memory);
    for (int i = 0; i < 2; i++)
        check_fails(pkm_model_load(&model, folder, i == 0 ? NULL : &read), PKM_ERR_NOMEM, weights,
                    "needs ", " of memory and ", " are available", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tensors, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_claims, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_table_beyond_memory, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
