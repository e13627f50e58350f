/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files spoilt on purpose. A case is a named change of a good file, and what the reader has to say
 * about it; its file is then cut short and has bits flipped, which must lead to a message or to
 * success, never to a crash, and never to more memory than the file's size allows.
 */
#ifndef PKM_TESTS_MALFORMED_H
#define PKM_TESTS_MALFORMED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Bytes that may hold zeros: BYTES("a\0b"). */
typedef struct malformed_bytes {
    const char *data;
    size_t count;
} malformed_bytes;

#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

typedef struct malformed_case {
    const char *name;
    malformed_bytes find; /* replaced where it comes first in the good file; empty: all of it */
    malformed_bytes put;
    pkm_status status;
    const char *words[2]; /* of the message, beside the name of the file */
} malformed_case;

typedef struct malformed_format {
    const char *name;
    const char *file;  /* path of the good file, which is overwritten and put back */
    const char *names; /* what every message names; NULL: the last part of `file` */
    bool quotes;       /* in cases ' stands for ", which is easier to read */
    /* Reads the file and all that it says, and lets go of it. */
    pkm_status (*read)(const char *file);
    /* Makes lengths in a changed file fit it again; may be NULL. */
    void (*repair)(unsigned char *data, size_t bytes);
} malformed_format;

/* Checks that the good file is read and that every case is refused as it says; then the variants.
 * Prints how many of each there were. */
void malformed_check(const malformed_format *format, const malformed_case *cases, size_t count);

/* Writes a file without the ceremony of pkm_file_write. */
void malformed_write(const char *path, const void *data, size_t bytes);

#endif
