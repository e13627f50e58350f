/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the state.json of a checkpoint: what loads and is saved is the same file when it is
 * loaded and saved again. */
#include "fuzz.h"
#include "train/state.h"

static void run(const uint8_t *data, size_t size)
{
    pkm_train_state state, again;

    fuzz_write("state.json", data, size);
    if (!fuzz_ok(pkm_train_state_load(&state, fuzz_path(""))))
        return;
    fuzz_loaded();
    if (fuzz_must(pkm_train_state_save(fuzz_path(""), &state)) &&
        fuzz_must(pkm_train_state_load(&again, fuzz_path("")))) {
        fuzz_check(again.step == state.step && again.tokens == state.tokens &&
                       again.best_step == state.best_step &&
                       again.metrics_bytes == state.metrics_bytes && again.wall == state.wall &&
                       again.smoothed_loss == state.smoothed_loss &&
                       again.best_val_loss == state.best_val_loss,
                   "a saved state loads equal");
        pkm_train_state_release(&again);
    }
    pkm_train_state_release(&state);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 32 << 10};
