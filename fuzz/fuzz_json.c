/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON: what is built stays within the memory that the parser asked for beforehand,
 * and written it reads back equal. */
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "format/json.h"
#include "fuzz.h"

static size_t live, peak; /* bytes in jansson's hands */

static void *take(size_t bytes)
{
    void *block = malloc(bytes);

    live += malloc_usable_size(block);
    if (live > peak)
        peak = live;
    return block;
}

static void give(void *block)
{
    live -= malloc_usable_size(block);
    free(block);
}

/* Every field by every getter: what is handed out is in the range that was asked for. */
static void read_fields(const json_t *object)
{
    const char *key, *text = "";
    json_t *field;

    json_object_foreach((json_t *)object, key, field)
    {
        int64_t number = 0;
        double real = 0;
        bool truth = false;
        const json_t *child;
        int choice = 0;

        (void)fuzz_ok(pkm_json_int(object, key, -5, 1000, true, &number, "text"));
        (void)fuzz_ok(pkm_json_real(object, key, -1, 1e9, true, &real, "text"));
        (void)fuzz_ok(pkm_json_bool(object, key, false, &truth, "text"));
        (void)fuzz_ok(pkm_json_string(object, key, false, &text, "text"));
        (void)fuzz_ok(pkm_json_object(object, key, true, &child, "text"));
        (void)fuzz_ok(pkm_json_array(object, key, true, &child, "text"));
        (void)fuzz_ok(pkm_json_choice(object, key, "gpt2|f32|softmax", true, &choice, "text"));
        fuzz_check(number >= -5 && number <= 1000 && real >= -1 && real <= 1e9 && choice >= 0 &&
                       choice < 3 && text != NULL,
                   "a field is in its range");
    }
}

static void write_and_read(const json_t *value)
{
    pkm_strbuf text = {0};
    json_t *again;

    if (fuzz_must(pkm_json_append(&text, value, JSON_INDENT(2))) &&
        fuzz_must(pkm_json_parse(&again, text.data, text.length, "again"))) {
        fuzz_check(json_equal(value, again), "JSON written reads back equal");
        json_decref(again);
    }
    pkm_strbuf_release(&text);
}

static void run(const uint8_t *data, size_t size)
{
    uint64_t asked = fuzz_asked();
    json_t *value = NULL;
    bool parsed;

    json_set_alloc_funcs(take, give);
    peak = 0;
    parsed = fuzz_ok(pkm_json_parse(&value, (const char *)data, size, "text"));
    fuzz_check(peak <= fuzz_asked() - asked, "the memory asked for beforehand is enough");
    fuzz_loaded();
    if (parsed)
        read_fields(value);
    if (parsed && (json_is_object(value) || json_is_array(value)))
        write_and_read(value);
    json_decref(value);
    fuzz_check(live == 0, "all of it is given back");
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 8 << 10};
