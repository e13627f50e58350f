/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json. The upper level speaks Hugging Face's names, so that transformers opens a plain
 * model; the object "pkm" speaks the names of our options. Every number has a range; a value that
 * would change the mathematics into something we do not compute is an error.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/choice.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "format/json.h"
#include "memory/memory_config.h"
#include "models/model_dir.h"

enum { FORMAT_VERSION = 1, MAX_CONFIG_BYTES = 1 << 20 };

/* Dtypes of weights, in the order of pkm_dtype. */
static const char stored[] = "f32|bf16|int8";

static const char plain_type[] = "gpt2", memory_type[] = "pkm_gpt2";

/* An integer of the file and its field of pkm_gpt_config. */
typedef struct int_field {
    const char *key;
    size_t offset;
    int64_t min, max;
} int_field;

static const int_field model_fields[] = {
    {"vocab_size", offsetof(pkm_gpt_config, vocab_size), 1, 4000000},
    {"n_positions", offsetof(pkm_gpt_config, seq_len), 1, 1 << 20},
    {"n_embd", offsetof(pkm_gpt_config, dim), 1, 65536},
    {"n_layer", offsetof(pkm_gpt_config, layers), 1, 1024},
    {"n_head", offsetof(pkm_gpt_config, attn_heads), 1, 65536},
};

static const int_field memory_fields[] = {
    {"memory_heads", offsetof(pkm_gpt_config, memory.heads), 1, 1024},
    {"n_keys", offsetof(pkm_gpt_config, memory.n_keys), 1, 46340},
    {"topk", offsetof(pkm_gpt_config, memory.topk), 1, PKM_MEMORY_MAX_WIDTH},
    {"key_dim", offsetof(pkm_gpt_config, memory.key_dim), 2, 65536},
    {"value_dim", offsetof(pkm_gpt_config, memory.value_dim), 1, 65536},
};

/* A word of the file and its enumeration in pkm_gpt_config. */
typedef struct choice_field {
    const char *key, *choices;
    size_t offset;
    bool optional; /* missing: the first choice; older files have none */
} choice_field;

static const choice_field memory_choices[] = {
    {"memory_mode", "replace|add", offsetof(pkm_gpt_config, memory_mode), false},
    {"key_kind", "product|flat", offsetof(pkm_gpt_config, memory.key_kind), true},
    {"query_norm", "batch|layer|none", offsetof(pkm_gpt_config, memory.query_norm), false},
    {"gate", "softmax|relu|raw", offsetof(pkm_gpt_config, memory.gate), false},
    {"output_gate", "none|swilu", offsetof(pkm_gpt_config, memory.output_gate), false},
    {"value_dtype", "f32|bf16|int8", offsetof(pkm_gpt_config, value_dtype), false},
    {"value_optimizer", "adam|adagrad|sgd|adam_row", offsetof(pkm_gpt_config, value_optimizer),
     false},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int64_t *int_at(pkm_gpt_config *config, const int_field *field)
{
    return (int64_t *)(void *)((char *)config + field->offset);
}

/* Enumerations are as wide as an int: checked below, once, at compile time. */
static int *choice_at(pkm_gpt_config *config, const choice_field *field)
{
    return (int *)(void *)((char *)config + field->offset);
}

_Static_assert(sizeof(pkm_memory_mode) == sizeof(int) && sizeof(pkm_dtype) == sizeof(int) &&
                   sizeof(pkm_gate) == sizeof(int) && sizeof(pkm_query_norm) == sizeof(int) &&
                   sizeof(pkm_output_gate) == sizeof(int) && sizeof(pkm_key_kind) == sizeof(int) &&
                   sizeof(pkm_value_optimizer) == sizeof(int),
               "enumerations are read as int");

/* The n-th word of "a|b|c"; NULL if memory is out. */
static json_t *choice_json(const char *choices, int index)
{
    size_t length;
    const char *word = pkm_choice_word(choices, index, &length);

    return json_stringn(word, length);
}

/* ---- saving ---- */

static json_t *list_json(const pkm_int_list *list)
{
    json_t *array = json_array();
    int failed = 0;

    for (int64_t i = 0; i < list->count; i++)
        failed |= json_array_append_new(array, json_integer(list->value[i]));
    if (failed != 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static int set_ints(json_t *object, pkm_gpt_config *config, const int_field *fields, size_t count)
{
    int failed = 0;

    for (size_t i = 0; i < count; i++)
        failed |=
            json_object_set_new(object, fields[i].key, json_integer(*int_at(config, &fields[i])));
    return failed;
}

/* Whether there is something in it that a GPT-2 has not. */
static bool needs_pkm(const pkm_gpt_config *config)
{
    return config->memory_layers.count > 0 || config->weights != PKM_F32;
}

/* What transformers reads. */
static int set_model(json_t *object, pkm_gpt_config *config)
{
    bool plain = !needs_pkm(config);
    int failed = 0;

    failed |=
        json_object_set_new(object, "architectures",
                            json_pack("[s]", plain ? "GPT2LMHeadModel" : "PkmGPT2LMHeadModel"));
    failed |=
        json_object_set_new(object, "model_type", json_string(plain ? plain_type : memory_type));
    failed |= set_ints(object, config, model_fields, COUNT(model_fields));
    failed |= json_object_set_new(
        object, "n_inner",
        config->ffn_dim == 4 * config->dim ? json_null() : json_integer(config->ffn_dim));
    failed |= json_object_set_new(object, "activation_function", json_string("gelu_new"));
    failed |= json_object_set_new(object, "layer_norm_epsilon", json_real(config->norm_epsilon));
    failed |= json_object_set_new(object, "scale_attn_weights", json_true());
    failed |= json_object_set_new(object, "tie_word_embeddings", json_true());
    failed |= json_object_set_new(object, "attn_pdrop", json_real(config->dropout));
    failed |= json_object_set_new(object, "embd_pdrop", json_real(config->dropout));
    failed |= json_object_set_new(object, "resid_pdrop", json_real(config->dropout));
    failed |= json_object_set_new(object, "bos_token_id", json_integer(config->vocab_size - 1));
    failed |= json_object_set_new(object, "eos_token_id", json_integer(config->vocab_size - 1));
    return failed;
}

/* The object "pkm": the run's options, overlaid with what the model turned out to be. */
static int set_pkm(json_t *pkm, pkm_gpt_config *config)
{
    int failed = json_object_set_new(pkm, "format_version", json_integer(FORMAT_VERSION));

    failed |= json_object_set_new(pkm, "precision", choice_json("f32|bf16", (int)config->compute));
    if (config->weights != PKM_F32)
        failed |= json_object_set_new(pkm, "weights", choice_json(stored, (int)config->weights));
    failed |= json_object_set_new(pkm, "memory_layers", list_json(&config->memory_layers));
    if (config->memory_layers.count == 0)
        return failed;
    failed |= set_ints(pkm, config, memory_fields, COUNT(memory_fields));
    for (size_t i = 0; i < COUNT(memory_choices); i++)
        failed |= json_object_set_new(
            pkm, memory_choices[i].key,
            choice_json(memory_choices[i].choices, *choice_at(config, &memory_choices[i])));
    failed |= json_object_set_new(pkm, "shared_values", json_boolean(config->shared_values));
    return failed;
}

json_t *pkm_model_dir_config_json(const pkm_gpt_config *config, const json_t *options)
{
    pkm_gpt_config copy = *config; /* the field tables read and write through one pointer type */
    json_t *root = json_object(),
           *pkm = options != NULL ? json_copy((json_t *)options) : json_object();

    if (set_model(root, &copy) != 0 || set_pkm(pkm, &copy) != 0 ||
        json_object_set(root, "pkm", pkm) != 0) {
        json_decref(root);
        root = NULL;
    }
    json_decref(pkm);
    return root;
}

pkm_status pkm_model_dir_save_config(const char *dir, const pkm_gpt_config *config,
                                     const char *extra_json)
{
    json_t *root = NULL, *options = NULL;
    char *path = NULL;
    pkm_status status = pkm_path_join(&path, dir, "config.json");

    if (status == PKM_OK && extra_json != NULL)
        status = pkm_json_parse(&options, extra_json, strlen(extra_json), "training options");
    if (status == PKM_OK) {
        root = pkm_model_dir_config_json(config, options);
        status = root == NULL ? pkm_json_no_memory() : pkm_json_save(root, path);
    }
    json_decref(options);
    json_decref(root);
    pkm_free(path);
    return status;
}

/* ---- loading ---- */

static pkm_status read_ints(pkm_gpt_config *out, const json_t *object, const int_field *fields,
                            size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        PKM_TRY(pkm_json_int(object, fields[i].key, fields[i].min, fields[i].max, true,
                             int_at(out, &fields[i]), path));
    return PKM_OK;
}

/* A flag that, if it is there, has to be `wanted`. */
static pkm_status expect_flag(const json_t *root, const char *key, bool wanted, const char *path)
{
    bool value = wanted;

    PKM_TRY(pkm_json_bool(root, key, false, &value, path));
    if (value != wanted)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: %s is %s: expected %s", path, key,
                        value ? "true" : "false", wanted ? "true" : "false");
    return PKM_OK;
}

/* Keys that change the mathematics. */
static pkm_status check_mathematics(const json_t *root, const char *path)
{
    int unused;

    PKM_TRY(pkm_json_choice(root, "activation_function", "gelu_new|gelu_pytorch_tanh", false,
                            &unused, path));
    PKM_TRY(pkm_json_choice(root, "position_embedding_type", "absolute", false, &unused, path));
    PKM_TRY(expect_flag(root, "scale_attn_weights", true, path));
    PKM_TRY(expect_flag(root, "tie_word_embeddings", true, path));
    PKM_TRY(expect_flag(root, "scale_attn_by_inverse_layer_idx", false, path));
    return expect_flag(root, "add_cross_attention", false, path);
}

/*
 * Ids of special tokens, null or a list where there are several. The end of text is the
 * tokenizer's, and transformers writes 50256 whatever the vocabulary: only what can be no id is
 * refused.
 */
static pkm_status check_special_ids(const json_t *root, const char *path)
{
    static const char *const keys[] = {"bos_token_id", "eos_token_id", "pad_token_id"};

    for (size_t i = 0; i < COUNT(keys); i++) {
        const json_t *value = json_object_get(root, keys[i]);
        bool list = json_is_array(value);
        size_t count = list ? json_array_size(value) : !json_is_null(value) && value != NULL;

        for (size_t n = 0; n < count; n++) {
            const json_t *id = list ? json_array_get(value, n) : value;

            if (!json_is_integer(id) || json_integer_value(id) < 0 ||
                json_integer_value(id) > INT32_MAX)
                return pkm_fail(PKM_ERR_FORMAT, "%s: %s is no token id: expected 0 to %d", path,
                                keys[i], INT32_MAX);
        }
    }
    return PKM_OK;
}

static pkm_status read_model(pkm_gpt_config *out, const json_t *root, const char *path)
{
    PKM_TRY(check_mathematics(root, path));
    PKM_TRY(check_special_ids(root, path));
    PKM_TRY(read_ints(out, root, model_fields, COUNT(model_fields), path));
    out->ffn_dim = 4 * out->dim;
    PKM_TRY(pkm_json_int(root, "n_inner", 1, 1 << 20, false, &out->ffn_dim, path));
    out->norm_epsilon = 1e-5;
    PKM_TRY(pkm_json_real(root, "layer_norm_epsilon", 1e-12, 0.1, false, &out->norm_epsilon, path));
    return pkm_json_real(root, "resid_pdrop", 0, 0.99, false, &out->dropout, path);
}

static pkm_status read_layers(pkm_int_list *out, const json_t *pkm, const char *path)
{
    const json_t *list = NULL;
    size_t count;

    PKM_TRY(pkm_json_array(pkm, "memory_layers", false, &list, path));
    count = json_array_size(list);
    if (count > PKM_LIST_MAX)
        return pkm_fail(PKM_ERR_FORMAT, "%s: memory_layers has %zu numbers: expected at most %d",
                        path, count, PKM_LIST_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *layer = json_array_get(list, i);

        if (!json_is_integer(layer))
            return pkm_fail(PKM_ERR_FORMAT, "%s: memory_layers[%zu] is not an integer", path, i);
        out->value[i] = json_integer_value(layer);
    }
    out->count = (int64_t)count;
    return PKM_OK;
}

static pkm_status read_memory(pkm_gpt_config *out, const json_t *pkm, const char *path)
{
    PKM_TRY(read_ints(out, pkm, memory_fields, COUNT(memory_fields), path));
    for (size_t i = 0; i < COUNT(memory_choices); i++)
        PKM_TRY(pkm_json_choice(pkm, memory_choices[i].key, memory_choices[i].choices,
                                !memory_choices[i].optional, choice_at(out, &memory_choices[i]),
                                path));
    out->memory.dim = out->dim;
    return pkm_json_bool(pkm, "shared_values", true, &out->shared_values, path);
}

static pkm_status read_pkm(pkm_gpt_config *out, const json_t *pkm, const char *path)
{
    int precision = PKM_F32, weights = PKM_F32;

    PKM_TRY(pkm_json_version(pkm, "format_version", FORMAT_VERSION, path));
    PKM_TRY(pkm_json_choice(pkm, "precision", "f32|bf16", false, &precision, path));
    PKM_TRY(pkm_json_choice(pkm, "weights", stored, false, &weights, path));
    out->compute = (pkm_dtype)precision;
    out->weights = (pkm_dtype)weights;
    PKM_TRY(read_layers(&out->memory_layers, pkm, path));
    return out->memory_layers.count > 0 ? read_memory(out, pkm, path) : PKM_OK;
}

static pkm_status read_config(pkm_gpt_config *out, const json_t *root, const char *path)
{
    const json_t *pkm = NULL;
    pkm_strbuf inner = {0};
    int with_memory = 0;
    pkm_status status;

    PKM_TRY(pkm_json_choice(root, "model_type", "gpt2|pkm_gpt2", true, &with_memory, path));
    PKM_TRY(read_model(out, root, path));
    PKM_TRY(pkm_json_object(root, "pkm", with_memory != 0, &pkm, path));
    if (pkm != NULL) {
        PKM_TRY(pkm_strbuf_printf(&inner, "%s: pkm", path));
        status = read_pkm(out, pkm, inner.data);
        pkm_strbuf_release(&inner);
        PKM_TRY(status);
    }
    if (needs_pkm(out) != (with_memory != 0))
        return pkm_fail(PKM_ERR_FORMAT,
                        "%s: model_type is \"%s\", memory_layers has %lld and weights are %s", path,
                        with_memory != 0 ? memory_type : plain_type,
                        (long long)out->memory_layers.count, pkm_dtype_name(out->weights));
    if (pkm_gpt_config_check(out) != PKM_OK) {
        pkm_error_prefix("%s", path);
        return PKM_ERR_FORMAT;
    }
    return PKM_OK;
}

pkm_status pkm_model_dir_load_config(pkm_gpt_config *out, const char *dir)
{
    pkm_gpt_config config = {0};
    json_t *root = NULL;
    char *path = NULL;
    pkm_status status = pkm_model_dir_path(&path, dir, "config.json");

    if (status == PKM_OK)
        status = pkm_json_load(&root, path, MAX_CONFIG_BYTES);
    if (status == PKM_ERR_IO && pkm_error_errno() == ENOTDIR)
        status = pkm_fail(PKM_ERR_IO, "%s: not a model: expected a folder with a config.json", dir);
    if (status == PKM_OK && !json_is_object(root))
        status = pkm_fail(PKM_ERR_FORMAT, "%s: not an object", path);
    if (status == PKM_OK)
        status = read_config(&config, root, path);
    json_decref(root);
    pkm_free(path);
    if (status == PKM_OK)
        *out = config;
    return status;
}
