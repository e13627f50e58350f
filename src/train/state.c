/* SPDX-License-Identifier: Apache-2.0 */
#include "train/state.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/file.h"
#include "format/json.h"

enum { STATE_FORMAT = 1, MAX_STATE_BYTES = 1 << 20 };

void pkm_train_state_release(pkm_train_state *state)
{
    pkm_free(state->data_hash);
    pkm_free(state->options);
    *state = (pkm_train_state){0};
}

/* options: taken over. */
static json_t *state_json(const pkm_train_state *state, const char *isa, json_t *options)
{
    bool evaluated = isfinite(state->best_val_loss);

    return json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, "
        "s:f, s:I, s:I, s:s, s:o}",
        "format", (int)STATE_FORMAT, "pkm_version", PKM_VERSION, "isa", isa, "dense",
        pkm_dense_provider(), "step", (json_int_t)state->step, "tokens", (json_int_t)state->tokens,
        "wall", state->wall, "smoothed_loss", state->smoothed_loss, "loss_deviation",
        state->loss_deviation, "smoothed_norm", state->smoothed_norm, "observed",
        (json_int_t)state->observed, "skipped", (json_int_t)state->skipped, "skipped_in_row",
        (json_int_t)state->skipped_in_row, "rewinds", (json_int_t)state->rewinds, "best_val_loss",
        evaluated ? state->best_val_loss : 0.0, "best_step", (json_int_t)state->best_step,
        "metrics_bytes", (json_int_t)state->metrics_bytes, "data_hash", state->data_hash, "options",
        options);
}

pkm_status pkm_train_state_save(const char *dir, const pkm_train_state *state)
{
    pkm_isa isa;
    char *path;
    json_t *options, *root;
    pkm_status status;

    PKM_TRY(pkm_isa_current(&isa));
    PKM_TRY(pkm_json_parse(&options, state->options, strlen(state->options), "options"));
    root = state_json(state, pkm_isa_name(isa), options);
    if (root == NULL)
        return pkm_json_no_memory();
    status = pkm_path_join(&path, dir, "state.json");
    if (status == PKM_OK) {
        status = pkm_json_save(root, path);
        pkm_free(path);
    }
    json_decref(root);
    return status;
}

/* *out = value on one line, owned by the caller. */
static pkm_status compact_text(char **out, const json_t *value)
{
    pkm_strbuf text = {0};
    pkm_status status = pkm_json_append(&text, value, JSON_COMPACT);

    if (status != PKM_OK)
        pkm_strbuf_release(&text);
    *out = text.data;
    return status;
}

static pkm_status read_fields(pkm_train_state *out, const json_t *root, const char *path)
{
    const double most = DBL_MAX;
    const json_t *options;
    const char *hash, *isa, *dense;

    PKM_TRY(pkm_json_version(root, "format", STATE_FORMAT, path));
    PKM_TRY(pkm_json_int(root, "step", 0, UINT32_MAX, true, &out->step, path));
    PKM_TRY(pkm_json_int(root, "tokens", 0, INT64_MAX, true, &out->tokens, path));
    PKM_TRY(pkm_json_real(root, "wall", 0, most, true, &out->wall, path));
    PKM_TRY(pkm_json_real(root, "smoothed_loss", -most, most, true, &out->smoothed_loss, path));
    PKM_TRY(pkm_json_real(root, "loss_deviation", 0, most, false, &out->loss_deviation, path));
    PKM_TRY(pkm_json_real(root, "smoothed_norm", 0, most, false, &out->smoothed_norm, path));
    PKM_TRY(pkm_json_int(root, "observed", 0, out->step, false, &out->observed, path));
    PKM_TRY(pkm_json_int(root, "skipped", 0, out->step, false, &out->skipped, path));
    PKM_TRY(
        pkm_json_int(root, "skipped_in_row", 0, out->skipped, false, &out->skipped_in_row, path));
    PKM_TRY(pkm_json_int(root, "rewinds", 0, UINT32_MAX, false, &out->rewinds, path));
    PKM_TRY(pkm_json_real(root, "best_val_loss", -most, most, true, &out->best_val_loss, path));
    PKM_TRY(pkm_json_int(root, "best_step", 0, out->step, true, &out->best_step, path));
    PKM_TRY(pkm_json_int(root, "metrics_bytes", 0, INT64_MAX, true, &out->metrics_bytes, path));
    PKM_TRY(pkm_json_string(root, "data_hash", true, &hash, path));
    PKM_TRY(pkm_json_string(root, "isa", true, &isa, path));
    PKM_TRY(pkm_json_string(root, "dense", true, &dense, path));
    snprintf(out->isa, sizeof out->isa, "%s", isa);
    snprintf(out->dense, sizeof out->dense, "%s", dense);
    PKM_TRY(pkm_json_object(root, "options", true, &options, path));
    if (out->best_step == 0)
        out->best_val_loss = INFINITY;
    PKM_TRY(pkm_string_copy(&out->data_hash, hash));
    return compact_text(&out->options, options);
}

pkm_status pkm_train_state_load(pkm_train_state *out, const char *dir)
{
    pkm_train_state state = {0};
    char *path;
    json_t *root = NULL;
    pkm_status status;

    PKM_TRY(pkm_path_join(&path, dir, "state.json"));
    status = pkm_json_load(&root, path, MAX_STATE_BYTES);
    if (status == PKM_OK)
        status = read_fields(&state, root, path);
    json_decref(root);
    pkm_free(path);
    if (status != PKM_OK) {
        pkm_train_state_release(&state);
        return status;
    }
    *out = state;
    return PKM_OK;
}
