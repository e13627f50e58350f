/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory layers, through the public header alone, against what PyTorch computes from the paper's
 * equations: tests/parity/golden.py writes the files, tests/parity/memory.py is the reference.
 * An argument names another folder of such files than the committed one.
 */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "format/safetensors.h"
#include "pkm/memory.h"
#include "support/check.h"

enum { MAX_LAYERS = 2, NAME_BYTES = 128 };

/* Against double precision: sums of a few dozen products, and 20 steps of Adam. */
static const double one_pass = 3e-5, trained = 1e-4;

/* A file, and the layers it describes: one after the other, sharing a store if there are two. */
typedef struct golden {
    pkm_st_reader *file;
    pkm_memory_config config;
    int64_t tokens, steps;
    int n_layers;
    pkm_store *shared; /* NULL: the one layer owns its store */
    pkm_memory *layers[MAX_LAYERS];
    float *x[MAX_LAYERS + 1]; /* [tokens, dim]: input of each layer, last the output */
    float *dx;                /* [tokens, dim] */
} golden;

static double number(const golden *g, const char *key)
{
    const char *text = pkm_st_metadata(g->file, key);

    if (text == NULL)
        fail_msg("no %s in the metadata", key);
    return atof(text);
}

static int choice(const golden *g, const char *key, const char *choices)
{
    const char *word = pkm_st_metadata(g->file, key);
    int index = word != NULL ? pkm_choice_index(choices, word) : 0; /* of an older file */

    assert_true(index >= 0);
    return index;
}

static const pkm_st_tensor *find(const golden *g, const char *name)
{
    const pkm_st_tensor *tensor = pkm_st_find(g->file, name);

    if (tensor == NULL)
        fail_msg("no tensor %s in the file", name);
    return tensor;
}

/* A tensor's elements, each of 4 bytes but for masks; the caller frees them. */
static void *contents(const golden *g, const char *name)
{
    const pkm_st_tensor *tensor = find(g, name);
    void *copy = malloc(tensor->bytes + 1);

    return memcpy(copy, tensor->data, tensor->bytes);
}

static void *contents_f(const golden *g, const char *prefix, int layer, const char *name)
{
    char full[NAME_BYTES];

    if (strcmp(name, "values") == 0)
        snprintf(full, sizeof full, "%s.values", prefix);
    else
        snprintf(full, sizeof full, "%s.%d.%s", prefix, layer, name);
    return contents(g, full);
}

static int64_t count_of(const pkm_memory_tensor *tensor)
{
    int64_t count = 1;

    for (int i = 0; i < tensor->n_dims; i++)
        count *= tensor->dims[i];
    return count;
}

static void load_initial(golden *g, int layer)
{
    for (int i = 0; i < pkm_memory_tensor_count(g->layers[layer]); i++) {
        pkm_memory_tensor tensor;
        float *initial;

        check_ok(pkm_memory_tensor_at(g->layers[layer], &tensor, i));
        initial = contents_f(g, "init", layer, tensor.name);
        check_ok(
            pkm_memory_tensor_write(g->layers[layer], tensor.name, initial, count_of(&tensor)));
        free(initial);
    }
}

static void open_golden(golden *g, const char *path)
{
    *g = (golden){0};
    check_ok(pkm_st_open(&g->file, path, false));
    g->config = (pkm_memory_config){
        .dim = (int64_t)number(g, "dim"),
        .heads = (int64_t)number(g, "heads"),
        .n_keys = (int64_t)number(g, "n_keys"),
        .key_dim = (int64_t)number(g, "key_dim"),
        .topk = (int64_t)number(g, "topk"),
        .value_dim = (int64_t)number(g, "value_dim"),
        .query_norm = (pkm_query_norm)choice(g, "query_norm", "batch|layer|none"),
        .gate = (pkm_gate)choice(g, "gate", "softmax|relu|raw"),
        .output_gate = (pkm_output_gate)choice(g, "output_gate", "none|swilu"),
        .key_kind = (pkm_key_kind)choice(g, "key_kind", "product|flat"),
    };
    g->tokens = (int64_t)number(g, "tokens");
    g->steps = (int64_t)number(g, "steps");
    g->n_layers = (int)number(g, "layers");
    assert_in_range(g->n_layers, 1, MAX_LAYERS);
}

static void create_layers(golden *g, pkm_value_optimizer optimizer, double value_lr)
{
    size_t bytes = (size_t)(g->tokens * g->config.dim) * sizeof(float);
    pkm_memory_options options;

    pkm_memory_options_init(&options);
    options.max_tokens = g->tokens;
    options.lr = number(g, "lr");
    options.key_lr = options.lr;
    options.weight_decay = number(g, "weight_decay");
    options.value_lr = value_lr;
    options.value_optimizer = optimizer;
    if (g->n_layers > 1)
        check_ok(pkm_store_create(&g->shared, &(pkm_store_config){
                                                  .slots = g->config.n_keys * g->config.n_keys,
                                                  .value_dim = g->config.value_dim,
                                                  .optimizer = optimizer,
                                                  .train = true,
                                              }));
    for (int i = 0; i < g->n_layers; i++) {
        check_ok(pkm_memory_create(&g->layers[i], &g->config, &options, g->shared));
        load_initial(g, i);
    }
    for (int i = 0; i <= g->n_layers; i++)
        g->x[i] = malloc(bytes);
    g->dx = malloc(bytes);
}

static void close_golden(golden *g)
{
    for (int i = 0; i <= g->n_layers; i++)
        free(g->x[i]);
    free(g->dx);
    for (int i = 0; i < g->n_layers; i++)
        pkm_memory_destroy(g->layers[i]);
    pkm_store_destroy(g->shared);
    pkm_st_close(g->file);
}

static void forward(golden *g, int64_t step, bool train)
{
    size_t count = (size_t)(g->tokens * g->config.dim);
    float *x = contents(g, "x"); /* [steps, tokens, dim] */
    unsigned char *mask = contents(g, "mask");

    memcpy(g->x[0], x + (size_t)step * count, count * sizeof *x);
    for (int i = 0; i < g->n_layers; i++)
        check_ok(pkm_memory_forward(g->layers[i], g->x[i + 1], g->x[i], g->tokens, mask, train));
    free(mask);
    free(x);
}

/* Of the loss sum (y - target)^2 / 2. */
static void backward(golden *g, int64_t step)
{
    int64_t count = g->tokens * g->config.dim;
    float *target = contents(g, "target"); /* [steps, tokens, dim] */

    for (int64_t i = 0; i < count; i++)
        g->dx[i] = g->x[g->n_layers][i] - target[step * count + i];
    for (int i = g->n_layers - 1; i >= 0; i--)
        check_ok(pkm_memory_backward(g->layers[i], g->dx, g->dx));
    free(target);
}

static void update(golden *g, int64_t step, double value_lr)
{
    for (int i = 0; i < g->n_layers; i++)
        check_ok(pkm_memory_step(g->layers[i]));
    if (g->shared != NULL)
        check_ok(pkm_store_step(g->shared, step + 1, (float)value_lr, 1.0f));
}

static void check_named(const golden *g, const float *got, const char *name, double tolerance)
{
    float *want = contents(g, name);

    check_close(got, want, (int64_t)(find(g, name)->bytes / sizeof *want), tolerance, tolerance,
                name);
    free(want);
}

/* ---- The tests; *state is the path of a file ---- */

static void finds_the_same_slots(void **state)
{
    golden g;
    pkm_search *search;
    float *keys, *queries, *scores;
    int32_t *ids, *want;
    int64_t n_rows, count;
    void *workspace;

    open_golden(&g, *state);
    n_rows = find(&g, "queries")->dims[0];
    count = n_rows * g.config.heads * g.config.topk;
    check_ok(pkm_search_create(&search, &(pkm_search_config){.heads = g.config.heads,
                                                             .n_keys = g.config.n_keys,
                                                             .key_dim = g.config.key_dim,
                                                             .topk = g.config.topk,
                                                             .compute = PKM_F32,
                                                             .key_kind = g.config.key_kind}));
    keys = contents(&g, "init.0.keys");
    queries = contents(&g, "queries");
    want = contents(&g, "ids");
    scores = malloc((size_t)count * sizeof *scores);
    ids = malloc((size_t)count * sizeof *ids);
    workspace = aligned_alloc(64, (pkm_search_workspace(search) + 63) / 64 * 64);
    pkm_search_pack(search, keys);
    check_ok(pkm_search_run(search, ids, scores, queries, n_rows, workspace));
    assert_memory_equal(ids, want, (size_t)count * sizeof *ids);
    check_named(&g, scores, "scores", one_pass);
    pkm_search_destroy(search);
    free(workspace);
    free(ids);
    free(scores);
    free(want);
    free(queries);
    free(keys);
    close_golden(&g);
}

static void check_dense_gradients(const golden *g, int layer)
{
    for (int i = 0; i < pkm_memory_tensor_count(g->layers[layer]); i++) {
        pkm_memory_tensor tensor;
        bool running;
        float *want;

        check_ok(pkm_memory_tensor_at(g->layers[layer], &tensor, i));
        running = strstr(tensor.name, ".running_") != NULL;
        if (tensor.grad == NULL && !running)
            continue;
        want = contents_f(g, running ? "after" : "grad", layer, tensor.name);
        check_close(running ? tensor.data : tensor.grad, want, count_of(&tensor), one_pass,
                    one_pass, tensor.name);
        free(want);
    }
}

/* Rows have no gradient to look at: a step of plain descent at rate 1 subtracts it. */
static void check_value_gradient(golden *g)
{
    pkm_memory_tensor values;
    float *initial = contents(g, "init.values");
    int64_t count;

    update(g, 0, 1.0);
    check_ok(pkm_memory_tensor_find(g->layers[0], &values, "values"));
    count = count_of(&values);
    for (int64_t i = 0; i < count; i++)
        initial[i] -= ((const float *)values.data)[i];
    check_named(g, initial, "grad.values", one_pass);
    free(initial);
}

static void computes_the_same_gradients(void **state)
{
    golden g;

    open_golden(&g, *state);
    create_layers(&g, PKM_VALUES_SGD, 1.0);
    forward(&g, 0, true);
    check_named(&g, g.x[g.n_layers], "y", one_pass);
    backward(&g, 0);
    check_named(&g, g.dx, "grad.x", one_pass);
    for (int i = 0; i < g.n_layers; i++)
        check_dense_gradients(&g, i);
    forward(&g, 0, false);
    check_named(&g, g.x[g.n_layers], "y_eval", one_pass);
    check_value_gradient(&g);
    close_golden(&g);
}

/* Batch norm takes the query's bias out again: its gradient is rounding noise, which Adam blows up
 * to full steps; it and the mean that follows it differ, and change no result. */
static bool is_noise(const golden *g, const char *name)
{
    return g->config.query_norm == PKM_NORM_BATCH && g->tokens > 1 &&
           (strcmp(name, "query.bias") == 0 || strcmp(name, "query_norm.running_mean") == 0);
}

static void trains_to_the_same_weights(void **state)
{
    golden g;
    double value_lr;

    open_golden(&g, *state);
    value_lr = number(&g, "value_lr");
    create_layers(&g, PKM_VALUES_ADAM, value_lr);
    for (int64_t step = 0; step < g.steps; step++) {
        forward(&g, step, true);
        backward(&g, step);
        update(&g, step, value_lr);
    }
    if (g.steps > 0)
        check_named(&g, g.x[g.n_layers], "y_last", trained);
    for (int i = 0; i < g.n_layers && g.steps > 0; i++)
        for (int t = 0; t < pkm_memory_tensor_count(g.layers[i]); t++) {
            pkm_memory_tensor tensor;
            float *want;

            check_ok(pkm_memory_tensor_at(g.layers[i], &tensor, t));
            if (is_noise(&g, tensor.name))
                continue;
            want = contents_f(&g, "final", i, tensor.name);
            check_close(tensor.data, want, count_of(&tensor), trained, trained, tensor.name);
            free(want);
        }
    close_golden(&g);
}

/* ---- Every test on every file ---- */

static int is_golden(const struct dirent *entry)
{
    return strstr(entry->d_name, ".safetensors") != NULL;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : PKM_TEST_DATA "/golden";
    static const struct CMUnitTest each[] = {
        cmocka_unit_test(finds_the_same_slots),
        cmocka_unit_test(computes_the_same_gradients),
        cmocka_unit_test(trains_to_the_same_weights),
    };
    struct dirent **files;
    int n_files = scandir(folder, &files, is_golden, alphasort), failures = 0;

    if (n_files <= 0) {
        fprintf(stderr, "%s: no golden files\n", folder);
        return 1;
    }
    for (int i = 0; i < n_files; i++) {
        struct CMUnitTest tests[sizeof each / sizeof each[0]];
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        memcpy(tests, each, sizeof each);
        for (size_t t = 0; t < sizeof each / sizeof each[0]; t++)
            tests[t].initial_state = path;
        failures += cmocka_run_group_tests_name(files[i]->d_name, tests, NULL, NULL);
        free(files[i]);
    }
    free(files);
    return failures == 0 ? 0 : 1;
}
