/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "infer/decoder.h"
#include "models/model.h"
#include "models/model_dir.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tokenizer of single bytes: id 256 ends a text. */
enum { VOCAB = 257, END = 256, SEQ_LEN = 200 };

static char *folder;
static pkm_tokenizer *tokenizer;
static int32_t byte_id[256];

static int make_tokenizer(void **state)
{
    const pkm_tokenizer_train_config config = {.vocab_size = VOCAB};
    const char *paths[1];
    char *path;

    (void)state;
    folder = temp_create();
    check_ok(pkm_path_join(&path, folder, "text"));
    check_ok(pkm_file_write(path, "some text", 9));
    paths[0] = path;
    check_ok(pkm_tokenizer_train(&tokenizer, paths, 1, &config));
    pkm_free(path);
    check_ok(pkm_tokenizer_save(tokenizer, folder));
    for (int32_t id = 0; id < END; id++) {
        const unsigned char *bytes;
        size_t n_bytes;

        check_ok(pkm_tokenizer_token(tokenizer, id, &bytes, &n_bytes));
        byte_id[bytes[0]] = id;
    }
    return 0;
}

static int remove_tokenizer(void **state)
{
    (void)state;
    pkm_tokenizer_destroy(tokenizer);
    temp_remove(folder);
    return 0;
}

static pkm_gpt_config small_config(int64_t seq_len)
{
    return (pkm_gpt_config){.vocab_size = VOCAB,
                            .seq_len = seq_len,
                            .dim = 32,
                            .layers = 2,
                            .attn_heads = 2,
                            .ffn_dim = 64,
                            .norm_epsilon = 1e-5,
                            .memory_layers = {.count = 1, .value = {1}},
                            .memory = {.dim = 32,
                                       .heads = 2,
                                       .n_keys = 6,
                                       .key_dim = 8,
                                       .topk = 4,
                                       .value_dim = 32,
                                       .query_norm = PKM_NORM_LAYER}};
}

static pkm_gpt *make_gpt(const pkm_gpt_config *config)
{
    pkm_gpt *gpt = NULL;

    check_ok(pkm_gpt_create(&gpt, config, false));
    pkm_gpt_init(gpt, 11);
    return gpt;
}

/* Saves the model and opens it. */
static pkm_model *open_model(pkm_gpt *gpt)
{
    pkm_model *model = NULL;

    check_ok(pkm_model_dir_save_config(folder, &gpt->config, NULL));
    check_ok(pkm_model_dir_save_weights(folder, gpt, 0));
    pkm_gpt_destroy(gpt);
    check_ok(pkm_model_load(&model, folder, NULL));
    return model;
}

static void fill_ids(int32_t *ids, int count)
{
    for (int i = 0; i < count; i++)
        ids[i] = (i * 37 + i * i + 5) % END;
}

/* Logits with the cache, in chunks and one by one, are those without. */
static void test_cache_changes_nothing(void **state)
{
    static const int lengths[] = {1, 2, 128, 129, 130, SEQ_LEN};
    static float want[SEQ_LEN * VOCAB];
    pkm_gpt_config config = small_config(SEQ_LEN);
    pkm_model *model = open_model(make_gpt(&config));
    int32_t ids[SEQ_LEN];
    const float *got;

    (void)state;
    fill_ids(ids, SEQ_LEN);
    check_ok(pkm_model_logits(model, want, ids, SEQ_LEN));
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        pkm_decoder *decoder;

        check_ok(pkm_decoder_create(&decoder, model->gpt));
        check_ok(pkm_decoder_feed(decoder, &got, ids, lengths[i]));
        check_close(got, want + (lengths[i] - 1) * VOCAB, VOCAB, 2e-5, 1e-4, "prompt");
        for (int at = lengths[i]; at < lengths[i] + 5 && at < SEQ_LEN; at++) {
            check_ok(pkm_decoder_feed(decoder, &got, ids + at, 1));
            check_close(got, want + at * VOCAB, VOCAB, 2e-5, 1e-4, "step");
        }
        pkm_decoder_destroy(decoder);
    }
    pkm_model_destroy(model);
}

/* Past seq_len the window is the last half and what came since, from position 0. */
static void test_window_slides(void **state)
{
    enum { SHORT = 7, COUNT = 20 };
    pkm_gpt_config config = small_config(SHORT);
    pkm_model *model = open_model(make_gpt(&config));
    int32_t ids[COUNT];
    float want[SHORT * VOCAB];
    const float *got, *whole;
    pkm_decoder *step, *prompt;
    int first = 0;

    (void)state;
    fill_ids(ids, COUNT);
    check_ok(pkm_decoder_create(&step, model->gpt));
    for (int at = 0; at < COUNT; at++) {
        if (at - first == SHORT)
            first = at - SHORT / 2;
        check_ok(pkm_decoder_feed(step, &got, ids + at, 1));
        check_ok(pkm_model_logits(model, want, ids + first, at - first + 1));
        check_close(got, want + (at - first) * VOCAB, VOCAB, 2e-5, 1e-4, "step");
        /* the same as one long prompt */
        check_ok(pkm_decoder_create(&prompt, model->gpt));
        check_ok(pkm_decoder_feed(prompt, &whole, ids, at + 1));
        check_close(whole, got, VOCAB, 2e-5, 1e-4, "prompt");
        pkm_decoder_destroy(prompt);
    }
    pkm_decoder_destroy(step);
    pkm_model_destroy(model);
}

static void test_window_of_one(void **state)
{
    pkm_gpt_config config = small_config(1);
    pkm_model *model = open_model(make_gpt(&config));
    const int32_t ids[3] = {5, 6, 7};
    float want[VOCAB];
    const float *got;
    pkm_decoder *decoder;

    (void)state;
    check_ok(pkm_decoder_create(&decoder, model->gpt));
    check_ok(pkm_decoder_feed(decoder, &got, ids, 3));
    check_ok(pkm_model_logits(model, want, ids + 2, 1));
    check_close(got, want, VOCAB, 2e-5, 1e-4, "logits");
    pkm_decoder_destroy(decoder);
    pkm_model_destroy(model);
}

/*
 * A model that writes `text`, then ends, whatever it is given: the embedding of position p is, but
 * for its length, that of the token that follows.
 */
static pkm_model *writer_of(const char *text)
{
    pkm_gpt_config config = small_config(SEQ_LEN);
    pkm_gpt *gpt;
    float *tokens, *positions;
    size_t bytes = strlen(text);

    config.memory_layers.count = 0;
    gpt = make_gpt(&config);
    tokens = pkm_params_find(gpt->params, "wte.weight")->data;
    positions = pkm_params_find(gpt->params, "wpe.weight")->data;
    fill_normal(tokens, VOCAB * 32, 5);
    for (int64_t p = 0; p < SEQ_LEN; p++) {
        int32_t next = (size_t)p < bytes ? byte_id[(unsigned char)text[p]] : END;

        for (int i = 0; i < 32; i++)
            positions[p * 32 + i] = 1000 * tokens[next * 32 + i];
    }
    return open_model(gpt);
}

static int collect(const char *text, size_t bytes, void *user)
{
    check_ok(pkm_strbuf_append(user, text, bytes));
    return 0;
}

static int64_t check_written(pkm_model *model, const char *prompt,
                             const pkm_generate_config *config, const char *want)
{
    pkm_strbuf text = {0};
    int64_t n_generated = -1;

    check_ok(
        pkm_model_generate(model, prompt, strlen(prompt), config, collect, &text, &n_generated));
    assert_string_equal(text.length > 0 ? text.data : "", want);
    pkm_strbuf_release(&text);
    return n_generated;
}

static void test_writes_until_the_end(void **state)
{
    static const char *const stop[] = {"wor"};
    pkm_generate_config config = {.max_tokens = 100, .top_p = 1};
    pkm_model *model = writer_of("caf\xc3\xa9 world\xff!");

    (void)state;
    /* The prompt takes position 0, and an empty one is end-of-text. */
    assert_int_equal(check_written(model, "x", &config, "caf\xc3\xa9 world\xef\xbf\xbd!"), 13);
    assert_int_equal(check_written(model, "", &config, "caf\xc3\xa9 world\xef\xbf\xbd!"), 13);
    assert_int_equal(check_written(model, "xyz", &config, "f\xc3\xa9 world\xef\xbf\xbd!"), 11);
    config.max_tokens = 4; /* half a character is none */
    assert_int_equal(check_written(model, "x", &config, "caf\xef\xbf\xbd"), 4);
    config.max_tokens = 0;
    assert_int_equal(check_written(model, "x", &config, ""), 0);
    config.max_tokens = 100;
    config.stop = stop;
    config.n_stop = 1;
    assert_int_equal(check_written(model, "x", &config, "caf\xc3\xa9 "), 9);
    pkm_model_destroy(model);
}

static int end_at_once(const char *text, size_t bytes, void *user)
{
    (void)text;
    (void)bytes;
    ++*(int *)user;
    return 1;
}

static void test_sink_ends_generation(void **state)
{
    const pkm_generate_config config = {.max_tokens = 100, .top_p = 1};
    pkm_model *model = writer_of("abc");
    int calls = 0;

    (void)state;
    check_ok(pkm_model_generate(model, "x", 1, &config, end_at_once, &calls, NULL));
    assert_int_equal(calls, 1);
    pkm_model_destroy(model);
}

static char *sampled(pkm_model *model, uint64_t seed)
{
    const pkm_generate_config config = {
        .max_tokens = 40, .temperature = 1, .top_p = 0.9, .seed = seed};
    pkm_strbuf text = {0};

    check_ok(pkm_model_generate(model, "x", 1, &config, collect, &text, NULL));
    return text.data;
}

static void test_seeds(void **state)
{
    pkm_gpt_config config = small_config(16);
    pkm_model *model = open_model(make_gpt(&config));
    char *a = sampled(model, 1), *b = sampled(model, 1), *c = sampled(model, 2);

    (void)state;
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    pkm_free(a);
    pkm_free(b);
    pkm_free(c);
    pkm_model_destroy(model);
}

static void test_refusals(void **state)
{
    static const char *const stop[] = {""};
    pkm_model *model = writer_of("abc");
    pkm_generate_config config = {.max_tokens = -1, .top_p = 1};
    pkm_tokenizer *own;

    (void)state;
    check_fails(pkm_model_generate(model, "x", 1, &config, collect, NULL, NULL), PKM_ERR_ARG,
                "max_tokens is -1", NULL);
    config = (pkm_generate_config){.max_tokens = 1, .top_p = 2};
    check_fails(pkm_model_generate(model, "x", 1, &config, collect, NULL, NULL), PKM_ERR_ARG,
                "top_p", NULL);
    config = (pkm_generate_config){.max_tokens = 1, .top_p = 1, .stop = stop, .n_stop = 1};
    check_fails(pkm_model_generate(model, "x", 1, &config, collect, NULL, NULL), PKM_ERR_ARG,
                "stop", NULL);
    own = model->tokenizer;
    model->tokenizer = NULL;
    check_fails(pkm_model_generate(model, "x", 1, &config, collect, NULL, NULL), PKM_ERR_STATE,
                "tokenizer", NULL);
    model->tokenizer = own;
    pkm_model_destroy(model);
}

/* A tokenizer that knows more tokens than the model is another model's. */
static void test_foreign_tokenizer(void **state)
{
    pkm_gpt_config config = small_config(8);
    pkm_model *model = NULL;
    pkm_gpt *gpt;

    (void)state;
    config.vocab_size = 200;
    gpt = make_gpt(&config);
    check_ok(pkm_model_dir_save_config(folder, &gpt->config, NULL));
    check_ok(pkm_model_dir_save_weights(folder, gpt, 0));
    pkm_gpt_destroy(gpt);
    check_fails(pkm_model_load(&model, folder, NULL), PKM_ERR_SHAPE, "tokenizer.json", "257", "200",
                NULL);
}

static bool count_down(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int *)user == 0;
}

static void test_out_of_memory(void **state)
{
    const pkm_generate_config config = {.max_tokens = 3, .top_p = 1};
    pkm_model *model = writer_of("abc");
    pkm_status status = PKM_ERR_NOMEM;

    (void)state;
    for (int n = 1; status != PKM_OK; n++) {
        pkm_strbuf text = {0};
        int left = n;

        check_ok(pkm_strbuf_append(&text, "room for what is written", 24));
        pkm_alloc_set_hook(count_down, &left);
        status = pkm_model_generate(model, "x", 1, &config, collect, &text, NULL);
        pkm_alloc_set_hook(NULL, NULL);
        assert_true(status == PKM_OK || status == PKM_ERR_NOMEM);
        pkm_strbuf_release(&text);
    }
    pkm_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_changes_nothing),
        cmocka_unit_test(test_window_slides),
        cmocka_unit_test(test_window_of_one),
        cmocka_unit_test(test_writes_until_the_end),
        cmocka_unit_test(test_sink_ends_generation),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_foreign_tokenizer),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, make_tokenizer, remove_tokenizer);
}
