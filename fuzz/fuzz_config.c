/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as config.json: what loads can be planned for, and saved it loads again, equal. */
#include "fuzz.h"
#include "models/model_dir.h"

static void save_and_load(const pkm_gpt_config *config)
{
    pkm_gpt_config again;

    if (!fuzz_must(pkm_model_dir_save_config(fuzz_path(""), config, NULL)) ||
        !fuzz_must(pkm_model_dir_load_config(&again, fuzz_path(""))))
        return;
    json_t *one = pkm_model_dir_config_json(config, NULL);
    json_t *two = pkm_model_dir_config_json(&again, NULL);

    fuzz_check(one == NULL || two == NULL || json_equal(one, two), "a saved config loads equal");
    json_decref(one);
    json_decref(two);
}

static void run(const uint8_t *data, size_t size)
{
    pkm_gpt_config config;
    size_t bytes;

    fuzz_write("config.json", data, size);
    if (!fuzz_ok(pkm_model_dir_load_config(&config, fuzz_path(""))))
        return;
    fuzz_loaded();
    fuzz_check(pkm_gpt_config_check(&config) == PKM_OK, "a config that loads is valid");
    (void)fuzz_ok(pkm_gpt_bytes(&config, true, &bytes));
    save_and_load(&config);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 32 << 10};
