/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkm demo: the whole story on real text. A tokenizer and a data set are made of PATH; two models
 * of equal depth are trained on the same tokens, one plain and one with a memory; both are scored
 * on the held-out side, and the better one writes a text.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "demo_folder.h"
#include "output_folder.h"
#include "progress.h"
#include "stop.h"
#include "train_view.h"

typedef struct demo_options {
    const char *out;
    int64_t steps, vocab_size, max_bytes;
} demo_options;

static const pkm_option rows[] = {
    {.name = "out",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(demo_options, out),
     .min = 1,
     .preset = "pkm-demo",
     .unit = "DIR",
     .help = "folder for what is made; that of an earlier demo is emptied"},
    {.name = "steps",
     .type = PKM_OPTION_INT,
     .offset = offsetof(demo_options, steps),
     .min = 1,
     .max = 1000000,
     .preset = "1000",
     .help = "training steps of each model"},
    {.name = "vocab_size",
     .type = PKM_OPTION_INT,
     .offset = offsetof(demo_options, vocab_size),
     .min = 257,
     .max = 65536,
     .preset = "4096",
     .unit = "tokens",
     .help = "size of the vocabulary"},
    {.name = "max_bytes",
     .type = PKM_OPTION_INT,
     .offset = offsetof(demo_options, max_bytes),
     .min = 1,
     .max = 1e12,
     .preset = "8M",
     .unit = "bytes",
     .help = "text the tokenizer learns from"},
};

const pkm_option_table cmd_demo_options = CMD_OPTIONS(rows, demo_options);

/* Both models: four blocks, small enough for two minutes. */
static const char *const common_settings[][2] = {
    {"layers", "4"}, {"dim", "128"},      {"seq_len", "128"},
    {"batch", "16"}, {"eval_every", "0"}, {"checkpoint_every", "0"},
};

/* The memory: 65,536 slots in place of the feed-forward part of the third block. */
static const char *const memory_settings[][2] = {
    {"memory_layers", "2"},
    {"n_keys", "256"},
};

/* One of the two models and what became of it. */
typedef struct contestant {
    const char *name; /* of its folder and in the table */
    bool memory;
    train_view view;
    pkm_eval_result score;
} contestant;

typedef struct demo_plan {
    const char *text; /* what it is all made of */
    const demo_options *options;
    int64_t threads;
    demo_folder folder;
} demo_plan;

static void announce(const char *sentence)
{
    (void)fflush(stdout);
    fprintf(stderr, "\n%s\n", sentence);
}

static pkm_status make_tokenizer(const demo_plan *demo, pkm_tokenizer **out)
{
    progress bar = {.title = "tokenizer"};
    const pkm_tokenizer_train_config config = {
        .vocab_size = demo->options->vocab_size,
        .max_bytes = (uint64_t)demo->options->max_bytes,
        .progress = progress_phase,
        .user = &bar,
    };
    pkm_status status = pkm_tokenizer_train(out, &demo->text, 1, &config);

    progress_end(&bar);
    return status;
}

static pkm_status make_data(const demo_plan *demo)
{
    progress bar = {.title = "data"};
    const pkm_data_config config = {.val_fraction = 0.02, .progress = progress_phase, .user = &bar};
    pkm_data_summary summary;
    pkm_tokenizer *tokenizer = NULL;
    pkm_status status = make_tokenizer(demo, &tokenizer);

    if (status == PKM_OK)
        status = pkm_data_prepare(&summary, demo->folder.data, tokenizer, &demo->text, 1, &config);
    progress_end(&bar);
    pkm_tokenizer_destroy(tokenizer);
    if (status == PKM_OK)
        printf("%" PRId64 " documents, %" PRId64 " tokens to train on, %" PRId64 " held out\n",
               summary.documents, summary.train_tokens, summary.val_tokens);
    return status;
}

static pkm_status apply(pkm_option_set *set, const char *const settings[][2], size_t count)
{
    pkm_status status = PKM_OK;

    for (size_t i = 0; i < count && status == PKM_OK; i++)
        status = pkm_options_set_text(set, settings[i][0], settings[i][1], PKM_ORIGIN_ARGS);
    return status;
}

static pkm_status set_number(pkm_option_set *set, const char *name, int64_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, number);
    return pkm_options_set_text(set, name, text, PKM_ORIGIN_ARGS);
}

static pkm_status choose_options(const demo_plan *demo, const contestant *one, pkm_option_set *set)
{
    pkm_status status =
        apply(set, common_settings, sizeof common_settings / sizeof common_settings[0]);

    if (status == PKM_OK && one->memory)
        status = apply(set, memory_settings, sizeof memory_settings / sizeof memory_settings[0]);
    if (status == PKM_OK)
        status = set_number(set, "steps", demo->options->steps);
    return status != PKM_OK ? status : set_number(set, "threads", demo->threads);
}

static pkm_status train(const demo_plan *demo, contestant *one, const char *run)
{
    const pkm_train_paths paths = {
        .data = demo->folder.data, .tokenizer = demo->folder.data, .out = run};
    pkm_train_result result;
    pkm_option_set *set;
    pkm_status status = pkm_options_create(&set, pkm_train_option_table());

    if (status != PKM_OK)
        return status;
    one->view = (train_view){.bar.title = one->name, .brief = true};
    status = choose_options(demo, one, set);
    if (status == PKM_OK)
        status = pkm_train(&result, &paths, set, train_view_show, &one->view);
    progress_end(&one->view.bar);
    pkm_options_destroy(set);
    return status;
}

static pkm_status score(const demo_plan *demo, contestant *one, const char *run)
{
    const int64_t max_tokens = 200000;
    progress bar = {.title = one->name};
    pkm_model *model;
    pkm_data *data;
    pkm_status status = pkm_model_load(&model, run, NULL);

    if (status != PKM_OK)
        return status;
    status = pkm_data_open(&data, demo->folder.data, PKM_SPLIT_VAL);
    if (status == PKM_OK) {
        status = pkm_model_eval_data(model, &one->score, data, max_tokens, progress_phase, &bar);
        pkm_data_close(data);
    }
    progress_end(&bar);
    pkm_model_destroy(model);
    return status;
}

static void print_table(const contestant pair[2])
{
    const pkm_usage *usage = pair[1].score.usage; /* of all heads */
    const pkm_eval_result *a = &pair[0].score, *b = &pair[1].score;

    printf("\n%-28s%14s%14s\n", "", pair[0].name, pair[1].name);
    printf("%-28s%14" PRId64 "%14" PRId64 "\n", "parameters", pair[0].view.parameters,
           pair[1].view.parameters);
    printf("%-28s%14.2f%14.2f\n", "held-out perplexity", a->perplexity, b->perplexity);
    printf("%-28s%14.3f%14.3f\n", "bits per byte", a->bits_per_byte, b->bits_per_byte);
    printf("%-28s%14.0f%14.0f\n", "tokens/s in training", train_view_rate(&pair[0].view),
           train_view_rate(&pair[1].view));
    printf("%-28s%14.0f%14.0f\n", "tokens/s in scoring", a->tok_per_s, b->tok_per_s);
    printf("%-28s%14s%13.1f%%\n", "memory slots used", "-", 100 * usage->used);
    printf("%-28s%14s%14.3f\n", "KL of their use to uniform", "-", usage->kl);
}

static int print_text(const char *text, size_t bytes, void *user)
{
    (void)user;
    fwrite(text, 1, bytes, stdout);
    (void)fflush(stdout);
    return stop_signal();
}

static pkm_status write_sample(const char *run)
{
    const pkm_generate_config config = {
        .max_tokens = 150, .temperature = 0.8, .top_p = 0.95, .seed = 1};
    pkm_model *model;
    pkm_status status = pkm_model_load(&model, run, NULL);

    if (status == PKM_OK) {
        status = pkm_model_generate(model, "", 0, &config, print_text, NULL, NULL);
        putchar('\n');
        pkm_model_destroy(model);
    }
    return status;
}

static pkm_status compete(const demo_plan *demo, contestant pair[2])
{
    pkm_status status = PKM_OK;

    for (int i = 0; i < 2 && status == PKM_OK; i++) {
        announce(pair[i].memory ? "the same with a memory in place of one feed-forward part"
                                : "a plain transformer");
        status = train(demo, &pair[i], demo->folder.runs[i]);
        if (status == PKM_OK)
            status = score(demo, &pair[i], demo->folder.runs[i]);
    }
    return status;
}

static pkm_status run(const demo_plan *demo)
{
    contestant pair[2] = {{.name = "plain"}, {.name = "memory", .memory = true}};
    pkm_status status;
    int better;

    announce("a vocabulary, and the text as numbers");
    status = make_data(demo);
    if (status == PKM_OK)
        status = compete(demo, pair);
    if (status == PKM_OK) {
        print_table(pair);
        better = pair[1].score.loss < pair[0].score.loss;
        printf("\nThe model called %s writes (pkm generate --model %s):\n\n", pair[better].name,
               demo->folder.runs[better]);
        status = write_sample(demo->folder.runs[better]);
    }
    for (int i = 0; i < 2; i++)
        pkm_eval_result_release(&pair[i].score);
    return status;
}

int cmd_demo(const cmd_input *input)
{
    demo_plan demo = {
        .text = input->n_args > 0 ? input->args[0] : "/usr/include",
        .options = input->options,
        .threads = input->threads,
    };
    time_t start = time(NULL);
    pkm_status status;
    char took[16];

    if (access(demo.text, R_OK) != 0)
        return cmd_fail(input, "%s: cannot read: %s", demo.text, strerror(errno));
    if (!output_folder_check(input, demo.options->out) ||
        !demo_folder_prepare(&demo.folder, input, demo.options->out))
        return CMD_FAILED;
    stop_catch();
    status = run(&demo);
    if (status != PKM_OK)
        return cmd_status(input, status);
    progress_duration(took, difftime(time(NULL), start));
    fprintf(stderr, "\n%s; all of it is in %s\n", took, demo.options->out);
    return CMD_DONE;
}
