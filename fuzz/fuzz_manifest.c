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
        if (pkm_manifest_check(fuzz_path(""), NULL, 0, PKM_VERIFY_FULL) == PKM_OK)
            fuzz_check(memmem(data, size, quoted, strlen(quoted)) == NULL,
                       "a change of a file that the manifest names is noticed");
        write_file(i, false);
    }
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 96 << 10};
