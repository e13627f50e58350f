/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a safetensors file: mapped or read, its tensors lie inside; what loads and can be
 * written loads again, equal. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dtype.h"
#include "format/safetensors.h"
#include "fuzz.h"

static const char *const dtype_names[] = {
    [PKM_F32] = "F32", [PKM_BF16] = "BF16", [PKM_I8] = "I8", [PKM_I32] = "I32", [PKM_U8] = "U8"};

/* The pkm_dtype of a tensor, -1 for those that are never written. */
static int dtype_of(const pkm_st_tensor *tensor)
{
    for (int dtype = 0; dtype < (int)(sizeof dtype_names / sizeof dtype_names[0]); dtype++)
        if (dtype_names[dtype] != NULL && strcmp(dtype_names[dtype], tensor->dtype) == 0)
            return dtype;
    return -1;
}

static void check_equal(const pkm_st_reader *a, const pkm_st_reader *b)
{
    fuzz_check(pkm_st_count(a) == pkm_st_count(b), "both have the same number of tensors");
    for (int64_t i = 0; i < pkm_st_count(a); i++) {
        const pkm_st_tensor *x = pkm_st_at(a, i), *y = pkm_st_at(b, i);

        fuzz_check(strcmp(x->name, y->name) == 0 && strcmp(x->dtype, y->dtype) == 0 &&
                       x->n_dims == y->n_dims && x->bytes == y->bytes &&
                       memcmp(x->dims, y->dims, sizeof x->dims[0] * (size_t)x->n_dims) == 0,
                   "both describe the tensor alike");
        fuzz_check(x->bytes == 0 || memcmp(x->data, y->data, x->bytes) == 0,
                   "both have the tensor's bytes");
        fuzz_check(pkm_st_find(a, x->name) == x, "a tensor is found by its name");
    }
}

/* Every tensor as f32 or bf16, whatever it is. */
static void copy_tensors(const pkm_st_reader *reader)
{
    for (int64_t i = 0; i < pkm_st_count(reader); i++) {
        const pkm_st_tensor *tensor = pkm_st_at(reader, i);
        int bits = strcmp(tensor->dtype, "F32") == 0 ? 32 : 16;
        void *copy = malloc(tensor->bytes * 8 / (size_t)bits * 4 + 1);

        fuzz_check(copy != NULL, "there is memory for a tensor of the file");
        (void)fuzz_ok(pkm_st_copy(reader, tensor->name, copy, i % 2 != 0 ? PKM_F32 : PKM_BF16,
                                  tensor->n_dims, tensor->dims));
        free(copy);
    }
}

static void save_and_load(const pkm_st_reader *reader)
{
    int64_t count = pkm_st_count(reader);
    pkm_st_entry *entries = calloc((size_t)count + 1, sizeof *entries);
    pkm_st_reader *again;
    bool writable = true;

    fuzz_check(entries != NULL, "there is memory for the list of tensors");
    for (int64_t i = 0; i < count; i++) {
        const pkm_st_tensor *tensor = pkm_st_at(reader, i);

        writable = writable && dtype_of(tensor) >= 0;
        entries[i] = (pkm_st_entry){.name = tensor->name,
                                    .dtype = (pkm_dtype)dtype_of(tensor),
                                    .n_dims = tensor->n_dims,
                                    .data = tensor->data};
        memcpy(entries[i].dims, tensor->dims, sizeof tensor->dims);
    }
    if (writable && fuzz_must(pkm_st_write(fuzz_path("again"), entries, count, NULL, 0)) &&
        fuzz_must(pkm_st_open(&again, fuzz_path("again"), PKM_ST_MAP))) {
        check_equal(reader, again);
        pkm_st_close(again);
    }
    free(entries);
}

/* Asks for tensors that are not there, or not of that shape. */
static void ask_wrongly(const pkm_st_reader *reader)
{
    const pkm_st_tensor *first = pkm_st_count(reader) > 0 ? pkm_st_at(reader, 0) : NULL, *found;
    int64_t dims[PKM_ST_DIMS] = {1, 2, 3};

    (void)pkm_st_metadata(reader, "format");
    fuzz_check(!fuzz_ok(pkm_st_check(reader, "no such name \n", &found, 0, dims)),
               "a tensor that is not there is not found");
    if (first != NULL && fuzz_ok(pkm_st_check(reader, first->name, &found, 3, dims)))
        fuzz_check(first->n_dims == 3 && memcmp(first->dims, dims, sizeof dims[0] * 3) == 0,
                   "another shape is refused");
}

/* Opens the file in another mode, which must agree with the mapped reader (NULL: refused). */
static void check_mode(const pkm_st_reader *mapped, pkm_st_mode mode)
{
    pkm_st_reader *reader = NULL;
    bool opened = fuzz_ok(pkm_st_open(&reader, fuzz_path("file"), mode));

    fuzz_check(opened == (mapped != NULL) || fuzz_starved(), "modes accept the same files");
    if (opened && mapped != NULL && mode == PKM_ST_READ)
        check_equal(mapped, reader);
    if (opened && mapped != NULL)
        fuzz_check(pkm_st_count(reader) == pkm_st_count(mapped), "modes see the same tensors");
    pkm_st_close(reader);
}

static void run(const uint8_t *data, size_t size)
{
    pkm_st_reader *mapped = NULL;

    fuzz_write("file", data, size);
    if (fuzz_ok(pkm_st_open(&mapped, fuzz_path("file"), PKM_ST_MAP)))
        fuzz_loaded();
    check_mode(mapped, PKM_ST_READ);
    check_mode(mapped, PKM_ST_HEADER);
    if (mapped != NULL) {
        ask_wrongly(mapped);
        copy_tensors(mapped);
        save_and_load(mapped);
    }
    pkm_st_close(mapped);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 2048, .constant = 96 << 10};
