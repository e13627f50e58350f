/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share. A target is one file with one `fuzz_this`; fuzz.c drives it:
 *
 *   - run once, counting allocations; asking for more memory than the target allows is a fault;
 *   - run once more with one of those allocations failing, which one being drawn from the input.
 *
 * So every input also tests running out of memory, and a corpus holds nothing but plain inputs.
 * With libFuzzer (preset fuzz) the inputs are searched for; without it replay.c reads them from the
 * corpus.
 */
#ifndef PKM_FUZZ_H
#define PKM_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fuzz_target {
    void (*prepare)(void); /* once, before the first run; may be NULL */
    void (*run)(const uint8_t *data, size_t size);
    /* Memory a run may ask for until fuzz_loaded(), summed over its allocations:
     * per_byte * size + constant. */
    size_t per_byte, constant;
    bool refuse; /* more than that is refused as on a full machine: sizes come from the caller */
} fuzz_target;

extern const fuzz_target fuzz_this;

/* Ends the program with a message unless the claim holds. */
void fuzz_check(bool claim, const char *what);

/* Is status PKM_OK? If not, there must be a message of its own, and the first status after a failed
 * allocation must be PKM_ERR_NOMEM. */
bool fuzz_ok(pkm_status status);
/* The same for what must succeed: false only if an allocation has failed. */
bool fuzz_must(pkm_status status);

/* Has an allocation of this run failed? */
bool fuzz_starved(void);
/* Bytes of memory this run has asked for. */
uint64_t fuzz_asked(void);
/* The input has been read: what is done with it now may take more memory. */
void fuzz_loaded(void);

/* Path of `name` in this program's own folder ("": the folder); valid for the next 15 calls. */
const char *fuzz_path(const char *name);
/* Makes the file `name` of that folder. */
void fuzz_write(const char *name, const void *data, size_t size);
/* Whether two files of that folder have the same bytes. */
bool fuzz_same(const char *name, const char *other);

/* An input that is taken apart from its front; what is missing reads as 0. */
typedef struct fuzz_input {
    const uint8_t *data;
    size_t size;
} fuzz_input;

uint64_t fuzz_number(fuzz_input *in, int bytes);
/* A number from 0 to max. */
int64_t fuzz_up_to(fuzz_input *in, int64_t max);
/* A size as a careless or hostile caller would give it: mostly 0 to 15, else anything. */
int64_t fuzz_size(fuzz_input *in);
/* The part before the next line "----", which is dropped; the last part is the rest. */
fuzz_input fuzz_section(fuzz_input *in);

#endif
