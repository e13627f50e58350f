/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "format/manifest.h"
#include "models/model_dir.h"
#include "train/moments.h"
#include "train/revival.h"
#include "train/state.h"

static const char *const file_names[] = {
    "config.json", "tokenizer.json", "model.safetensors", "optim.safetensors", "state.json",
};

enum { N_FILES = sizeof file_names / sizeof file_names[0] };

/* Everything but the manifest, into an empty folder. */
static pkm_status write_files(const char *dir, const pkm_gpt *gpt, const pkm_train_state *state,
                              const char *tokenizer, size_t tokenizer_bytes)
{
    char *path;
    pkm_status status;

    PKM_TRY(pkm_model_dir_save_config(dir, &gpt->config, state->options));
    PKM_TRY(pkm_path_join(&path, dir, "tokenizer.json"));
    status = pkm_file_write(path, tokenizer, tokenizer_bytes);
    pkm_free(path);
    if (status == PKM_OK)
        status = pkm_model_dir_save_weights(dir, gpt, state->step);
    if (status == PKM_OK)
        status = pkm_moments_save(dir, gpt);
    if (status == PKM_OK)
        status = pkm_train_state_save(dir, state);
    return status;
}

uint64_t pkm_checkpoint_bytes(const pkm_gpt *gpt)
{
    uint64_t bytes = pkm_revival_saved_bytes(gpt);

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);
        uint64_t copies = param->spec.role == PKM_PARAM_DENSE ? 3 : 1;

        bytes += copies * (uint64_t)param->count * pkm_dtype_bytes(param->dtype);
    }
    for (int i = 0; i < gpt->n_stores; i++) {
        pkm_store_moment moments[2];
        int n_moments = pkm_store_moments(gpt->stores[i], moments);

        for (int m = 0; m < n_moments; m++) {
            size_t size = 0;

            (void)pkm_size_shape(moments[m].dims, moments[m].n_dims,
                                 pkm_dtype_bytes(moments[m].dtype), &size);
            bytes += size;
        }
    }
    return bytes;
}

/* Refuses before the first byte what the disk has no room for; beside the tensors come the
 * tokenizer and small files. */
static pkm_status check_space(const char *dir, const pkm_gpt *gpt, size_t tokenizer_bytes)
{
    uint64_t needed = pkm_checkpoint_bytes(gpt) + tokenizer_bytes + (1 << 20), available;

    PKM_TRY(pkm_disk_free(&available, dir));
    if (needed <= available)
        return PKM_OK;
    errno = ENOSPC;
    return pkm_fail_errno(PKM_ERR_IO, "%s: a checkpoint takes %.1f MiB and %.1f MiB are free", dir,
                          (double)needed / 0x1p20, (double)available / 0x1p20);
}

static pkm_status write_folder(const char *dir, const pkm_gpt *gpt, const pkm_train_state *state,
                               const char *tokenizer, size_t tokenizer_bytes)
{
    PKM_TRY(pkm_directory_create(dir));
    PKM_TRY(check_space(dir, gpt, tokenizer_bytes));
    PKM_TRY(write_files(dir, gpt, state, tokenizer, tokenizer_bytes));
    return pkm_manifest_write(dir, file_names, N_FILES); /* syncs the folder too */
}

/* One of this step that is there already was found damaged: training would have gone on from it. */
static pkm_status replace_folder(const char *temporary, const char *dir)
{
    PKM_TRY(pkm_directory_remove(dir));
    if (pkm_io()->rename(temporary, dir) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename the checkpoint to this name", dir);
    return PKM_OK;
}

pkm_status pkm_checkpoint_save(const char *dir, const pkm_gpt *gpt, const pkm_train_state *state,
                               const char *tokenizer, size_t tokenizer_bytes)
{
    char *temporary;
    pkm_status status;

    PKM_TRY(pkm_path_temporary(&temporary, dir));
    status = pkm_directory_remove(temporary);
    if (status == PKM_OK)
        status = write_folder(temporary, gpt, state, tokenizer, tokenizer_bytes);
    if (status == PKM_OK)
        status = replace_folder(temporary, dir);
    if (status != PKM_OK) {
        pkm_error_copy first;

        pkm_error_keep(&first);
        (void)pkm_directory_remove(temporary);
        pkm_error_restore(&first);
    }
    pkm_free(temporary);
    return status;
}

pkm_status pkm_checkpoint_load_state(pkm_train_state *out, const char *dir, pkm_verify_level level)
{
    PKM_TRY(pkm_manifest_check(dir, file_names, N_FILES, level));
    return pkm_train_state_load(out, dir);
}

pkm_status pkm_checkpoint_load_tensors(pkm_gpt *gpt, const char *dir)
{
    PKM_TRY(pkm_model_dir_load_weights(gpt, dir, false));
    return pkm_moments_load(gpt, dir);
}
