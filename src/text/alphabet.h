/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPT-2's byte alphabet: every byte is written as one printable character, so that tokens are JSON
 * strings. Bytes 0x21-0x7e, 0xa1-0xac and 0xae-0xff stand for themselves; the other 68, in
 * increasing order, for U+0100 upwards (space U+0120, newline U+010a, last U+0143).
 */
#ifndef PKM_TEXT_ALPHABET_H
#define PKM_TEXT_ALPHABET_H

#include <stdbool.h>

enum {
    PKM_ALPHABET_SHIFTED = 0x100,                         /* of byte 0 */
    PKM_ALPHABET_DELETE = PKM_ALPHABET_SHIFTED + 0x21,    /* of byte 0x7f */
    PKM_ALPHABET_SOFT_HYPHEN = PKM_ALPHABET_SHIFTED + 67, /* of byte 0xad, the last */
};

static inline bool pkm_alphabet_plain(int code)
{
    return (code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff && code != 0xad);
}

/* Code point of a byte. */
static inline int pkm_alphabet_code(unsigned char byte)
{
    if (pkm_alphabet_plain(byte))
        return byte;
    if (byte <= 0x20)
        return PKM_ALPHABET_SHIFTED + byte;
    return byte == 0xad ? PKM_ALPHABET_SOFT_HYPHEN : PKM_ALPHABET_DELETE + byte - 0x7f;
}

/* Byte of a code point, -1 if it is not in the alphabet. */
static inline int pkm_alphabet_byte(int code)
{
    if (pkm_alphabet_plain(code))
        return code;
    if (code < PKM_ALPHABET_SHIFTED || code > PKM_ALPHABET_SOFT_HYPHEN)
        return -1;
    if (code < PKM_ALPHABET_DELETE)
        return code - PKM_ALPHABET_SHIFTED;
    return code == PKM_ALPHABET_SOFT_HYPHEN ? 0xad : code - PKM_ALPHABET_DELETE + 0x7f;
}

#endif
