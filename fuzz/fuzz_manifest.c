/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the MANIFEST.json of a checkpoint of three files: it names nothing outside the
 * folder; if it holds and names a file, it no longer holds when that file has changed. */
#include <jansson.h>
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

/* Is there an entry of that name in what the manifest lists? */
static bool lists(const uint8_t *data, size_t size, const char *name)
{
    json_t *root = json_loadb((const char *)data, size, 0, NULL), *entry;
    bool found = false;
    size_t i;

    json_array_foreach(json_object_get(root, "files"), i, entry)
    {
        const char *text = json_string_value(json_object_get(entry, "name"));

        found = found || (text != NULL && strcmp(text, name) == 0);
    }
    json_decref(root);
    return found;
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
        write_file(i, true);
        if (fuzz_ok(pkm_manifest_check(fuzz_path(""), NULL, 0, PKM_VERIFY_FULL)))
            fuzz_check(!lists(data, size, files[i].name),
                       "a change of a file that the manifest names is noticed");
        write_file(i, false);
    }
    check_levels();
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 96 << 10};
