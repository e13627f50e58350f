/* SPDX-License-Identifier: Apache-2.0 */
/* Characters in bytes that may be anything. */
#ifndef PKM_INFER_UTF8_H
#define PKM_INFER_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Bytes of the first piece of text (bytes >= 1): a character (*valid), or the longest beginning of
 * one that goes wrong, at least one byte (not *valid). 0: a beginning that more bytes may complete.
 */
size_t pkm_utf8_piece(const char *text, size_t bytes, bool *valid);

#endif
