/* SPDX-License-Identifier: Apache-2.0 */
/* Sections: meta.json, two shards of train, one of val, ranges. What opens as a data set can be
 * read anywhere inside, and nowhere else; every id read is in the vocabulary. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pkm/data.h"

static void write_section(const char *name, fuzz_input *in)
{
    fuzz_input section = fuzz_section(in);

    fuzz_write(name, section.data, section.size);
}

static void read_range(const pkm_data *data, int64_t first, int64_t count)
{
    int64_t tokens = pkm_data_tokens(data);
    bool inside = first >= 0 && count >= 0 && first <= tokens && count <= tokens - first;
    int32_t *ids = malloc(inside ? (size_t)count * sizeof *ids + 1 : 1);

    fuzz_check(ids != NULL, "the tokens of a data set fit its files");
    if (fuzz_ok(pkm_data_read(data, ids, first, count))) {
        fuzz_check(inside, "a range outside the data is refused");
        for (int64_t i = 0; i < count; i++)
            fuzz_check(ids[i] >= 0 && ids[i] < pkm_data_vocab_size(data),
                       "an id is in the vocabulary");
    }
    free(ids);
}

static void run(const uint8_t *bytes, size_t size)
{
    fuzz_input in = {bytes, size};

    write_section("meta.json", &in);
    write_section("train-00000.bin", &in);
    write_section("train-00001.bin", &in);
    write_section("val-00000.bin", &in);
    (void)fuzz_ok(pkm_data_verify(fuzz_path(""), NULL, NULL));
    for (int split = -1; split <= PKM_SPLIT_VAL + 1; split++) {
        fuzz_input ranges = in;
        pkm_data *data;

        if (!fuzz_ok(pkm_data_open(&data, fuzz_path(""), (pkm_split)split)))
            continue;
        fuzz_check(strlen(pkm_data_hash(data)) == 32 && strlen(pkm_data_tokenizer_hash(data)) == 32,
                   "a hash has 32 digits");
        fuzz_check(split == PKM_SPLIT_TRAIN || split == PKM_SPLIT_VAL, "there are two sides");
        read_range(data, 0, pkm_data_tokens(data));
        while (ranges.size > 0) {
            int64_t first = fuzz_size(&ranges);

            read_range(data, first, fuzz_size(&ranges));
        }
        pkm_data_close(data);
    }
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 2048, .constant = 128 << 10};
