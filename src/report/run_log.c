/* SPDX-License-Identifier: Apache-2.0 */
#include "report/run_log.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/size.h"
#include "format/json.h"
#include "format/lines.h"
#include "infer/utf8.h"

enum { MAX_LINE = 16 << 20, MAX_MEMORIES = 1024 };

static const double largest = 1e30; /* of any figure: sums of them stay finite */
static const double counts = 9007199254740992.0;

/* ---- a memory of an evaluation ---- */

/* The log of the memory in this layer, made when it is first met. */
static pkm_status find_memory(pkm_run_log *log, pkm_memory_log **out, int64_t layer,
                              const char *path)
{
    size_t larger = pkm_size_sum((size_t)log->n_memories, 1);

    for (int i = 0; i < log->n_memories; i++)
        if (log->memories[i].layer == layer) {
            *out = &log->memories[i];
            return PKM_OK;
        }
    if (log->n_memories == MAX_MEMORIES)
        return pkm_fail(PKM_ERR_FORMAT, "%s: more than %d memories", path, MAX_MEMORIES);
    PKM_TRY(pkm_alloc_grow((void **)&log->memories, (size_t)log->n_memories, larger,
                           sizeof *log->memories, "a memory's log"));
    *out = &log->memories[log->n_memories++];
    **out = (pkm_memory_log){.layer = layer};
    return PKM_OK;
}

static pkm_status take_place(pkm_memory_log *memory, const json_t *pair, const char *path)
{
    const json_t *rank = json_array_get(pair, 0), *mass = json_array_get(pair, 1);
    int n = memory->n_ranks;
    double before = n > 0 ? memory->rank[n - 1] : 0;

    if (!json_is_integer(rank) || !json_is_number(mass) || json_array_size(pair) != 2 ||
        json_number_value(rank) <= before || json_number_value(rank) > (double)memory->slots ||
        json_number_value(mass) < 0 || json_number_value(mass) > 1)
        return pkm_fail(PKM_ERR_FORMAT,
                        "%s: mass_curve: pair %d is not a rank, ascending to %lld, and a share "
                        "from 0 to 1",
                        path, n, (long long)memory->slots);
    memory->rank[n] = json_number_value(rank);
    memory->mass[n] = json_number_value(mass);
    memory->n_ranks++;
    return PKM_OK;
}

static pkm_status take_curve(pkm_memory_log *memory, const json_t *entry, const char *path)
{
    const json_t *curve = NULL;

    PKM_TRY(pkm_json_array(entry, "mass_curve", false, &curve, path));
    memory->n_ranks = 0;
    if (json_array_size(curve) > PKM_USAGE_RANKS)
        return pkm_fail(PKM_ERR_FORMAT, "%s: mass_curve has %zu pairs: expected at most %d", path,
                        json_array_size(curve), PKM_USAGE_RANKS);
    for (size_t i = 0; i < json_array_size(curve); i++)
        PKM_TRY(take_place(memory, json_array_get(curve, i), path));
    return PKM_OK;
}

static pkm_status take_memory(pkm_run_log *log, const json_t *entry, pkm_point point,
                              const char *path)
{
    double used, top1_used, kl;
    int64_t layer;
    pkm_memory_log *memory;

    if (!json_is_object(entry))
        return pkm_fail(PKM_ERR_FORMAT, "%s: memory: expected a list of objects", path);
    PKM_TRY(pkm_json_int(entry, "layer", 0, MAX_MEMORIES - 1, true, &layer, path));
    PKM_TRY(find_memory(log, &memory, layer, path));
    PKM_TRY(pkm_json_int(entry, "slots", 1, INT_MAX, true, &memory->slots, path));
    PKM_TRY(pkm_json_real(entry, "used", 0, 1, true, &used, path));
    PKM_TRY(pkm_json_real(entry, "top1_used", 0, 1, true, &top1_used, path));
    PKM_TRY(pkm_json_real(entry, "kl", -1, largest, true, &kl, path));
    point.value = used;
    PKM_TRY(pkm_series_add(&memory->used, point));
    point.value = top1_used;
    PKM_TRY(pkm_series_add(&memory->top1_used, point));
    point.value = kl;
    PKM_TRY(pkm_series_add(&memory->kl, point));
    return take_curve(memory, entry, path);
}

/* ---- lines ---- */

/* A figure under `key`, if it is there: its last value, and a point. */
static pkm_status take_figure(const json_t *line, const char *key, pkm_series *series, double *last,
                              pkm_point point, const char *path)
{
    if (json_object_get(line, key) == NULL)
        return PKM_OK;
    PKM_TRY(pkm_json_real(line, key, -largest, largest, true, &point.value, path));
    *last = point.value;
    return pkm_series_add(series, point);
}

static pkm_status take_object(pkm_run_log *log, const json_t *line, const char *path)
{
    const json_t *memory = NULL;
    pkm_point point;
    double rate = NAN, val = NAN;

    PKM_TRY(pkm_json_real(line, "step", 0, counts, true, &point.step, path));
    PKM_TRY(pkm_json_real(line, "tokens", 0, counts, true, &point.tokens, path));
    PKM_TRY(pkm_json_real(line, "wall", 0, largest, false, &log->wall, path));
    log->step = point.step;
    log->tokens = point.tokens;
    log->n_incidents += json_object_get(line, "event") != NULL;
    PKM_TRY(take_figure(line, "loss", &log->loss, &log->last_loss, point, path));
    PKM_TRY(take_figure(line, "tok_per_s", &log->tok_per_s, &rate, point, path));
    PKM_TRY(take_figure(line, "val_loss", &log->val_loss, &val, point, path));
    if (!isnan(val)) {
        log->last_val = val;
        log->best_val = isnan(log->best_val) ? val : fmin(log->best_val, val);
    }
    PKM_TRY(pkm_json_array(line, "memory", false, &memory, path));
    for (size_t i = 0; i < json_array_size(memory); i++)
        PKM_TRY(take_memory(log, json_array_get(memory, i), point, path));
    return PKM_OK;
}

typedef struct log_reader {
    pkm_run_log *log;
    const char *path;
} log_reader;

static pkm_status take_line(const char *line, size_t bytes, int64_t number, void *user)
{
    const log_reader *reader = user;
    char place[PATH_MAX + 32];
    json_t *object;
    pkm_status status;

    snprintf(place, sizeof place, "%s:%lld", reader->path, (long long)number);
    PKM_TRY(pkm_json_parse(&object, line, bytes, place));
    status = json_is_object(object) ? take_object(reader->log, object, place)
                                    : pkm_fail(PKM_ERR_FORMAT, "%s: expected an object", place);
    json_decref(object);
    return status;
}

static void end_all(pkm_run_log *log)
{
    pkm_series_end(&log->loss);
    pkm_series_end(&log->val_loss);
    pkm_series_end(&log->tok_per_s);
    for (int i = 0; i < log->n_memories; i++) {
        pkm_series_end(&log->memories[i].used);
        pkm_series_end(&log->memories[i].top1_used);
        pkm_series_end(&log->memories[i].kl);
    }
}

pkm_status pkm_run_log_load(pkm_run_log *out, const char *dir, const char *name)
{
    pkm_run_log log = {.wall = NAN, .last_loss = NAN, .last_val = NAN, .best_val = NAN};
    log_reader reader = {.log = &log};
    char *path;
    pkm_status status;

    PKM_TRY(pkm_path_join(&path, dir, "metrics.jsonl"));
    reader.path = path;
    status = pkm_label(&log.name, name);
    if (status == PKM_OK)
        status = pkm_lines_read(path, MAX_LINE, take_line, &reader);
    pkm_free(path);
    if (status != PKM_OK) {
        pkm_run_log_release(&log);
        return status;
    }
    end_all(&log);
    *out = log;
    return PKM_OK;
}

void pkm_run_log_release(pkm_run_log *log)
{
    for (int i = 0; i < log->n_memories; i++) {
        pkm_series_release(&log->memories[i].used);
        pkm_series_release(&log->memories[i].top1_used);
        pkm_series_release(&log->memories[i].kl);
    }
    pkm_free(log->memories);
    pkm_series_release(&log->loss);
    pkm_series_release(&log->val_loss);
    pkm_series_release(&log->tok_per_s);
    pkm_free(log->name);
    *log = (pkm_run_log){0};
}

pkm_status pkm_label(char **out, const char *text)
{
    size_t bytes = strlen(text), used = 0;
    bool valid;

    PKM_TRY(pkm_string_copy(out, text)); /* never longer */
    while (bytes > 0) {
        size_t piece = pkm_utf8_piece(text, bytes, &valid);

        if (piece == 0 || !valid || (unsigned char)text[0] < ' ' || text[0] == 0x7f) {
            piece = piece == 0 ? bytes : piece;
            (*out)[used++] = '?';
        } else {
            memcpy(*out + used, text, piece);
            used += piece;
        }
        text += piece;
        bytes -= piece;
    }
    while (used > 1 && (*out)[used - 1] == '/')
        used--;
    (*out)[used] = '\0';
    return PKM_OK;
}
