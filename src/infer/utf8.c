/* SPDX-License-Identifier: Apache-2.0 */
#include "infer/utf8.h"

#include <stdint.h>

/* Well-formed sequences (Unicode 15, table 3-7): range of the second byte, by ranges of the first;
 * later bytes are 80 to bf. */
static const struct {
    uint8_t first_low, first_high, length, second_low, second_high;
} forms[] = {
    {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

size_t pkm_utf8_piece(const char *text, size_t bytes, bool *valid)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t n_forms = sizeof forms / sizeof forms[0], form = 0;

    *valid = false;
    while (form < n_forms && !(at[0] >= forms[form].first_low && at[0] <= forms[form].first_high))
        form++;
    if (form == n_forms)
        return 1;
    for (size_t i = 1; i < forms[form].length; i++) {
        uint8_t low = i == 1 ? forms[form].second_low : 0x80;
        uint8_t high = i == 1 ? forms[form].second_high : 0xbf;

        if (i == bytes)
            return 0;
        if (at[i] < low || at[i] > high)
            return i;
    }
    *valid = true;
    return forms[form].length;
}
