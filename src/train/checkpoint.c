/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "models/model_dir.h"
#include "train/manifest.h"
#include "train/moments.h"
#include "train/state.h"

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

pkm_status pkm_checkpoint_save(const char *dir, const pkm_gpt *gpt, const pkm_train_state *state,
                               const char *tokenizer, size_t tokenizer_bytes)
{
    static const char *const names[] = {
        "config.json", "tokenizer.json", "model.safetensors", "optim.safetensors", "state.json",
    };
    char temporary[4096];
    pkm_status status;

    if (snprintf(temporary, sizeof temporary, "%s.tmp-%ld", dir, (long)getpid()) >=
        (int)sizeof temporary)
        return pkm_fail(PKM_ERR_ARG, "%s: the path is too long", dir);
    PKM_TRY(pkm_directory_remove(temporary));
    status = pkm_directory_create(temporary);
    if (status == PKM_OK)
        status = write_files(temporary, gpt, state, tokenizer, tokenizer_bytes);
    if (status == PKM_OK)
        status = pkm_manifest_write(temporary, names, (int)(sizeof names / sizeof names[0]));
    if (status == PKM_OK)
        status = pkm_directory_sync(temporary);
    /* One of this step that is there already was found damaged: training would have gone on from
     * it. */
    if (status == PKM_OK)
        status = pkm_directory_remove(dir);
    if (status == PKM_OK && pkm_io()->rename(temporary, dir) != 0)
        status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename the checkpoint", dir);
    if (status != PKM_OK) {
        char message[1024];

        /* The first failure is the one to tell. */
        snprintf(message, sizeof message, "%s", pkm_last_error());
        (void)pkm_directory_remove(temporary);
        return pkm_fail(status, "%s", message);
    }
    return PKM_OK;
}

pkm_status pkm_checkpoint_load_state(pkm_train_state *out, const char *dir)
{
    PKM_TRY(pkm_manifest_check(dir));
    return pkm_train_state_load(out, dir);
}

pkm_status pkm_checkpoint_load_tensors(pkm_gpt *gpt, const char *dir)
{
    PKM_TRY(pkm_model_dir_load_weights(gpt, dir, false));
    return pkm_moments_load(gpt, dir);
}
