/* SPDX-License-Identifier: Apache-2.0 */
#include "support/run.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "support/check.h"
#include "support/same_tree.h"

/* Sentences of made-up words: enough structure that a model learns something from them. */
static void write_text(const char *path, uint64_t seed)
{
    static const char *const words[] = {
        "memory", "layer", "key ",   "value", "query", "a slot", "the row",
        "of",     "reads", "writes", "and",   "then",  "two",    "halves",
        "search", "finds", "best",   "sum",   ".\n",   ", ",
    };
    pkm_rng rng = {.seed = seed};
    pkm_strbuf text = {0};

    for (uint64_t i = 0; i < 6000; i++) {
        uint32_t word = pkm_rng_u32(&rng, i) % 20;

        check_ok(pkm_strbuf_printf(&text, "%s ", words[word]));
        if (word < 4) /* some words have a usual follower */
            check_ok(pkm_strbuf_printf(&text, "%s ", words[word + 4]));
    }
    check_ok(pkm_file_write(path, text.data, text.length));
    pkm_strbuf_release(&text);
}

void small_world_create(small_world *out)
{
    pkm_tokenizer_train_config learn = {.vocab_size = 320};
    pkm_data_config split = {.val_fraction = 0.2};
    pkm_data_summary summary;
    pkm_tokenizer *tokenizer;
    char *text, *file;
    const char *paths[1];

    out->dir = temp_create();
    check_ok(pkm_path_join(&text, out->dir, "text"));
    check_ok(pkm_directory_create(text));
    for (int i = 0; i < 8; i++) {
        char name[16];

        snprintf(name, sizeof name, "%d.txt", i);
        check_ok(pkm_path_join(&file, text, name));
        write_text(file, (uint64_t)i + 1);
        pkm_free(file);
    }
    paths[0] = text;
    check_ok(pkm_tokenizer_train(&tokenizer, paths, 1, &learn));
    check_ok(pkm_path_join(&out->data, out->dir, "data"));
    check_ok(pkm_data_prepare(&summary, out->data, tokenizer, paths, 1, &split));
    assert_true(summary.train_tokens > 10000 && summary.val_tokens > 100);
    pkm_tokenizer_destroy(tokenizer);
    pkm_free(text);
}

void small_world_destroy(small_world *world)
{
    pkm_free(world->data);
    temp_remove(world->dir);
}

small_world the_world;

int the_world_create(void **state)
{
    (void)state;
    small_world_create(&the_world);
    return 0;
}

int the_world_destroy(void **state)
{
    (void)state;
    small_world_destroy(&the_world);
    return 0;
}

char *small_world_run(const small_world *world, const char *name)
{
    char *path;

    check_ok(pkm_path_join(&path, world->dir, name));
    return path;
}

static int stop_at_step(const pkm_train_event *event, void *user)
{
    return event->kind == PKM_EVENT_STEP && event->step == *(const int *)user;
}

pkm_option_set *small_options(const char *const *options)
{
    /* Rates are told, so that these runs do not follow the defaults. */
    static const char *const small[][2] = {
        {"layers", "2"},
        {"dim", "32"},
        {"attn_heads", "2"},
        {"seq_len", "16"},
        {"batch", "4"},
        {"steps", "12"},
        {"n_keys", "8"},
        {"memory_heads", "2"},
        {"topk", "4"},
        {"key_dim", "16"},
        {"memory_layers", "1"},
        {"eval_every", "6"},
        {"eval_tokens", "200"},
        {"checkpoint_every", "5"},
        {"log_every", "1"},
        {"dropout", "0.1"},
        {"lr", "4e-3"},
        {"warmup", "0"},
        {"key_lr", "4e-3"},
        {"value_lr", "1e-3"},
        {"value_schedule", "constant"},
    };
    pkm_option_set *set;

    check_ok(pkm_options_create(&set, pkm_train_option_table()));
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        check_ok(pkm_options_set_text(set, small[i][0], small[i][1], PKM_ORIGIN_ARGS));
    for (int i = 0; options != NULL && options[i] != NULL; i += 2)
        check_ok(pkm_options_set_text(set, options[i], options[i + 1], PKM_ORIGIN_ARGS));
    return set;
}

pkm_status small_train_watched(const small_world *world, const char *out, bool resume,
                               pkm_train_callback callback, void *user, const char *const *options)
{
    const pkm_train_paths paths = {
        .data = world->data, .tokenizer = world->data, .out = out, .resume = resume};
    pkm_option_set *set = small_options(options);
    pkm_train_result result;
    pkm_status status = pkm_train(&result, &paths, set, callback, user);

    pkm_options_destroy(set);
    return status;
}

pkm_status small_train(const small_world *world, const char *run, bool resume, int stop_at,
                       const char *const *options)
{
    char *out = small_world_run(world, run);
    pkm_status status = small_train_watched(world, out, resume, stop_at_step, &stop_at, options);

    pkm_free(out);
    return status;
}

char *small_run_path(const small_world *world, const char *run, const char *name)
{
    char *dir = small_world_run(world, run), *path;

    check_ok(pkm_path_join(&path, dir, name));
    pkm_free(dir);
    return path;
}

char *small_run_file(const small_world *world, const char *run, const char *name, size_t *bytes)
{
    char *path = small_run_path(world, run, name), *data;

    check_ok(pkm_file_read(&data, bytes, path, (size_t)1 << 30));
    pkm_free(path);
    return data;
}

bool small_same_run(const small_world *world, const char *run_a, const char *run_b)
{
    static const char *const files[] = {"model.safetensors", "metrics.jsonl",
                                        "checkpoints/step-00000012/optim.safetensors"};
    bool same = true;

    for (int i = 0; i < 3; i++) {
        char *a = small_run_path(world, run_a, files[i]);
        char *b = small_run_path(world, run_b, files[i]);

        same &= same_file(a, b);
        pkm_free(a);
        pkm_free(b);
    }
    return same;
}

json_t *small_run_line(const small_world *world, const char *run, int line)
{
    size_t bytes;
    char *log = small_run_file(world, run, "metrics.jsonl", &bytes), *at = log;
    json_t *object;

    for (int i = 0; i < line; i++)
        at += strcspn(at, "\n") + 1;
    object = json_loadb(at, strcspn(at, "\n"), 0, NULL);
    assert_non_null(object);
    pkm_free(log);
    return object;
}

double small_run_logged(const small_world *world, const char *run, int line, const char *key)
{
    json_t *object = small_run_line(world, run, line), *number = json_object_get(object, key);
    double value = json_number_value(number);

    assert_true(json_is_number(number));
    json_decref(object);
    return value;
}
