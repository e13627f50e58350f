/* SPDX-License-Identifier: Apache-2.0 */
/* pkm_model_quantize: a model directory made of another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/io.h"
#include "base/size.h"
#include "models/model_dir.h"

static pkm_status check_dtype(const char *field, pkm_dtype dtype)
{
    if (dtype != PKM_I8 && dtype != PKM_BF16)
        return pkm_fail(PKM_ERR_ARG, "%s is %d: expected PKM_I8 or PKM_BF16", field, (int)dtype);
    return PKM_OK;
}

static pkm_status refuse_existing(const char *dir)
{
    pkm_names names = {0};
    pkm_status status;

    if (pkm_file_exists(dir))
        return pkm_fail(PKM_ERR_ARG, "%s: is a file: expected a folder to make", dir);
    if (!pkm_directory_exists(dir))
        return PKM_OK;
    status = pkm_directory_list(&names, dir);
    if (status == PKM_OK && names.count > 0)
        status = pkm_fail(PKM_ERR_ARG, "%s: holds something already: choose a new folder", dir);
    pkm_names_release(&names);
    return status;
}

/* The tokenizer as it is, if there is one. */
static pkm_status copy_tokenizer(const char *to, const char *from)
{
    static const char name[] = "tokenizer.json";
    char *source, *target = NULL, *text = NULL;
    size_t bytes;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_model_dir_path(&source, from, name));
    if (pkm_file_exists(source)) {
        status = pkm_path_join(&target, to, name);
        if (status == PKM_OK)
            status = pkm_file_read(&text, &bytes, source, PTRDIFF_MAX);
        if (status == PKM_OK)
            status = pkm_file_write(target, text, bytes);
    }
    pkm_free(text);
    pkm_free(target);
    pkm_free(source);
    return status;
}

static pkm_status fill_folder(const char *temporary, const pkm_gpt *gpt, int64_t step,
                              const char *from)
{
    PKM_TRY(pkm_directory_create(temporary));
    PKM_TRY(pkm_model_dir_save_config(temporary, &gpt->config, NULL));
    PKM_TRY(pkm_model_dir_save_weights(temporary, gpt, step));
    PKM_TRY(copy_tokenizer(temporary, from));
    return pkm_directory_sync(temporary);
}

/* All of it under another name, then at once under its own. */
static pkm_status save_as(const char *dir, const pkm_gpt *gpt, int64_t step, const char *from)
{
    char *temporary;
    pkm_status status;

    PKM_TRY(pkm_path_temporary(&temporary, dir));
    status = fill_folder(temporary, gpt, step, from);
    if (status == PKM_OK && pkm_io()->rename(temporary, dir) != 0)
        status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename the model to this name", dir);
    if (status == PKM_OK) {
        status = pkm_parent_sync(dir);
    } else {
        pkm_error_copy error;

        pkm_error_keep(&error);
        (void)pkm_directory_remove(temporary);
        pkm_error_restore(&error);
    }
    pkm_free(temporary);
    return status;
}

/* With slashes at its end, which shells complete, a name is of what lies in the folder. */
static pkm_status save(const char *dir, const pkm_gpt *gpt, int64_t step, const char *from)
{
    size_t length = strlen(dir);
    char *name;
    pkm_status status;

    while (length > 1 && dir[length - 1] == '/')
        length--;
    PKM_TRY(pkm_alloc_array((void **)&name, pkm_size_sum(length, 1), 1, "a path"));
    memcpy(name, dir, length);
    status = save_as(name, gpt, step, from);
    pkm_free(name);
    return status;
}

static int64_t tensor_bytes(const pkm_gpt *gpt)
{
    int64_t total = 0;

    for (int i = 0; i < pkm_params_count(gpt->params); i++) {
        const pkm_param *param = pkm_params_at(gpt->params, i);

        total += param->count * (int64_t)pkm_dtype_bytes(param->dtype);
    }
    return total;
}

static pkm_status quantize(const pkm_gpt *from, const pkm_st_reader *weights, const char *source,
                           const char *out_dir, const pkm_quantize_config *config,
                           pkm_quantize_result *result)
{
    const char *step = pkm_st_metadata(weights, "pkm_step");
    pkm_gpt *gpt;
    pkm_status status;

    PKM_TRY(pkm_gpt_quantize(&gpt, from, config->weights, config->values));
    status = save(out_dir, gpt, step == NULL ? 0 : strtoll(step, NULL, 10), source);
    if (status == PKM_OK && result != NULL)
        *result = (pkm_quantize_result){tensor_bytes(from), tensor_bytes(gpt)};
    pkm_gpt_destroy(gpt);
    return status;
}

pkm_status pkm_model_quantize(const char *dir, const char *out_dir,
                              const pkm_quantize_config *config, pkm_quantize_result *result)
{
    pkm_st_reader *weights;
    pkm_gpt_config found;
    pkm_gpt *from;
    pkm_status status;

    PKM_TRY(check_dtype("weights", config->weights));
    PKM_TRY(check_dtype("values", config->values));
    PKM_TRY(refuse_existing(out_dir));
    PKM_TRY(pkm_model_dir_verify(dir, PKM_VERIFY_QUICK));
    PKM_TRY(pkm_model_dir_load_config(&found, dir));
    if (pkm_gpt_check_trainable(&found, dir) != PKM_OK)
        return pkm_fail(PKM_ERR_UNSUPPORTED, "%s: quantised already: give the model it was made of",
                        dir);
    PKM_TRY(pkm_model_dir_open(&from, &weights, dir, -1, false));
    status = quantize(from, weights, dir, out_dir, config, result);
    pkm_gpt_destroy(from);
    pkm_st_close(weights);
    return status;
}
