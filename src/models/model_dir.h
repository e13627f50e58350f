/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model directories: config.json, model.safetensors, tokenizer.json. A plain model is a GPT-2 that
 * transformers opens; with memory, model_type is pkm_gpt2 and config.json has a "pkm" object.
 *
 * `dir` of the readers may also be one of a run's pointers (checkpoints/best, checkpoints/last): a
 * small file that holds the name of a folder beside it.
 */
#ifndef PKM_MODELS_MODEL_DIR_H
#define PKM_MODELS_MODEL_DIR_H

#include "format/json.h"
#include "format/safetensors.h"
#include "models/gpt.h"
#include "pkm/model.h"

/* *out = path of file `name` of the model, pointers followed; owned by the caller. */
pkm_status pkm_model_dir_path(char **out, const char *dir, const char *name);

/* Checks the folder against its MANIFEST.json, if it has one: a checkpoint does. */
pkm_status pkm_model_dir_verify(const char *dir, pkm_verify_level level);

/* The contents of config.json, its "pkm" object laid over options (may be NULL); NULL if memory is
 * out. */
json_t *pkm_model_dir_config_json(const pkm_gpt_config *config, const json_t *options);
/* dir/config.json; extra (may be NULL): option values as a JSON object, kept under "pkm". */
pkm_status pkm_model_dir_save_config(const char *dir, const pkm_gpt_config *config,
                                     const char *extra_json);
pkm_status pkm_model_dir_load_config(pkm_gpt_config *out, const char *dir);

/* dir/model.safetensors; step goes into the metadata. */
pkm_status pkm_model_dir_save_weights(const char *dir, const pkm_gpt *gpt, int64_t step);
/* Fills the model's tensors; every tensor must be there with its shape, no unknown ones. */
pkm_status pkm_model_dir_load_weights(pkm_gpt *gpt, const char *dir, bool no_mmap);

/* A model of which nothing is computed: config and the header of the weights, compared. */
pkm_status pkm_model_dir_describe(pkm_gpt **out, pkm_st_reader **weights, const char *dir);

/*
 * A model to compute with but not to train: config and weights. Value tables whose dtype and place
 * in the file allow it are read where they lie: *weights has to outlive *out. precision: -1, or the
 * pkm_dtype to compute in.
 */
pkm_status pkm_model_dir_open(pkm_gpt **out, pkm_st_reader **weights, const char *dir,
                              int precision, bool no_mmap);

#endif
