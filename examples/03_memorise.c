/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory layer in a network of one's own: a classifier learns random labels of random vectors by
 * heart.
 *
 *   y = memory(x);  logits = W y + b;  loss = -log softmax(logits)[label]
 *
 * The readout W, b and its gradients are done by hand, with plain gradient descent. Every epoch
 * writes a line in the form of metrics.jsonl, which `pkm plot` reads: loss is the mean while the
 * epoch went on, val_loss and accuracy are of the same vectors after it. At a rate as high as the
 * default, keys die; --revive-every brings them back (recipes/dead-keys).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pkm/memory.h"
#include "pkm/revive.h"

enum { DIM = 64, CLASSES = 64, BATCH = 256 };

static const float readout_lr = 1;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void check(pkm_status status)
{
    if (status != PKM_OK)
        fail("pkm", pkm_last_error());
}

/* ---- options ---- */

enum {
    SEED,
    ITEMS,
    EPOCHS,
    N_KEYS,
    HEADS,
    TOPK,
    QUERY_NORM,
    KEY_LR,
    VALUE_LR,
    REVIVE_EVERY,
    REVIVE_BELOW,
    OUT,
    N_OPTIONS
};

static struct {
    const char *name, *value, *help;
} options[N_OPTIONS] = {
    [SEED] = {"--seed", "1", "of vectors, labels and first weights"},
    [ITEMS] = {"--items", "512", "vectors to learn"},
    [EPOCHS] = {"--epochs", "4", "times that each is seen"},
    [N_KEYS] = {"--n-keys", "32", "sub-keys per half; their square is the number of slots"},
    [HEADS] = {"--heads", "1", "heads of the memory"},
    [TOPK] = {"--topk", "4", "slots that a head reads"},
    [QUERY_NORM] = {"--query-norm", "none", "batch, layer or none"},
    [KEY_LR] = {"--key-lr", "1e-2", "learning rate of keys and query network"},
    [VALUE_LR] = {"--value-lr", "1e-2", "learning rate of the values"},
    [REVIVE_EVERY] = {"--revive-every", "0", "steps of a window, whose dead are revived; 0: never"},
    [REVIVE_BELOW] = {"--revive-below", "0.1", "of the even share: what a dead sub-key is read"},
    [OUT] = {"--out", NULL, "folder for metrics.jsonl; missing: standard output"},
};

static double number(int option)
{
    char *end;
    double value = strtod(options[option].value, &end);

    if (end == options[option].value || *end != '\0' || !(fabs(value) <= 1e9))
        fail(options[option].name, "expected a number");
    return value;
}

/* A number of things, of which there must be one. */
static int64_t count(int option)
{
    double value = number(option);

    if (value < 1 || value != floor(value))
        fail(options[option].name, "expected a whole number from 1");
    return (int64_t)value;
}

static void read_options(int argc, char **argv)
{
    for (int arg = 1; arg < argc; arg += 2) {
        int i = 0;

        while (i < N_OPTIONS && strcmp(argv[arg], options[i].name) != 0)
            i++;
        if (i == N_OPTIONS || arg + 1 == argc) {
            for (i = 0; i < N_OPTIONS; i++)
                fprintf(stderr, "%-16s %s\n", options[i].name, options[i].help);
            exit(2);
        }
        options[i].value = argv[arg + 1];
    }
}

static pkm_query_norm query_norm(void)
{
    static const char *const words[] = {
        [PKM_NORM_BATCH] = "batch", [PKM_NORM_LAYER] = "layer", [PKM_NORM_NONE] = "none"};

    for (int i = PKM_NORM_BATCH; i <= PKM_NORM_NONE; i++)
        if (strcmp(options[QUERY_NORM].value, words[i]) == 0)
            return (pkm_query_norm)i;
    fail(options[QUERY_NORM].name, "expected batch, layer or none");
    return PKM_NORM_NONE;
}

/* ---- what is to be learnt ---- */

typedef struct lesson {
    int64_t items;
    float *x;       /* [items, DIM], of N(0, 1) */
    int *labels;    /* [items], in [0, CLASSES) */
    int64_t *order; /* [items]: a permutation, new in each epoch */
} lesson;

static uint64_t random_state;

/* In (0, 1): splitmix64. */
static double uniform(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static float normal(void)
{
    return (float)(sqrt(-2 * log(uniform())) * cos(2 * 3.14159265358979323846 * uniform()));
}

static void make_lesson(lesson *out, int64_t items)
{
    *out = (lesson){items, malloc((size_t)items * DIM * sizeof(float)),
                    malloc((size_t)items * sizeof(int)), malloc((size_t)items * sizeof(int64_t))};
    if (out->x == NULL || out->labels == NULL || out->order == NULL)
        fail(options[ITEMS].name, "not enough memory");
    for (int64_t i = 0; i < items * DIM; i++)
        out->x[i] = normal();
    for (int64_t i = 0; i < items; i++) {
        out->labels[i] = (int)(uniform() * CLASSES);
        out->order[i] = i;
    }
}

static void shuffle(lesson *it)
{
    for (int64_t i = it->items - 1; i > 0; i--) {
        int64_t other = (int64_t)(uniform() * (double)(i + 1)), kept = it->order[i];

        it->order[i] = it->order[other];
        it->order[other] = kept;
    }
}

static void release_lesson(lesson *it)
{
    free(it->x);
    free(it->labels);
    free(it->order);
}

/* ---- the network ---- */

typedef struct network {
    pkm_memory *memory;
    float weight[CLASSES][DIM], bias[CLASSES];
    /* of the batch at hand */
    int64_t n;
    int labels[BATCH];
    float x[BATCH][DIM], y[BATCH][DIM], dy[BATCH][DIM];
    float p[BATCH][CLASSES]; /* softmax(logits); in backward the gradient of the logits */
} network;

static void make_network(network *net)
{
    const pkm_memory_config config = {
        .dim = DIM,
        .heads = count(HEADS),
        .n_keys = count(N_KEYS),
        .key_dim = DIM / 2,
        .topk = count(TOPK),
        .query_norm = query_norm(),
        .gate = PKM_GATE_SOFTMAX,
    };
    pkm_memory_options memory;

    pkm_memory_options_init(&memory);
    memory.max_tokens = BATCH;
    memory.seed = (uint64_t)number(SEED);
    memory.key_lr = number(KEY_LR);
    memory.value_lr = number(VALUE_LR);
    check(pkm_memory_create(&net->memory, &config, &memory, NULL));
    for (int i = 0; i < CLASSES * DIM; i++)
        net->weight[i / DIM][i % DIM] = normal() / 8; /* sqrt(DIM) */
}

/* p [CLASSES]: logits before, probabilities after. */
static void softmax(float *p)
{
    float largest = p[0], sum = 0;

    for (int c = 1; c < CLASSES; c++)
        largest = fmaxf(largest, p[c]);
    for (int c = 0; c < CLASSES; c++)
        sum += p[c] = expf(p[c] - largest);
    for (int c = 0; c < CLASSES; c++)
        p[c] /= sum;
}

/* The vectors from `first` on in the order of the lesson. */
static void forward(network *net, const lesson *it, int64_t first, bool train)
{
    net->n = it->items - first < BATCH ? it->items - first : BATCH;
    for (int64_t r = 0; r < net->n; r++) {
        net->labels[r] = it->labels[it->order[first + r]];
        memcpy(net->x[r], it->x + it->order[first + r] * DIM, sizeof net->x[r]);
    }
    check(pkm_memory_forward(net->memory, net->y[0], net->x[0], net->n, NULL, train));
    for (int64_t r = 0; r < net->n; r++) {
        for (int c = 0; c < CLASSES; c++) {
            net->p[r][c] = net->bias[c];
            for (int d = 0; d < DIM; d++)
                net->p[r][c] += net->weight[c][d] * net->y[r][d];
        }
        softmax(net->p[r]);
    }
}

/* What a forward found: the sum of the losses, and how many labels it got right. */
typedef struct score {
    double loss;
    int64_t known;
} score;

static void add_score(score *sum, const network *net)
{
    for (int64_t r = 0; r < net->n; r++) {
        const float *p = net->p[r];
        int best = 0;

        for (int c = 1; c < CLASSES; c++)
            best = p[c] > p[best] ? c : best;
        sum->loss -= log(fmax((double)p[net->labels[r]], 1e-30));
        sum->known += best == net->labels[r];
    }
}

/* dlogits = (p - onehot(label)) / n; dy = dlogits W; (W, b) -= lr dlogits^T (y, 1). */
static void backward_and_step(network *net)
{
    memset(net->dy, 0, sizeof net->dy);
    for (int64_t r = 0; r < net->n; r++) {
        net->p[r][net->labels[r]] -= 1;
        for (int c = 0; c < CLASSES; c++) {
            net->p[r][c] /= (float)net->n;
            for (int d = 0; d < DIM; d++)
                net->dy[r][d] += net->p[r][c] * net->weight[c][d];
        }
    }
    check(pkm_memory_backward(net->memory, NULL, net->dy[0]));
    check(pkm_memory_step(net->memory));
    for (int64_t r = 0; r < net->n; r++)
        for (int c = 0; c < CLASSES; c++) {
            net->bias[c] -= readout_lr * net->p[r][c];
            for (int d = 0; d < DIM; d++)
                net->weight[c][d] -= readout_lr * net->p[r][c] * net->y[r][d];
        }
}

/* ---- training ---- */

typedef struct training {
    network *net;
    lesson *lesson;
    FILE *log;
    int64_t step, seen;
    int64_t revive_every;
} training;

static void revive(const training *run)
{
    pkm_revived revived;

    check(pkm_memory_revive(run->net->memory, number(REVIVE_BELOW), &revived));
    fprintf(run->log,
            "{\"step\": %lld, \"tokens\": %lld, \"revived\": [{\"layer\": 0, \"keys\": %lld, "
            "\"slots\": %lld}]}\n",
            (long long)run->step, (long long)run->seen, (long long)revived.keys,
            (long long)revived.slots);
}

/* Once through the lesson; the mean loss on the way. A window's dead are revived before the step
 * that follows it, so that what is scored has learnt since. */
static double train(training *run)
{
    score sum = {0};

    shuffle(run->lesson);
    for (int64_t at = 0; at < run->lesson->items; at += BATCH) {
        if (run->revive_every > 0 && run->step > 0 && run->step % run->revive_every == 0)
            revive(run);
        forward(run->net, run->lesson, at, true);
        add_score(&sum, run->net);
        backward_and_step(run->net);
        run->step++;
        run->seen += run->net->n;
    }
    return sum.loss / (double)run->lesson->items;
}

/* Scores the whole lesson, counts how the slots are read, and writes a line of both. */
static double evaluate(const training *run, double train_loss)
{
    double items = (double)run->lesson->items, loss;
    score sum = {0};
    pkm_usage usage;

    check(pkm_memory_usage_start(run->net->memory));
    for (int64_t at = 0; at < run->lesson->items; at += BATCH) {
        forward(run->net, run->lesson, at, false);
        add_score(&sum, run->net);
    }
    pkm_memory_usage_stop(run->net->memory);
    check(pkm_memory_usage(run->net->memory, &usage, -1));
    loss = sum.loss / items;
    fprintf(run->log,
            "{\"step\": %lld, \"tokens\": %lld, \"loss\": %.4f, \"val_loss\": %.4f, "
            "\"val_perplexity\": %.3f, \"accuracy\": %.4f, \"memory\": [{\"layer\": 0, "
            "\"slots\": %lld, \"used\": %.4f, \"top1_used\": %.4f, \"kl\": %.4f}]}\n",
            (long long)run->step, (long long)run->seen, train_loss, loss, exp(loss),
            (double)sum.known / items, (long long)usage.slots, usage.used, usage.top1_used,
            usage.kl);
    return loss;
}

/* metrics.jsonl in the folder of --out, which may exist, or standard output. */
static FILE *open_log(void)
{
    const char *folder = options[OUT].value;
    char path[4096];
    FILE *log;

    if (folder == NULL)
        return stdout;
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    log = mkdir(folder, 0777) == 0 || errno == EEXIST ? fopen(path, "w") : NULL;
    if (log == NULL)
        fail(path, strerror(errno));
    return log;
}

int main(int argc, char **argv)
{
    static network net;
    lesson vectors;
    training run = {.net = &net, .lesson = &vectors};
    double loss = 0;

    read_options(argc, argv);
    random_state = (uint64_t)number(SEED) << 32;
    make_lesson(&vectors, count(ITEMS));
    make_network(&net);
    run.log = open_log();
    run.revive_every = (int64_t)number(REVIVE_EVERY);
    if (run.revive_every > 0)
        check(pkm_memory_revive_start(net.memory));
    for (int64_t epoch = count(EPOCHS); epoch > 0; epoch--)
        loss = evaluate(&run, train(&run));
    if (fclose(run.log) != 0)
        fail(options[OUT].name, strerror(errno));
    pkm_memory_destroy(net.memory);
    release_lesson(&vectors);
    return loss < log(CLASSES) ? 0 : 1; /* better than to guess */
}
