/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPT-2's split rule: text is cut into pieces, and merges never cross a piece. At each place the
 * first rule that matches, as long as possible (L letters, N numbers, W white space, other = none
 * of them):
 *   1. an apostrophe and one of s t re ve m ll d
 *   2. an optional U+0020, then L+       3. ... then N+       4. ... then other+
 *   5. a run of W: at the end of the text all of it, else all but its last character
 *   6. a single W
 * A byte that is no part of valid UTF-8 is a character of its own, of class other.
 */
#ifndef PKM_TEXT_SPLIT_H
#define PKM_TEXT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

/* A longer piece is cut after so many bytes, which bounds the memory of everything above. */
enum { PKM_PIECE_MAX = 4 << 20 };

/*
 * Bytes of the first piece of text, at most PKM_PIECE_MAX. `final`: the text ends where the buffer
 * does; if it does not, 0 says that what follows the buffer could change the piece.
 */
size_t pkm_split_next(const unsigned char *text, size_t bytes, bool final);

/*
 * A place near `target` where the rule cuts whatever follows, so that both sides split as the whole
 * does: the last one up to target that can be seen from its neighbours, else the first at or after
 * target found by splitting. With `final` unset, 0 if the buffer is too short to tell.
 */
size_t pkm_split_cut(const unsigned char *text, size_t bytes, size_t target, bool final);

#endif
