/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the MANIFEST.json of a checkpoint of three files: it names nothing outside the
 * folder; if it holds and names a file, it no longer holds when that file has changed. */
#include <stdio.h>
#include <string.h>

#include "format/manifest.h"
#include "fuzz.h"

static const struct {
    const char *name, *text, *changed;
} files[] = {
    {"config.json", "{}", "[]"}, {"model.safetensors", "weights", "weighty"}, {"empty", "", "!"}};

enum { N_FILES = sizeof files / sizeof files[0] };

static void write_file(int file, bool changed)
{
    const char *text = changed ? files[file].changed : files[file].text;

    fuzz_write(files[file].name, text, strlen(text));
}

/* Whether a manifest that holds also holds when less is looked at; then what we write ourselves. */
static void check_levels(void)
{
    static const char *const names[] = {"config.json", "model.safetensors", "empty"};

    (void)fuzz_must(pkm_manifest_check(fuzz_path(""), NULL, 0, PKM_VERIFY_QUICK));
    (void)fuzz_must(pkm_manifest_check(fuzz_path(""), NULL, 0, PKM_VERIFY_NONE));
    (void)fuzz_ok(pkm_manifest_check(fuzz_path(""), names, N_FILES, PKM_VERIFY_FULL));
    if (fuzz_must(pkm_manifest_write(fuzz_path(""), names, N_FILES)))
        (void)fuzz_must(pkm_manifest_check(fuzz_path(""), names, N_FILES, PKM_VERIFY_FULL));
}

static void run(const uint8_t *data, size_t size)
{
    for (int i = 0; i < N_FILES; i++)
        write_file(i, false);
    fuzz_write("MANIFEST.json", data, size);
    if (!fuzz_ok(pkm_manifest_check(fuzz_path(""), NULL, 0, PKM_VERIFY_FULL)))
        return;
    fuzz_loaded();
    for (int i = 0; i < N_FILES; i++) {
        char quoted[64];

        snprintf(quoted, sizeof quoted, "\"%s\"", files[i].name);
        write_file(i, true);
        if (fuzz_ok(pkm_manifest_check(fuzz_path(""), NULL, 0, PKM_VERIFY_FULL)))
            fuzz_check(memmem(data, size, quoted, strlen(quoted)) == NULL,
                       "a change of a file that the manifest names is noticed");
        write_file(i, false);
    }
    check_levels();
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 96 << 10};
