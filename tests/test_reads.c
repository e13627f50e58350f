/* SPDX-License-Identifier: Apache-2.0 */
/* What memories read: the observer of the layer, reads of a model, and the report on a text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/threads.h"
#include "format/json.h"
#include "memory/layer_parts.h"
#include "memory/memory_parts.h"
#include "models/model.h"
#include "pkm/inspect.h"
#include "support/check.h"
#include "support/run.h"

/* Of the small model: two blocks with memories of 64 slots. */
enum { LAYERS = 2, HEADS = 2, TOPK = 4, HITS = HEADS * TOPK, SLOTS = 64, SEQ_LEN = 16 };
/* Tokens scored side by side, and more than these. */
enum { BATCH = 4096, MANY = 5000 };

static small_world world;
static pkm_model *model;
static char *text_path;

static int make_model(void **state)
{
    static const char *const options[] = {"memory_layers", "0,1", NULL};
    char *dir;

    (void)state;
    small_world_create(&world);
    check_ok(small_train(&world, "run", false, 0, options));
    dir = small_world_run(&world, "run");
    check_ok(pkm_model_load(&model, dir, NULL));
    pkm_free(dir);
    text_path = small_world_run(&world, "read.txt");
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    pkm_free(text_path);
    pkm_model_destroy(model);
    small_world_destroy(&world);
    return 0;
}

/* Everything a model read. */
typedef struct all_reads {
    int64_t n_tokens[LAYERS];
    int32_t ids[LAYERS][MANY][HITS];
    float weights[LAYERS][MANY][HITS];
} all_reads;

static void collect(const pkm_reads *reads, void *user)
{
    all_reads *all = user;
    int64_t *count = &all->n_tokens[reads->layer];
    size_t bytes = (size_t)(reads->n_tokens * HITS) * sizeof(float);

    assert_int_equal(reads->heads, HEADS);
    assert_int_equal(reads->topk, TOPK);
    assert_int_equal(reads->slots, SLOTS);
    assert_int_equal(reads->first, *count);
    memcpy(all->ids[reads->layer][*count], reads->ids, bytes);
    memcpy(all->weights[reads->layer][*count], reads->weights, bytes);
    *count += reads->n_tokens;
}

static void draw_ids(int32_t *ids, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * i * 31 + i * 7) % 320);
}

static all_reads *read_all(const int32_t *ids, int64_t n)
{
    all_reads *all = calloc(1, sizeof *all);

    check_ok(pkm_model_reads(model, ids, n, collect, NULL, all));
    return all;
}

typedef struct seen {
    const pkm_memory *memory;
    int64_t n_rows;
    int calls;
} seen;

static void compare(const int32_t *ids, const float *weights, int64_t n_rows, void *user)
{
    seen *self = user;

    self->n_rows = n_rows;
    self->calls++;
    assert_ptr_equal(ids, self->memory->saved[1]);
    assert_ptr_equal(weights, self->memory->saved[2]);
    for (int64_t i = 0; i < n_rows * HITS; i++)
        assert_in_range(ids[i], 0, SLOTS - 1);
    for (int64_t i = 0; i < n_rows * HEADS; i++) {
        double sum = 0;

        for (int64_t j = 0; j < TOPK; j++) {
            sum += (double)weights[i * TOPK + j];
            assert_true(j == 0 || weights[i * TOPK + j] <= weights[i * TOPK + j - 1]);
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
}

/* The observer gets what the layer leaves for backward, of real rows only, until it is sent away.
 */
static void test_the_observer_sees_what_the_layer_reads(void **state)
{
    const pkm_memory_config config = {
        .dim = 12, .heads = HEADS, .n_keys = 8, .key_dim = 6, .topk = TOPK};
    unsigned char mask[5] = {1, 0, 1, 1, 0};
    float x[5 * 12], y[5 * 12];
    pkm_memory_options options;
    pkm_memory *memory;
    seen self = {0};

    (void)state;
    fill_normal(x, 5 * 12, 3);
    pkm_memory_options_init(&options);
    check_ok(pkm_memory_create(&memory, &config, &options, NULL));
    self.memory = memory;
    pkm_memory_layer_observe(memory->layer, compare, &self);
    check_ok(pkm_memory_forward(memory, y, x, 5, NULL, false));
    assert_int_equal(self.n_rows, 5);
    check_ok(pkm_memory_forward(memory, y, x, 5, mask, true));
    assert_int_equal(self.n_rows, 3);
    memset(mask, 0, sizeof mask);
    check_ok(pkm_memory_forward(memory, y, x, 5, mask, false));
    pkm_memory_layer_observe(memory->layer, NULL, NULL);
    check_ok(pkm_memory_forward(memory, y, x, 5, NULL, false));
    assert_int_equal(self.calls, 2);
    pkm_memory_destroy(memory);
}

/* All tokens in order, of both memories, over several batches; the same for any number of threads
 * and for a part of the tokens; in each head the weights sum to 1. */
static void test_all_tokens_of_all_memories(void **state)
{
    int32_t *ids = calloc(MANY, sizeof *ids);
    all_reads *all, *again, *part;

    (void)state;
    draw_ids(ids, MANY);
    all = read_all(ids, MANY);
    check_ok(pkm_threads_set(3));
    again = read_all(ids, MANY);
    check_ok(pkm_threads_set(0));
    part = read_all(ids, 2 * SEQ_LEN + 3);
    assert_memory_equal(all, again, sizeof *all);
    for (int layer = 0; layer < LAYERS; layer++) {
        assert_int_equal(all->n_tokens[layer], MANY);
        assert_int_equal(part->n_tokens[layer], 2 * SEQ_LEN + 3);
        assert_memory_equal(part->ids[layer], all->ids[layer],
                            (2 * SEQ_LEN + 3) * sizeof all->ids[0][0]);
        for (int64_t i = 0; i < MANY * HEADS; i++) {
            const float *weights = &all->weights[layer][0][0] + i * TOPK;

            assert_true(fabsf(weights[0] + weights[1] + weights[2] + weights[3] - 1) < 1e-5f);
        }
    }
    free(part);
    free(again);
    free(all);
    free(ids);
}

static int cancel(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)what, (void)done, (void)total, (void)user;
    return 1;
}

/* Whatever happens, nobody looks any more. */
static void test_refusals_leave_no_observer(void **state)
{
    int32_t ids[3] = {1, 2, 3};
    all_reads *all = calloc(1, sizeof *all);
    float *value = model->gpt->memories[1]->query_bias->data, kept = value[0];

    (void)state;
    check_ok(pkm_model_reads(model, ids, 0, collect, NULL, all));
    check_fails(pkm_model_reads(model, ids, -1, collect, NULL, all), PKM_ERR_ARG, "n_tokens", NULL);
    check_fails(pkm_model_reads(model, ids, 3, collect, cancel, all), PKM_ERR_CANCELLED,
                "cancelled", NULL);
    assert_int_equal(all->n_tokens[1], 3);
    ids[1] = 320;
    check_fails(pkm_model_reads(model, ids, 3, collect, NULL, all), PKM_ERR_ARG, "320", NULL);
    ids[1] = 2;
    memset(all, 0, sizeof *all);
    value[0] = NAN;
    check_fails(pkm_model_reads(model, ids, 3, collect, NULL, all), PKM_ERR_NUMERIC, "h.1", NULL);
    value[0] = kept;
    for (int i = 0; i < LAYERS; i++)
        assert_null(model->gpt->memories[i]->observer);
    free(all);
}

/* A batch whose loss is not finite runs twice; the sink is shown it once. */
static void test_a_batch_that_runs_again_is_shown_once(void **state)
{
    int32_t *ids = calloc(MANY, sizeof *ids);
    all_reads *all = calloc(1, sizeof *all);
    float *weight = pkm_params_find(model->gpt->params, "ln_f.weight")->data, kept = weight[0];

    (void)state;
    weight[0] = INFINITY;
    assert_int_equal(pkm_model_reads(model, ids, MANY, collect, NULL, all), PKM_ERR_NUMERIC);
    weight[0] = kept;
    assert_int_equal(all->n_tokens[0], BATCH);
    assert_int_equal(all->n_tokens[1], BATCH);
    free(all);
    free(ids);
}

static const char sample[] = "memory value layer query\n</script> a slot of the row caf\xc3\xa9 "
                             "\xf0\x9f\x8e\x89 \xff\x01 memory";

static json_t *report_on(const char *text, size_t bytes, const pkm_inspect_text_config *config)
{
    json_t *root = NULL;
    char *json = NULL;

    check_ok(pkm_file_write(text_path, text, bytes));
    check_ok(pkm_model_inspect_text(model, &json, text_path, config, NULL, NULL));
    check_ok(pkm_json_parse(&root, json, strlen(json), "report"));
    pkm_text_free(json);
    return root;
}

static const json_t *at(const json_t *array, size_t index)
{
    return json_array_get(array, index);
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Texts of the tokens joined are the text as it can be shown; their bytes lie side by side. */
static void check_tokens(const json_t *tokens)
{
    pkm_strbuf joined = {0};
    double byte = 0;

    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const json_t *text = json_object_get(at(tokens, i), "text");

        check_ok(pkm_strbuf_append(&joined, json_string_value(text), json_string_length(text)));
        assert_true(number(at(tokens, i), "byte") == byte);
        byte += number(at(tokens, i), "bytes");
    }
    assert_true(byte == (double)(sizeof sample - 1));
    assert_string_equal(joined.data, "memory value layer query\n</script> a slot of the row "
                                     "caf\xc3\xa9 \xf0\x9f\x8e\x89 \xef\xbf\xbd\x01 memory");
    pkm_strbuf_release(&joined);
}

/* The reads told of a token are those of the model, by head. */
static void check_reads(const json_t *told, const int32_t ids[HITS], const float weights[HITS])
{
    const json_t *reads = json_object_get(told, "reads");
    double mass = 0, before = INFINITY;

    for (size_t i = 0; i < json_array_size(reads); i++) {
        const json_t *read = at(reads, i);
        double weight = json_number_value(at(read, 1)), sum = 0;

        for (int head = 0; head < HEADS; head++) {
            double want = 0;

            for (int j = 0; j < TOPK; j++)
                if (ids[head * TOPK + j] == json_integer_value(at(read, 0)))
                    want = (double)weights[head * TOPK + j];
            assert_true(fabs(json_number_value(at(at(read, 2), (size_t)head)) - want) < 1e-5);
            sum += want;
        }
        assert_true(fabs(weight - sum) < 1e-5 && weight <= before && weight > 0);
        mass += before = weight;
    }
    assert_true(fabs(mass - HEADS) < 1e-4 && fabs(number(told, "mass") - HEADS) < 1e-4);
}

/* p(s, t) summed by hand: the weight that tokens of one id give to one slot. */
static double joint(const json_t *tokens, const json_t *told, int64_t id, int64_t slot)
{
    double sum = 0;

    for (size_t i = 0; i < json_array_size(told); i++) {
        const json_t *reads = json_object_get(at(told, i), "reads");

        if (id >= 0 && number(at(tokens, i), "id") != (double)id)
            continue;
        for (size_t j = 0; j < json_array_size(reads); j++)
            if (slot < 0 || json_integer_value(at(at(reads, j), 0)) == slot)
                sum += json_number_value(at(at(reads, j), 1));
    }
    return sum;
}

static void check_slot(const json_t *tokens, const json_t *memory, const json_t *slot)
{
    const json_t *told = json_object_get(memory, "tokens");
    const json_t *contexts = json_object_get(slot, "contexts");
    int64_t id = (int64_t)number(slot, "slot");
    double total = joint(tokens, told, -1, -1), mass = joint(tokens, told, -1, id), sum = 0;
    int distinct = 0;

    for (int64_t token = 0; token < 320; token++) {
        double both = joint(tokens, told, token, id);

        distinct += both > 0;
        if (both > 0)
            sum += both / total * log(both * total / (mass * joint(tokens, told, token, -1)));
    }
    assert_true(fabs(number(slot, "mass") - mass) < 1e-4);
    assert_true(fabs(number(slot, "information") - sum) < 1e-5);
    assert_int_equal((int)number(slot, "distinct"), distinct);
    assert_true(json_array_size(contexts) == 3 ||
                json_array_size(contexts) == (size_t)number(slot, "readers"));
    for (size_t i = 1; i < json_array_size(contexts); i++)
        assert_true(json_number_value(at(at(contexts, i), 1)) <=
                    json_number_value(at(at(contexts, i - 1), 1)));
}

/* Against the reads themselves, counted out by hand. */
static void test_report_is_what_was_read(void **state)
{
    const pkm_inspect_text_config config = {.top = HITS, .contexts = 3};
    json_t *root = report_on(sample, sizeof sample - 1, &config);
    const json_t *tokens = json_object_get(root, "tokens"),
                 *memories = json_object_get(root, "memory");
    size_t n = json_array_size(tokens);
    int32_t ids[200] = {pkm_tokenizer_end_of_text(pkm_model_tokenizer(model))};
    all_reads *all;

    (void)state;
    check_tokens(tokens);
    for (size_t i = 0; i < n; i++)
        ids[1 + i] = (int32_t)number(at(tokens, i), "id");
    all = read_all(ids, (int64_t)n + 1);
    assert_int_equal(json_array_size(memories), LAYERS);
    for (size_t layer = 0; layer < LAYERS; layer++) {
        const json_t *memory = at(memories, layer), *slots = json_object_get(memory, "slots");

        assert_true(number(memory, "slots_read") == (double)json_array_size(slots));
        assert_true(fabs(number(memory, "mass") - HEADS * (double)n) < 1e-3);
        for (size_t i = 0; i < n; i++)
            check_reads(at(json_object_get(memory, "tokens"), i), all->ids[layer][1 + i],
                        all->weights[layer][1 + i]);
        for (size_t i = 0; i < json_array_size(slots); i++) {
            assert_true(number(at(slots, i), "rank") == (double)i + 1);
            check_slot(tokens, memory, at(slots, i));
        }
    }
    free(all);
    json_decref(root);
}

/* A part of the text, of the slots, of the layers; slots that no token tells of are left out. */
static void test_report_on_a_part(void **state)
{
    const pkm_inspect_text_config config = {
        .max_tokens = 5, .top = 1, .contexts = 1, .layers = {.count = 1, .value = {1}}};
    json_t *root = report_on(sample, sizeof sample - 1, &config);
    const json_t *memory = at(json_object_get(root, "memory"), 0);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(root, "tokens")), 5);
    assert_true(number(root, "file_tokens") > 5 && number(root, "file_bytes") == sizeof sample - 1);
    assert_int_equal(json_array_size(json_object_get(root, "memory")), 1);
    assert_int_equal((int)number(memory, "layer"), 1);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(
            json_array_size(json_object_get(at(json_object_get(memory, "tokens"), i), "reads")), 1);
    assert_in_range(json_array_size(json_object_get(memory, "slots")), 1, 5);
    assert_true(number(memory, "slots_read") > 5);
    json_decref(root);
}

/* What is left of a character when the text ends is shown as one that goes wrong. */
static void test_a_text_that_ends_in_a_character(void **state)
{
    const pkm_inspect_text_config config = {.top = 1, .contexts = 1};
    json_t *root = report_on("caf\xc3", 4, &config);
    const json_t *tokens = json_object_get(root, "tokens");
    const json_t *last = at(tokens, json_array_size(tokens) - 1);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(last, "text")), "\xef\xbf\xbd");
    json_decref(root);
}

static void test_report_refusals(void **state)
{
    const pkm_inspect_text_config fine = {.top = 1, .contexts = 1};
    pkm_inspect_text_config wrong = fine;
    char *json = NULL;

    (void)state;
    check_ok(pkm_file_write(text_path, "", 0));
    check_fails(pkm_model_inspect_text(model, &json, text_path, &fine, NULL, NULL), PKM_ERR_ARG,
                "read.txt", "empty", NULL);
    check_fails(pkm_model_inspect_text(model, &json, "/no/such/text", &fine, NULL, NULL),
                PKM_ERR_IO, "/no/such/text", NULL);
    wrong.layers = (pkm_int_list){.count = 1, .value = {7}};
    check_fails(pkm_model_inspect_text(model, &json, text_path, &wrong, NULL, NULL), PKM_ERR_ARG,
                "block 7 has no memory", NULL);
    wrong = (pkm_inspect_text_config){.top = 0, .contexts = 1};
    check_fails(pkm_model_inspect_text(model, &json, text_path, &wrong, NULL, NULL), PKM_ERR_ARG,
                "top is 0", NULL);
    assert_null(json);
}

static bool fail_nth(size_t bytes, void *user)
{
    (void)bytes;
    return --*(int64_t *)user == 0;
}

/* The n-th allocation fails, n = 1, 2, ... until none does: an error, never a part of a report. */
static void test_out_of_memory(void **state)
{
    const pkm_inspect_text_config config = {.top = 2, .contexts = 2};
    bool done = false;
    char *whole;

    (void)state;
    check_ok(pkm_file_write(text_path, sample, sizeof sample - 1));
    check_ok(pkm_model_inspect_text(model, &whole, text_path, &config, NULL, NULL));
    for (int64_t n = 1; !done; n++) {
        int64_t left = n, live = pkm_alloc_live();
        char *json = NULL;
        pkm_status status;

        pkm_alloc_set_hook(fail_nth, &left);
        status = pkm_model_inspect_text(model, &json, text_path, &config, NULL, NULL);
        pkm_alloc_set_hook(NULL, NULL);
        done = left > 0;
        assert_int_equal(status, done ? PKM_OK : PKM_ERR_NOMEM);
        if (done)
            assert_string_equal(json, whole);
        pkm_text_free(json);
        assert_int_equal(pkm_alloc_live(), live);
    }
    pkm_text_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_observer_sees_what_the_layer_reads),
        cmocka_unit_test(test_all_tokens_of_all_memories),
        cmocka_unit_test(test_refusals_leave_no_observer),
        cmocka_unit_test(test_a_batch_that_runs_again_is_shown_once),
        cmocka_unit_test(test_report_is_what_was_read),
        cmocka_unit_test(test_report_on_a_part),
        cmocka_unit_test(test_a_text_that_ends_in_a_character),
        cmocka_unit_test(test_report_refusals),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, make_model, remove_model);
}
