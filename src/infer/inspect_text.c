/* SPDX-License-Identifier: Apache-2.0 */
/* Which slots the tokens of a text read, and which tokens a slot is read by, as JSON. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/size.h"
#include "base/system.h"
#include "format/json.h"
#include "infer/slot_json.h"
#include "infer/text_stream.h"
#include "memory/memory_config.h"
#include "models/model.h"
#include "pkm/inspect.h"

/* A text on its way: its tokens, and the reads of the memories looked at. */
typedef struct text_view {
    const pkm_gpt *gpt;
    const pkm_inspect_text_config *config;
    const char *path;
    int64_t text_bytes, text_tokens; /* of the whole file */
    int32_t *token_id;               /* [1 + n_tokens] an end of text, then the tokens looked at */
    int64_t n_tokens;
    int n_layers;
    int layer[PKM_LIST_MAX];      /* the blocks looked at */
    int32_t *ids[PKM_LIST_MAX];   /* each [n_tokens, hits] */
    float *weights[PKM_LIST_MAX]; /* each [n_tokens, hits] */
    pkm_progress progress;
    void *user;
} text_view;

static int64_t hits_of(const text_view *view)
{
    return view->gpt->config.memory.heads * view->gpt->config.memory.topk;
}

static bool is_listed(const pkm_int_list *list, int64_t value)
{
    for (int64_t i = 0; i < list->count; i++)
        if (list->value[i] == value)
            return true;
    return false;
}

static pkm_status choose_layers(text_view *view)
{
    const pkm_int_list *has = &view->gpt->config.memory_layers, *wanted = &view->config->layers;

    if (has->count == 0)
        return pkm_fail(PKM_ERR_STATE, "the model has no memory to look at");
    for (int64_t i = 0; i < wanted->count; i++)
        if (!is_listed(has, wanted->value[i]))
            return pkm_fail(PKM_ERR_ARG, "block %lld has no memory: the first that has one is %lld",
                            (long long)wanted->value[i], (long long)has->value[0]);
    for (int64_t i = 0; i < has->count; i++)
        if (wanted->count == 0 || is_listed(wanted, has->value[i]))
            view->layer[view->n_layers++] = (int)has->value[i];
    return PKM_OK;
}

/* Fills token_id from the file. */
static pkm_status encode(text_view *view, const pkm_tokenizer *tokenizer)
{
    pkm_encoder *encoder = NULL;
    const int32_t *ids = NULL;
    int64_t most = view->config->max_tokens;
    char *text = NULL;
    size_t bytes = 0;
    pkm_status status = pkm_file_read(&text, &bytes, view->path, PTRDIFF_MAX);

    if (status == PKM_OK)
        status = pkm_encoder_create(&encoder, tokenizer);
    if (status == PKM_OK)
        status = pkm_encoder_encode(encoder, &ids, &view->text_tokens, text, bytes);
    view->text_bytes = (int64_t)bytes;
    view->n_tokens = most > 0 ? pkm_min_i64(most, view->text_tokens) : view->text_tokens;
    if (status == PKM_OK && view->n_tokens == 0)
        status = pkm_fail(PKM_ERR_ARG, "%s: the text is empty", view->path);
    if (status == PKM_OK)
        status = pkm_alloc_array((void **)&view->token_id, pkm_size_sum((size_t)view->n_tokens, 1),
                                 sizeof *view->token_id, view->path);
    if (status == PKM_OK) {
        view->token_id[0] = pkm_tokenizer_end_of_text(tokenizer);
        memcpy(view->token_id + 1, ids, (size_t)view->n_tokens * sizeof *ids);
    }
    pkm_encoder_destroy(encoder);
    pkm_free(text);
    return status;
}

static pkm_status make_room(text_view *view)
{
    size_t n_reads = pkm_size_product((size_t)view->n_tokens, (size_t)hits_of(view));
    size_t kept = pkm_size_product(n_reads, sizeof(int32_t) + sizeof(float));
    size_t table = pkm_slot_table_bytes(view->n_tokens, hits_of(view),
                                        pkm_memory_slots(&view->gpt->config.memory));

    PKM_TRY(pkm_memory_check(pkm_size_sum(pkm_size_product((size_t)view->n_layers, kept), table),
                             "looking at what the text reads", "look at fewer tokens or layers"));
    for (int i = 0; i < view->n_layers; i++) {
        PKM_TRY(pkm_alloc_array((void **)&view->ids[i], n_reads, sizeof(int32_t), "reads"));
        PKM_TRY(pkm_alloc_array((void **)&view->weights[i], n_reads, sizeof(float), "reads"));
    }
    return PKM_OK;
}

/* A pkm_reads_sink: keeps what tokens of the text read, the end of text before it left out. */
static void keep(const pkm_reads *reads, void *user)
{
    text_view *view = user;
    int64_t hits = hits_of(view), skip = reads->first == 0 ? 1 : 0;
    int64_t place = (reads->first + skip - 1) * hits;
    size_t count = (size_t)((reads->n_tokens - skip) * hits);

    for (int i = 0; i < view->n_layers; i++) {
        if (view->layer[i] != reads->layer)
            continue;
        memcpy(view->ids[i] + place, reads->ids + skip * hits, count * sizeof(int32_t));
        memcpy(view->weights[i] + place, reads->weights + skip * hits, count * sizeof(float));
    }
}

static int tell_progress(const char *phase, uint64_t done, uint64_t total, void *user)
{
    const text_view *view = user;

    return view->progress != NULL ? view->progress(phase, done, total, view->user) : 0;
}

static void release(text_view *view)
{
    pkm_free(view->token_id);
    for (int i = 0; i < view->n_layers; i++) {
        pkm_free(view->ids[i]);
        pkm_free(view->weights[i]);
    }
}

/* Bytes of tokens on their way to text that can be shown. */
typedef struct shown_text {
    pkm_text_stream stream;
    pkm_strbuf whole; /* what became whole since it was last written */
    pkm_status status;
} shown_text;

static int take_whole(const char *text, size_t bytes, void *user)
{
    shown_text *shown = user;

    shown->status = pkm_strbuf_append(&shown->whole, text, bytes);
    return shown->status != PKM_OK;
}

/* Writes what the bytes make whole as a JSON string; last: no more will come. */
static pkm_status append_shown(pkm_strbuf *out, shown_text *shown, const void *data, size_t bytes,
                               bool last)
{
    json_t *string;
    pkm_status status;

    PKM_TRY(pkm_text_stream_push(&shown->stream, data, bytes));
    if (last)
        PKM_TRY(pkm_text_stream_finish(&shown->stream));
    PKM_TRY(shown->status);
    string = json_stringn(shown->whole.length > 0 ? shown->whole.data : "", shown->whole.length);
    status = string == NULL ? pkm_json_no_memory() : pkm_json_append(out, string, JSON_ENCODE_ANY);
    json_decref(string);
    if (shown->whole.length > 0)
        pkm_strbuf_clear(&shown->whole);
    return status;
}

static void shown_release(shown_text *shown)
{
    pkm_text_stream_release(&shown->stream);
    pkm_strbuf_release(&shown->whole);
}

static pkm_status append_path(pkm_strbuf *out, const char *path)
{
    shown_text shown = {0};
    pkm_status status = pkm_text_stream_init(&shown.stream, NULL, 0, take_whole, &shown);

    if (status == PKM_OK)
        status = append_shown(out, &shown, path, strlen(path), true);
    shown_release(&shown);
    return status;
}

/* "tokens": [{"id", "byte", "bytes", "text"}] */
static pkm_status append_tokens(pkm_strbuf *out, const text_view *view,
                                const pkm_tokenizer *tokenizer)
{
    shown_text shown = {0};
    int64_t byte = 0;
    pkm_status status = pkm_text_stream_init(&shown.stream, NULL, 0, take_whole, &shown);

    if (status == PKM_OK)
        status = pkm_strbuf_printf(out, "\"tokens\": [");
    for (int64_t i = 0; i < view->n_tokens && status == PKM_OK; i++) {
        int32_t id = view->token_id[1 + i];
        const unsigned char *data = NULL;
        size_t bytes = 0;

        status = pkm_tokenizer_token(tokenizer, id, &data, &bytes);
        if (status == PKM_OK)
            status =
                pkm_strbuf_printf(out, "%s{\"id\": %d, \"byte\": %lld, \"bytes\": %zu, \"text\": ",
                                  i > 0 ? ",\n" : "", id, (long long)byte, bytes);
        if (status == PKM_OK)
            status = append_shown(out, &shown, data, bytes, i + 1 == view->n_tokens);
        if (status == PKM_OK)
            status = pkm_strbuf_append(out, "}", 1);
        byte += (int64_t)bytes;
    }
    shown_release(&shown);
    return status != PKM_OK ? status : pkm_strbuf_printf(out, "]");
}

/* One element of "memory". */
static pkm_status append_memory(pkm_strbuf *out, const text_view *view, int index)
{
    const pkm_memory_config *memory = &view->gpt->config.memory;
    const pkm_text_reads reads = {.n_tokens = view->n_tokens,
                                  .heads = memory->heads,
                                  .topk = memory->topk,
                                  .ids = view->ids[index],
                                  .weights = view->weights[index],
                                  .token_id = view->token_id + 1};
    pkm_slot_table table;
    pkm_status status;

    PKM_TRY(pkm_slot_table_create(&table, &reads, view->config->top));
    status = pkm_strbuf_printf(
        out, "%s{\"layer\": %d, \"n_keys\": %lld, \"heads\": %lld, \"topk\": %lld, ",
        index > 0 ? ",\n" : "", view->layer[index], (long long)memory->n_keys,
        (long long)memory->heads, (long long)memory->topk);
    if (status == PKM_OK)
        status = pkm_slot_json(out, &table, &reads, view->config->contexts);
    pkm_slot_table_release(&table);
    return status != PKM_OK ? status : pkm_strbuf_printf(out, "}");
}

static pkm_status append_view(pkm_strbuf *out, const text_view *view,
                              const pkm_tokenizer *tokenizer)
{
    PKM_TRY(pkm_strbuf_printf(out, "{\"file\": "));
    PKM_TRY(append_path(out, view->path));
    PKM_TRY(pkm_strbuf_printf(out, ", \"file_bytes\": %lld, \"file_tokens\": %lld,\n",
                              (long long)view->text_bytes, (long long)view->text_tokens));
    PKM_TRY(append_tokens(out, view, tokenizer));
    PKM_TRY(pkm_strbuf_printf(out, ",\n\"memory\": ["));
    for (int i = 0; i < view->n_layers; i++)
        PKM_TRY(append_memory(out, view, i));
    return pkm_strbuf_printf(out, "]}");
}

static pkm_status check_config(const pkm_inspect_text_config *config)
{
    PKM_TRY(pkm_check_range("max_tokens", config->max_tokens, 0, INT32_MAX - 1));
    PKM_TRY(pkm_check_range("top", config->top, 1, INT32_MAX));
    return pkm_check_range("contexts", config->contexts, 1, INT32_MAX);
}

pkm_status pkm_model_inspect_text(pkm_model *model, char **out, const char *path,
                                  const pkm_inspect_text_config *config, pkm_progress progress,
                                  void *user)
{
    const pkm_tokenizer *tokenizer = pkm_model_tokenizer(model);
    text_view view = {
        .gpt = model->gpt, .config = config, .path = path, .progress = progress, .user = user};
    pkm_strbuf text = {0};
    pkm_status status;

    PKM_TRY(check_config(config));
    if (tokenizer == NULL)
        return pkm_fail(PKM_ERR_STATE, "the model has no tokenizer.json: text cannot be encoded");
    status = choose_layers(&view);
    if (status == PKM_OK)
        status = encode(&view, tokenizer);
    if (status == PKM_OK)
        status = make_room(&view);
    if (status == PKM_OK)
        status =
            pkm_model_reads(model, view.token_id, view.n_tokens + 1, keep, tell_progress, &view);
    if (status == PKM_OK)
        status = append_view(&text, &view, tokenizer);
    release(&view);
    if (status != PKM_OK) {
        pkm_strbuf_release(&text);
        return status;
    }
    *out = text.data;
    return PKM_OK;
}
