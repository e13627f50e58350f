/* SPDX-License-Identifier: Apache-2.0 */
#include "text/split.h"

#include <stdint.h>
#include <utf8proc.h>

/* Class of a character; WIDE marks bytes that begin (or break) a sequence of several. */
typedef enum char_class { OTHER, LETTER, NUMBER, SPACE, WIDE } char_class;

static const unsigned char byte_class[256] = {
    ['\t' ... '\r'] = SPACE, [' '] = SPACE,          ['0' ... '9'] = NUMBER,
    ['A' ... 'Z'] = LETTER,  ['a' ... 'z'] = LETTER, [0x80 ... 0xff] = WIDE,
};

enum { LOOK_AHEAD = 8 }; /* bytes: a space of three, a character of four, rounded up */

static char_class wide_class(const unsigned char *text, size_t bytes, size_t *length)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t taken =
        utf8proc_iterate(text, (utf8proc_ssize_t)(bytes < 4 ? bytes : 4), &code);

    if (taken <= 0) {
        *length = 1;
        return OTHER;
    }
    *length = (size_t)taken;
    if (code == 0x85)
        return SPACE;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return NUMBER;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return SPACE;
    default:
        return OTHER;
    }
}

/* Class and length in bytes of the first character; bytes > 0. */
static inline char_class first_class(const unsigned char *text, size_t bytes, size_t *length)
{
    char_class class = (char_class)byte_class[text[0]];

    *length = 1;
    return class == WIDE ? wide_class(text, bytes, length) : class;
}

/* Bytes of an apostrophe's contraction, 0 if it is none. */
static size_t contraction(const unsigned char *text, size_t bytes)
{
    if (bytes < 2)
        return 0;
    switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd':
        return 2;
    case 'r':
    case 'v':
        return bytes > 2 && text[2] == 'e' ? 3 : 0;
    case 'l':
        return bytes > 2 && text[2] == 'l' ? 3 : 0;
    default:
        return 0;
    }
}

/* End of the run of `class` that starts at `from`. */
static size_t run_end(const unsigned char *text, size_t bytes, size_t from, char_class class)
{
    size_t length;

    while (from < bytes && first_class(text + from, bytes - from, &length) == class)
        from += length;
    return from;
}

static size_t space_run(const unsigned char *text, size_t bytes)
{
    size_t end = 0, last = 0, length;

    while (end < bytes && first_class(text + end, bytes - end, &length) == SPACE) {
        last = end;
        end += length;
    }
    return end == bytes || last == 0 ? end : last;
}

static size_t first_piece(const unsigned char *text, size_t bytes)
{
    size_t start = text[0] == ' ' && bytes > 1, length;
    char_class class;

    if (text[0] == '\'' && contraction(text, bytes) > 0)
        return contraction(text, bytes);
    class = first_class(text + start, bytes - start, &length);
    return class == SPACE ? space_run(text, bytes) : run_end(text, bytes, start + length, class);
}

size_t pkm_split_next(const unsigned char *text, size_t bytes, bool final)
{
    size_t end;

    if (bytes >= PKM_PIECE_MAX) {
        bytes = PKM_PIECE_MAX;
        final = true;
    }
    if (bytes == 0)
        return 0;
    end = first_piece(text, bytes);
    return final || end + LOOK_AHEAD <= bytes ? end : 0;
}

/* Whether the character that ends before `position` (> 0) is white space. */
static bool space_before(const unsigned char *text, size_t position)
{
    size_t back = 1, length;

    while (back < 4 && back < position && (text[position - back] & 0xc0) == 0x80)
        back++;
    return first_class(text + position - back, back, &length) == SPACE && length == back;
}

size_t pkm_split_cut(const unsigned char *text, size_t bytes, size_t target, bool final)
{
    size_t end = 0, piece;

    if (final && target >= bytes)
        return bytes;
    /* Every run of letters, numbers or others ends before a space, whatever surrounds them. */
    for (size_t at = target < bytes ? target : bytes - 1; bytes > 0 && at > 0; at--)
        if (byte_class[text[at]] == SPACE && !space_before(text, at))
            return at;
    while (end < target && (piece = pkm_split_next(text + end, bytes - end, final)) > 0)
        end += piece;
    return end;
}
