/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile config.json: types, ranges, mathematics we do not compute, numbers that do not fit
 * together. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "models/model_dir.h"
#include "support/check.h"
#include "support/malformed.h"

static const char good[] =
    "{\"model_type\":\"pkm_gpt2\",\"vocab_size\":31,\"n_positions\":8,\"n_embd\":12,\"n_layer\":2,"
    "\"n_head\":3,\"n_inner\":20,\"layer_norm_epsilon\":1e-5,\"resid_pdrop\":0.25,"
    "\"activation_function\":\"gelu_new\",\"scale_attn_weights\":true,\"eos_token_id\":[30,29],"
    "\"pkm\":{\"format_version\":1,\"precision\":\"f32\",\"memory_layers\":[0,1],"
    "\"memory_heads\":2,\"n_keys\":5,\"topk\":4,\"key_dim\":6,\"value_dim\":10,"
    "\"memory_mode\":\"add\",\"query_norm\":\"batch\",\"gate\":\"relu\",\"output_gate\":\"swilu\","
    "\"shared_values\":true,\"value_dtype\":\"bf16\",\"value_optimizer\":\"adagrad\"}}";

static char *folder, *file;

static int make_folder(void **state)
{
    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&file, folder, "config.json"));
    malformed_write(file, good, sizeof good - 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    pkm_free(file);
    temp_remove(folder);
    return 0;
}

static pkm_status read_config(const char *path)
{
    pkm_gpt_config config;

    (void)path;
    return pkm_model_dir_load_config(&config, folder);
}

static const malformed_case cases[] = {
    {"empty", {0}, {0}, PKM_ERR_FORMAT, {"line 1"}},
    {"blanks", {0}, BYTES("  \n"), PKM_ERR_FORMAT, {"line"}},
    {"a NUL", {0}, BYTES("\0"), PKM_ERR_FORMAT, {"line 1"}},
    {"a list", {0}, BYTES("[]"), PKM_ERR_FORMAT, {"not an object"}},
    {"a number", {0}, BYTES("1"), PKM_ERR_FORMAT, {"line 1"}},
    {"nothing in it", {0}, BYTES("{}"), PKM_ERR_FORMAT, {"model_type", "missing"}},
    {"UTF-16", {0}, BYTES("\xff\xfe{\0}\0"), PKM_ERR_FORMAT, {"line 1"}},
    {"a byte order mark", BYTES("{'model"), BYTES("\xef\xbb\xbf{'model"), PKM_ERR_FORMAT, {"line"}},
    {"text after it", BYTES("}}"), BYTES("}}}"), PKM_ERR_FORMAT, {"line 1", "end of file"}},
    {"single quotes", BYTES("'gelu_new'"), BYTES("gelu_new"), PKM_ERR_FORMAT, {"line 1"}},
    {"a number NaN", BYTES("0.25"), BYTES("NaN"), PKM_ERR_FORMAT, {"line 1"}},
    {"a number Infinity", BYTES("0.25"), BYTES("Infinity"), PKM_ERR_FORMAT, {"line 1"}},
    {"a number too large", BYTES("0.25"), BYTES("1e999"), PKM_ERR_FORMAT, {"overflow"}},
    {"duplicate key", BYTES("'n_head'"), BYTES("'n_layer'"), PKM_ERR_FORMAT, {"duplicate"}},
    {"duplicate object", BYTES("'n_head':3"), BYTES("'pkm':{}"), PKM_ERR_FORMAT, {"duplicate"}},
    {"NUL in a string", BYTES("gelu_new"), BYTES("gelu_new\\u0000"), PKM_ERR_FORMAT, {"line 1"}},
    {"bad UTF-8", BYTES("gelu_new"), BYTES("gelu_\xfe"), PKM_ERR_FORMAT, {"line 1"}},
    {"no model_type", BYTES("'model_type'"), BYTES("'type'"), PKM_ERR_FORMAT, {"model_type"}},
    {"model_type a number", BYTES("'pkm_gpt2'"), BYTES("7"), PKM_ERR_FORMAT, {"model_type"}},
    {"model_type llama",
     BYTES("'pkm_gpt2'"),
     BYTES("'llama'"),
     PKM_ERR_UNSUPPORTED,
     {"model_type", "llama"}},
    {"model_type empty", BYTES("'pkm_gpt2'"), BYTES("''"), PKM_ERR_UNSUPPORTED, {"model_type"}},
    {"model_type cut", BYTES("'pkm_gpt2'"), BYTES("'gpt'"), PKM_ERR_UNSUPPORTED, {"model_type"}},
    {"both types", BYTES("'pkm_gpt2'"), BYTES("'gpt2|pkm_gpt2'"), PKM_ERR_UNSUPPORTED, {"model"}},
    {"plain, with memories",
     BYTES("'pkm_gpt2'"),
     BYTES("'gpt2'"),
     PKM_ERR_FORMAT,
     {"model_type is \"gpt2\"", "memory_layers has 2"}},
    {"no vocabulary", BYTES("'vocab_size':31"), BYTES("'x':1"), PKM_ERR_FORMAT, {"vocab_size"}},
    {"vocabulary of 0", BYTES("31"), BYTES("0"), PKM_ERR_FORMAT, {"vocab_size is 0", "1 to"}},
    {"vocabulary of -1", BYTES("31"), BYTES("-1"), PKM_ERR_FORMAT, {"vocab_size is -1"}},
    {"vocabulary too large", BYTES("31"), BYTES("4000001"), PKM_ERR_FORMAT, {"4000001"}},
    {"vocabulary 2^31", BYTES("31"), BYTES("2147483648"), PKM_ERR_FORMAT, {"2147483648"}},
    {"vocabulary 2^32 + 31", BYTES("31"), BYTES("4294967327"), PKM_ERR_FORMAT, {"4294967327"}},
    {"vocabulary 2^63", BYTES("31"), BYTES("9223372036854775808"), PKM_ERR_FORMAT, {"too big"}},
    {"vocabulary a real", BYTES("31"), BYTES("31.0"), PKM_ERR_FORMAT, {"vocab_size", "integer"}},
    {"vocabulary a string", BYTES("31"), BYTES("'31'"), PKM_ERR_FORMAT, {"vocab_size", "integer"}},
    {"vocabulary a list", BYTES("31"), BYTES("[31]"), PKM_ERR_FORMAT, {"vocab_size", "an array"}},
    {"vocabulary null", BYTES("31"), BYTES("null"), PKM_ERR_FORMAT, {"vocab_size", "missing"}},
    {"no positions", BYTES("'n_positions':8"), BYTES("'n_positions':0"), PKM_ERR_FORMAT, {"is 0"}},
    {"positions 2^20 + 1",
     BYTES("'n_positions':8"),
     BYTES("'n_positions':1048577"),
     PKM_ERR_FORMAT,
     {"n_positions is 1048577"}},
    {"width 0", BYTES("'n_embd':12"), BYTES("'n_embd':0"), PKM_ERR_FORMAT, {"n_embd is 0"}},
    {"width 65537", BYTES("'n_embd':12"), BYTES("'n_embd':65537"), PKM_ERR_FORMAT, {"65537"}},
    {"layers -2", BYTES("'n_layer':2"), BYTES("'n_layer':-2"), PKM_ERR_FORMAT, {"n_layer is -2"}},
    {"layers 1025", BYTES("'n_layer':2"), BYTES("'n_layer':1025"), PKM_ERR_FORMAT, {"1025"}},
    {"heads 0", BYTES("'n_head':3"), BYTES("'n_head':0"), PKM_ERR_FORMAT, {"n_head is 0"}},
    {"heads that do not divide the width",
     BYTES("'n_head':3"),
     BYTES("'n_head':5"),
     PKM_ERR_FORMAT,
     {"dim is 12", "attn_heads, 5"}},
    {"more heads than width", BYTES("'n_head':3"), BYTES("'n_head':13"), PKM_ERR_FORMAT, {"13"}},
    {"inner width 0",
     BYTES("'n_inner':20"),
     BYTES("'n_inner':0"),
     PKM_ERR_FORMAT,
     {"n_inner is 0"}},
    {"inner width 1e3", BYTES("'n_inner':20"), BYTES("'n_inner':1e3"), PKM_ERR_FORMAT, {"n_inner"}},
    {"inner width 2^40",
     BYTES("'n_inner':20"),
     BYTES("'n_inner':1099511627776"),
     PKM_ERR_FORMAT,
     {"n_inner is 1099511627776"}},
    {"epsilon 0", BYTES("1e-5"), BYTES("0"), PKM_ERR_FORMAT, {"layer_norm_epsilon is 0"}},
    {"epsilon negative", BYTES("1e-5"), BYTES("-1e-5"), PKM_ERR_FORMAT, {"layer_norm_epsilon"}},
    {"epsilon 1", BYTES("1e-5"), BYTES("1"), PKM_ERR_FORMAT, {"layer_norm_epsilon is 1"}},
    {"epsilon a string", BYTES("1e-5"), BYTES("'1e-5'"), PKM_ERR_FORMAT, {"layer_norm_epsilon"}},
    {"dropout 1", BYTES("0.25"), BYTES("1"), PKM_ERR_FORMAT, {"resid_pdrop is 1"}},
    {"dropout -0.5", BYTES("0.25"), BYTES("-0.5"), PKM_ERR_FORMAT, {"resid_pdrop is -0.5"}},
    {"dropout true", BYTES("0.25"), BYTES("true"), PKM_ERR_FORMAT, {"resid_pdrop", "boolean"}},
    {"another activation", BYTES("gelu_new"), BYTES("relu"), PKM_ERR_UNSUPPORTED, {"relu"}},
    {"activation null pointer", BYTES("'gelu_new'"), BYTES("0"), PKM_ERR_FORMAT, {"a string"}},
    {"attention not scaled",
     BYTES("'scale_attn_weights':true"),
     BYTES("'scale_attn_weights':false"),
     PKM_ERR_UNSUPPORTED,
     {"scale_attn_weights", "true"}},
    {"a flag that is a number",
     BYTES("'scale_attn_weights':true"),
     BYTES("'scale_attn_weights':1"),
     PKM_ERR_FORMAT,
     {"scale_attn_weights", "true or false"}},
    {"head of its own",
     BYTES("{'model"),
     BYTES("{'tie_word_embeddings':false,'model"),
     PKM_ERR_UNSUPPORTED,
     {"tie_word_embeddings"}},
    {"scaled by layer",
     BYTES("{'model"),
     BYTES("{'scale_attn_by_inverse_layer_idx':true,'model"),
     PKM_ERR_UNSUPPORTED,
     {"scale_attn_by_inverse_layer_idx", "false"}},
    {"cross attention",
     BYTES("{'model"),
     BYTES("{'add_cross_attention':true,'model"),
     PKM_ERR_UNSUPPORTED,
     {"add_cross_attention"}},
    {"rotary positions",
     BYTES("{'model"),
     BYTES("{'position_embedding_type':'rotary','model"),
     PKM_ERR_UNSUPPORTED,
     {"position_embedding_type", "rotary"}},
    {"special id -1", BYTES("[30,29]"), BYTES("-1"), PKM_ERR_FORMAT, {"eos_token_id", "0 to"}},
    {"special id in a list 2^31",
     BYTES("[30,29]"),
     BYTES("[30,2147483648]"),
     PKM_ERR_FORMAT,
     {"eos_token_id", "0 to 2147483647"}},
    {"special id a text", BYTES("[30,29]"), BYTES("'</s>'"), PKM_ERR_FORMAT, {"eos_token_id"}},
    {"special id a real",
     BYTES("'eos_token_id':[30,29]"),
     BYTES("'pad_token_id':1.0"),
     PKM_ERR_FORMAT,
     {"pad_token_id"}},
    {"pkm missing", BYTES("'pkm'"), BYTES("'pkm_'"), PKM_ERR_FORMAT, {"pkm is missing"}},
    {"pkm a list", BYTES("'pkm':{"), BYTES("'pkm':[],'x':{"), PKM_ERR_FORMAT, {"pkm is an array"}},
    {"pkm null", BYTES("'pkm':{"), BYTES("'pkm':null,'x':{"), PKM_ERR_FORMAT, {"pkm is missing"}},
    {"no version", BYTES("'format_version':1,"), {0}, PKM_ERR_FORMAT, {"format_version"}},
    {"version 0", BYTES("sion':1"), BYTES("sion':0"), PKM_ERR_FORMAT, {"format_version is 0"}},
    {"version 2", BYTES("sion':1"), BYTES("sion':2"), PKM_ERR_UNSUPPORTED, {"newer version"}},
    {"version true", BYTES("sion':1"), BYTES("sion':true"), PKM_ERR_FORMAT, {"format_version"}},
    {"precision f16", BYTES("'f32'"), BYTES("'f16'"), PKM_ERR_UNSUPPORTED, {"precision", "f16"}},
    {"precision 32", BYTES("'f32'"), BYTES("32"), PKM_ERR_FORMAT, {"precision", "a string"}},
    {"no memory layers", BYTES("[0,1]"), BYTES("[]"), PKM_ERR_FORMAT, {"memory_layers has 0"}},
    {"memory layer 2", BYTES("[0,1]"), BYTES("[0,2]"), PKM_ERR_FORMAT, {"memory_layers is 2"}},
    {"memory layer -1", BYTES("[0,1]"), BYTES("[-1,1]"), PKM_ERR_FORMAT, {"memory_layers is -1"}},
    {"memory layer 2^63 - 1",
     BYTES("[0,1]"),
     BYTES("[9223372036854775807]"),
     PKM_ERR_FORMAT,
     {"memory_layers", "0 to 1"}},
    {"memory layer twice", BYTES("[0,1]"), BYTES("[1,1]"), PKM_ERR_FORMAT, {"ascending"}},
    {"memory layers descending", BYTES("[0,1]"), BYTES("[1,0]"), PKM_ERR_FORMAT, {"ascending"}},
    {"memory layer a real", BYTES("[0,1]"), BYTES("[1.0]"), PKM_ERR_FORMAT, {"memory_layers[0]"}},
    {"memory layers a number", BYTES("[0,1]"), BYTES("1"), PKM_ERR_FORMAT, {"memory_layers"}},
    {"65 memory layers",
     BYTES("[0,1]"),
     BYTES("[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,"
           "2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4]"),
     PKM_ERR_FORMAT,
     {"memory_layers", "65"}},
    {"memory heads missing", BYTES("'memory_heads':2,"), {0}, PKM_ERR_FORMAT, {"memory_heads"}},
    {"memory heads 0", BYTES("heads':2"), BYTES("heads':0"), PKM_ERR_FORMAT, {"memory_heads is 0"}},
    {"keys 0", BYTES("'n_keys':5"), BYTES("'n_keys':0"), PKM_ERR_FORMAT, {"n_keys is 0"}},
    {"keys 46341", BYTES("'n_keys':5"), BYTES("'n_keys':46341"), PKM_ERR_FORMAT, {"46341"}},
    {"topk above keys", BYTES("'topk':4"), BYTES("'topk':6"), PKM_ERR_FORMAT, {"topk is 6", "5"}},
    {"topk 0", BYTES("'topk':4"), BYTES("'topk':0"), PKM_ERR_FORMAT, {"topk is 0"}},
    {"odd key width",
     BYTES("'key_dim':6"),
     BYTES("'key_dim':7"),
     PKM_ERR_FORMAT,
     {"an even number"}},
    {"key width 0", BYTES("'key_dim':6"), BYTES("'key_dim':0"), PKM_ERR_FORMAT, {"key_dim is 0"}},
    {"heads times key width",
     BYTES("'memory_heads':2,'n_keys':5,'topk':4,'key_dim':6"),
     BYTES("'memory_heads':1024,'n_keys':5,'topk':4,'key_dim':65536"),
     PKM_ERR_FORMAT,
     {"heads * key_dim"}},
    {"value width 0",
     BYTES("'value_dim':10"),
     BYTES("'value_dim':0"),
     PKM_ERR_FORMAT,
     {"value_dim"}},
    {"value width 2^31",
     BYTES("'value_dim':10"),
     BYTES("'value_dim':2147483648"),
     PKM_ERR_FORMAT,
     {"value_dim is 2147483648"}},
    {"mode unknown", BYTES("'add'"), BYTES("'insert'"), PKM_ERR_UNSUPPORTED, {"memory_mode"}},
    {"norm unknown", BYTES("'batch'"), BYTES("'rms'"), PKM_ERR_UNSUPPORTED, {"query_norm", "rms"}},
    {"key kind unknown",
     BYTES("'query_norm':"),
     BYTES("'key_kind':'product4','query_norm':"),
     PKM_ERR_UNSUPPORTED,
     {"key_kind", "product4"}},
    {"key kind a number",
     BYTES("'query_norm':"),
     BYTES("'key_kind':1,'query_norm':"),
     PKM_ERR_FORMAT,
     {"key_kind"}},
    {"more slots than there are",
     BYTES("'topk':4"),
     BYTES("'topk':26,'key_kind':'flat'"),
     PKM_ERR_FORMAT,
     {"topk is 26: expected 1 to 25"}},
    {"gate unknown", BYTES("'relu'"), BYTES("'sparsemax'"), PKM_ERR_UNSUPPORTED, {"gate"}},
    {"gate missing", BYTES("'gate':'relu',"), {0}, PKM_ERR_FORMAT, {"gate is missing"}},
    {"output gate empty", BYTES("'swilu'"), BYTES("''"), PKM_ERR_UNSUPPORTED, {"output_gate"}},
    {"sharing a number",
     BYTES("values':true"),
     BYTES("values':1"),
     PKM_ERR_FORMAT,
     {"shared_values"}},
    {"values i8", BYTES("'bf16'"), BYTES("'i8'"), PKM_ERR_UNSUPPORTED, {"value_dtype", "i8"}},
    {"optimizer unknown",
     BYTES("adagrad"),
     BYTES("lion"),
     PKM_ERR_UNSUPPORTED,
     {"value_optimizer"}},
};

static void test_cases(void **state)
{
    const malformed_format format = {
        .name = "config.json", .file = file, .quotes = true, .read = read_config};

    (void)state;
    malformed_check(&format, cases, sizeof cases / sizeof cases[0]);
}

/* What others write and may be missing, null or unknown. */
static void test_configs_by_others(void **state)
{
    static const char text[] =
        "{\"model_type\":\"gpt2\",\"vocab_size\":31,\"n_positions\":8,\"n_embd\":12,\"n_layer\":2,"
        "\"n_head\":3,\"n_inner\":null,\"bos_token_id\":50256,\"eos_token_id\":50256,"
        "\"pad_token_id\":null,\"unknown\":[1],\"transformers_version\":\"5.0\"}\n";
    pkm_gpt_config config;

    (void)state;
    malformed_write(file, text, sizeof text - 1);
    check_ok(pkm_model_dir_load_config(&config, folder));
    assert_int_equal(config.ffn_dim, 48);
    assert_int_equal(config.memory_layers.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cases, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_configs_by_others, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
